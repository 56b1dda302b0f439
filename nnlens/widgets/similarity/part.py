"""The similarity of all layers of two models, and the units of a layer that differ most."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import torch
import traitlets as t
from PIL import Image
from torch import Tensor, nn
from typing_extensions import TypedDict

from nnlens.export.bundle import Response
from nnlens.inputs.datasets import evenly
from nnlens.kernels.training import Similarity, changed_units, similarity
from nnlens.kernels.training.similarity import batch_layers
from nnlens.recording import Recorder, Recording, device_of, dtypes_of, version_of
from nnlens.render import Panel
from nnlens.render.picture import color_map
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced
from nnlens.widgets.weights.against import other_models

_IMAGES, _UNITS, _SIDE = 128, 24, 320


class SimilarityPayload(TypedDict):
    """Linear CKA of each layer of the first model with each of the second, `values[row][column]`; None: not finite."""

    first: list[str]
    second: list[str]
    values: list[list[float | None]]
    null: list[list[float | None]]
    high: list[list[float | None]]
    words: str


class ChangedPayload(TypedDict):
    """The units of a layer that differ most: 1 − the correlation of their values in the two models."""

    layer: str
    units: list[int]
    values: list[float]
    constant: int
    count: int


class SimilarityTraits(t.HasTraits):
    """The traits of `SimilarityPart`."""

    similarity = payload(SimilarityPayload, "how alike all layers are; null while it is computed")
    changed = payload(ChangedPayload, "the units of a layer that differ most; null where no layer is in both")
    changed_layer = synced(t.Unicode("", help="the layer whose units are compared"), state=True)
    changed_layers = synced(t.List(t.Unicode(), help="those that are in both models"), list[str])


class SimilarityPart(Part):
    """Both models see the same inputs."""

    traits: SimilarityTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        others = other_models(self.session.model, options["other"], "other")
        if len(others) != 1:
            raise ValueError(f"other must be one model, lens or state dictionary, got {options['other']!r}")
        self._other: nn.Module = next(iter(others.values()))
        self._batch = self._images(options["images"], options.get("count", _IMAGES))
        self._layers, self._other_layers = options.get("layers"), options.get("other_layers")
        for name, value in (("layers", self._layers), ("other_layers", self._other_layers)):
            if isinstance(value, str):
                raise TypeError(f"{name} must be a list of names, got {value!r}")
        self._of: Any = None
        self._recordings: tuple[Recording, Recording] | None = None
        self._found: Similarity | None = None
        self._changed: dict[str, np.ndarray] = {}

    def _images(self, images: Any, count: Any) -> Tensor:
        if isinstance(count, bool) or not isinstance(count, int) or count < 3:
            raise ValueError(f"count must be a whole number of at least 3, got {count!r}")
        setup = self.session.setup
        if isinstance(images, Tensor) and (setup.preprocess is None or images.is_floating_point()):
            places = torch.tensor(evenly(len(images), count))
            batch = images.detach()[places.to(images.device)].to(device_of(setup.model))
            batch = batch.to(dtypes_of(setup.model)[0]) if batch.is_floating_point() else batch
        else:
            found = setup.dataset(images).labelled(count).images
            assert isinstance(found, Tensor)  # read into memory
            batch = found
        if len(batch) < 3:
            raise ValueError(f"images must be at least three, got {len(batch)}")
        return batch

    def start(self) -> None:
        self.observe("changed_layer", self._show_units)
        self._run()

    def model_changed(self) -> None:
        self._run()

    def _run(self) -> None:
        self.view.submit("card", lambda: self.view.reported(_("similarity of layers"), self._steps()))

    def _steps(self) -> Generator[None, None, None]:
        yield
        version = version_of(self.session.model, full=True), version_of(self._other, full=True)
        if self._of == version:
            return
        first = Recorder(self.session.model)(self._batch)
        yield
        second = Recorder(self._other)(self._batch.to(device_of(self._other)))
        yield
        names = {} if self._other_layers is None else {"second_layers": self._other_layers}
        if self._layers is None and self._other_layers is None and not _alike(first, second):
            names = {"second_layers": batch_layers(second)}  # another architecture
        found = similarity(first, second, layers=self._layers, **names)
        self._found, self._recordings, self._of, self._changed = found, (first, second), version, {}
        both = [name for name in found.first if name in found.second and first[name].shape == second[name].shape]
        self.traits.similarity = {
            "first": list(found.first),
            "second": list(found.second),
            "values": _rows(found.values),
            "null": _rows(found.null),
            "high": _rows(found.high),
            "words": found.describe(),
        }
        self.traits.changed_layers = both
        if self.traits.changed_layer not in both:
            self.traits.changed_layer = both[-1] if both else ""
        self._show_units()

    def _show_units(self, change: Any = None) -> None:
        if self._recordings is None:
            return
        layer = self.traits.changed_layer
        if layer and layer not in self.traits.changed_layers:
            shown = self.traits.changed
            self.traits.changed_layer = shown["layer"] if shown else ""
            raise ValueError(f"changed_layer must be one of {', '.join(self.traits.changed_layers)}, got {layer!r}")
        self.traits.changed = self._units(layer) if layer else None

    def _units(self, layer: str) -> ChangedPayload:
        values = self.changed(layer)
        order = [int(unit) for unit in np.argsort(-np.nan_to_num(values, nan=-1.0), kind="stable")]
        known = [unit for unit in order if np.isfinite(values[unit])][:_UNITS]
        return {
            "layer": layer,
            "units": known,
            "values": [float(f"{values[unit]:.4g}") for unit in known],
            "constant": int(np.isnan(values).sum()),
            "count": len(values),
        }

    def changed(self, layer: str) -> np.ndarray:
        """1 − correlation of each unit of a layer."""
        self.result()
        assert self._recordings is not None
        if layer not in self._changed:
            self._changed[layer] = changed_units(*self._recordings, layer)
        return self._changed[layer]

    def result(self) -> Similarity:
        """The similarity of all layers."""
        for _step in self._steps():
            pass
        assert self._found is not None
        return self._found

    # A saved page.

    def complete(self) -> None:
        self.result()

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """The units of every layer."""
        if self._recordings is None:
            return []
        return [
            Response(("changed_layer",), {name: {"changed": self._units(name)} for name in self.traits.changed_layers})
        ]

    def describe(self) -> str:
        return "" if self.traits.similarity is None else self.traits.similarity["words"]

    def panels(self) -> list[Panel]:
        if self._found is None:
            return []
        picture = color_map(self._found.values.astype(np.float32), 0.0, 1.0)
        return [Panel(title=_("similarity of layers"), image=picture.resize((_SIDE, _SIDE), Image.Resampling.NEAREST))]


def _alike(first: Recording, second: Recording) -> bool:
    return {item.name for item in first} == {item.name for item in second}


def _rows(values: np.ndarray) -> list[list[float | None]]:
    return [[float(f"{value:.4g}") if np.isfinite(value) else None for value in row] for row in values]
