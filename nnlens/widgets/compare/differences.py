"""The second side of a comparison, and what the two sides differ in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from nnlens.export.bundle import Response, within_budget
from nnlens.kernels import ActivationDifference, Activations, Occlusion, activation_difference
from nnlens.render import layer_entries, mosaic_texture, occlusion_difference_texture, unit_texture
from nnlens.session.selection import Selection
from nnlens.utils.language import _
from nnlens.widgets.activations.layers import spread
from nnlens.widgets.base.part import Owner, Part
from nnlens.widgets.occlusion.experiment import ExperimentPart

from .side import Side

SECOND_SIDE = "second side"  # the option with which the view gives its session and selection


class DifferencePart(Part):
    """Keeps the second side at what the first shows, and computes what they differ in."""

    second: Side
    titles: tuple[str, str]

    def prepare(self, options: Mapping[str, Any]) -> None:
        session, selection, self.titles = options[SECOND_SIDE]
        self.second = Side(self.view, session, selection)
        self.traits.of_models = session is not self.session
        self._check()
        traits = self.traits
        chosen = {name: getattr(traits, name) for name in ("size", "stride", "fill", "shape", "score")}
        self.second.mirror(self.selection)
        for part in self.second.parts:
            part.prepare(chosen)
        if options.get("unit") is None:
            self._choose_unit()

    def _choose_unit(self) -> None:
        """Begin with the unit that differs most."""
        with suppress(ValueError):  # of layers that cannot be compared
            self.selection.unit = int(self.difference().order[0])

    def _check(self) -> None:
        first, second = self.sample, self.second.selection.sample
        if first.names != second.names:
            raise ValueError(
                f"the two models must have the same classes, got {len(first.names)} and {len(second.names)}"
                if len(first.names) != len(second.names)
                else "both must have the same classes, got different labels: what is read of each image "
                "in its own way, such as boxes and neighbours, has classes of its own"
            )
        sizes = [tuple(one.input.x.shape[2:]) for one in (first, second)]
        if sizes[0] != sizes[1]:
            one, other = (" × ".join(map(str, size)) for size in sizes)
            raise ValueError(f"the two inputs must be of the same size, got {one} and {other} pixels")
        if self.selection.layer not in second.recording:
            common = self._common_layers()
            if not common:
                raise ValueError("the two models must have operations of the same names, got none")
            self.selection.layer = common[-1]

    def _common_layers(self) -> list[str]:
        second = self.second.selection.sample.recording
        return [operation.name for operation in self.sample.recording if operation.name in second]

    def start(self) -> None:
        for part in self.second.parts:
            part.start()
        self.observe(["occlusion_map", "second_occlusion_map"], self._maps_grew)

    def close(self) -> None:
        self.second.stop()

    @property
    def maps(self) -> tuple[Occlusion | None, Occlusion | None]:
        """The occlusion maps of both sides, as far as they are computed."""
        sides: tuple[Owner, ...] = (self.view, self.second)
        first, second = (side.part(ExperimentPart).known for side in sides)
        return first, second

    def difference(self, layer: str | None = None) -> ActivationDifference:
        """The difference of the selected layer, or of another."""
        first, second = self.selection, self.second.selection
        if layer is None or layer == first.layer:
            return activation_difference(first.activations, second.activations)
        return activation_difference(first.sample.activations(layer), second.sample.activations(layer))

    def updates(self) -> dict[str, Any]:
        view, first, second = self.view, self.selection, self.second.selection
        made: dict[str, Any] = {}
        samples = first.sample, second.sample
        if view.is_outdated("titles", samples):
            made["photo"] = {**self.traits.photo, "name": self.titles[0] or first.image}
        if view.is_outdated("common tree", samples):
            common = set(self._common_layers())
            made["tree"] = [entry for entry in layer_entries(first.sample.recording) if entry["name"] in common]
        self.second.mirror(first)
        made |= self.second.updates(self.titles[1] or second.image)
        if view.is_outdated("difference", (*samples, first.layer, first.grid)):
            made |= self._maps_of(first, second)
        if view.is_outdated("difference unit", (*samples, first.layer, first.grid, first.unit)):
            made["difference_unit_map"] = self._unit_map(first)
        return made | self._occlusion()

    def _maps_of(self, first: Selection, second: Selection) -> dict[str, Any]:
        sides = first.activations, second.activations
        made: dict[str, Any] = {"limits": _one_scale(*sides)}
        try:
            difference = self.difference()
        except ValueError:
            shapes = [" × ".join(map(str, side.values.shape)) for side in sides]
            problem = _("the maps of the two sides are of different shapes: {shapes}", shapes=", ".join(shapes))
            return made | {"difference_mosaic": None, "difference_order": b"", "difference_problem": problem}
        order = difference.order.astype(np.int32).tobytes()
        texture = mosaic_texture(difference.maps)
        return made | {"difference_mosaic": texture, "difference_order": order, "difference_problem": ""}

    def _unit_map(self, first: Selection) -> dict[str, Any] | None:
        try:
            maps = self.difference().maps
        except ValueError:
            return None
        return {**unit_texture(maps, min(first.unit, len(maps) - 1)), "class_name": ""}

    def _occlusion(self) -> dict[str, Any]:
        first, second = self.maps
        shown = self.view.shown_classes()
        if first is None or second is None:
            return {}
        made_of = (first, first.forwards, second, second.forwards, tuple(shown))
        if not self.view.is_outdated("occlusion difference", made_of):
            return {}
        if first.size != second.size or first.logits.shape != second.logits.shape:
            return {"difference_occlusion_map": None}
        return {"difference_occlusion_map": occlusion_difference_texture(first, second, shown)}

    def _maps_grew(self, change: Any) -> None:
        for name, value in self._occlusion().items():
            setattr(self.traits, name, value)

    # Without a kernel.

    def complete(self) -> None:
        for side in (self.view, self.second):
            side.part(ExperimentPart).complete_now()
        self.view.follow()

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        names = spread(self._common_layers(), 24 if whole else 4)
        return [Response(("layer",), within_budget(self._layer_states(names), budget))]

    def _layer_states(self, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        first, second = self.selection.sample, self.second.selection.sample
        for name in dict.fromkeys([self.selection.layer, *names]):
            try:
                difference = self.difference(name)
            except ValueError:
                continue
            sides = first.activations(name), second.activations(name)
            unit = self.selection.unit if name == self.selection.layer else int(difference.order[0])
            state: dict[str, Any] = {
                "unit": unit,
                "position": None,
                "limits": _one_scale(*sides),
                "difference_order": difference.order.astype(np.int32).tobytes(),
            }
            for prefix, maps in (("", sides[0]), ("second_", sides[1]), ("difference_", difference.maps)):
                state[f"{prefix}mosaic"] = mosaic_texture(maps, most_values=60_000, most_side=56)
                state[f"{prefix}unit_map"] = {**unit_texture(maps, unit, most_values=30_000), "class_name": ""}
            yield name, state


def _one_scale(first: Activations, second: Activations) -> list[float]:
    """The limits of the colours for both sides: around zero where a value is negative, else from zero."""
    low = min(float(first.minimum.min()), float(second.minimum.min()))
    high = max(float(first.maximum.max()), float(second.maximum.max()))
    largest = max(-low, high)
    return [-largest, largest] if low < 0 else [0.0, high or 1.0]
