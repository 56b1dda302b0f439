"""The one door: a model with what it needs to be shown a photograph."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .collection import Collection, store_folder
from .datasets import ImageDataset
from .export.mode import is_static
from .inputs import Input, as_preprocess, prepare
from .kernels import Prepared, class_scores, is_distribution, prepare_passes, probabilities, summary
from .kernels.scores import Pick
from .recording import device_of, dtype_of, record, version_of
from .render import SummaryTable
from .selection import Sample, Selection
from .work import Worker, hold_during_cells

if TYPE_CHECKING:
    from .widgets import ActivationsWidget, AttributionWidget, ExamplesWidget, Explorer, OcclusionWidget, UnitWidget

_SAMPLES_KEPT = 4


class Lens:
    """A model with its preprocessing and its labels; its methods open views of it.

    Parameters
    ----------
    model : torch.nn.Module
        Any; it is borrowed for each pass and given back untouched, and stays on its device.
    preprocess : optional
        From a photograph to the model's input: a callable on a PIL image (torchvision's `transforms()` is one),
        a Hugging Face image processor, timm's data config, or `{"mean": …, "std": …, "size": …}`. Without it
        images must be ready tensors.
    labels : sequence or mapping of str, optional
        The classes' names; "class 0", "class 1", … without it.
    output : str, int or callable, optional
        Which of several outputs holds the class scores.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2))
    >>> lens = Lens(model, preprocess={"size": 4, "mean": 0.5, "std": 0.5}, labels=["cat", "dog"])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        preprocess: Any = None,
        labels: Sequence[str] | Mapping[int, str] | None = None,
        output: Pick = None,
    ):
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
        if isinstance(labels, str) or (labels is not None and not isinstance(labels, (Sequence, Mapping))):
            raise TypeError(f"labels must be a sequence or a mapping of names, got {type(labels).__name__}")
        self.model = model
        self.preprocess = as_preprocess(preprocess)
        self.labels = labels
        self.output = output
        self.worker = Worker(("live", "hand", "image", "card", "map", "synthesis", "data"))
        self.collection = Collection(model, self.worker)
        hold_during_cells(self.worker)
        self._samples: dict[str, Sample] = {}
        self._selections: list[Selection] = []
        self._current: Selection | None = None
        self._like: Prepared | None = None  # the latest one, whose weights the next takes over

    def __repr__(self) -> str:
        return f"Lens({type(self.model).__name__}, on {device_of(self.model)})"

    @property
    def selection(self) -> Selection:
        """What the views of the latest image show: set its `layer`, `unit`, `target`, … and they follow."""
        if self._current is None:
            raise ValueError("nothing is selected yet: open a view first, lens.explore(image) say")
        return self._current

    def look(self, image: Any, *, name: str | None = None) -> Sample:
        """Record one pass on `image` and keep it while it is among the last few.

        Raises ValueError for an image that cannot be read or labels that do not fit, `ForwardError` where the
        model raises, ValueError where it returns NaN (with the first operation that did).
        """
        given = image if isinstance(image, Input) else self._prepare(image, name)
        digest = hashlib.blake2b(given.x.float().cpu().numpy().tobytes(), digest_size=16)
        # In-place edits have a version; a sum also finds those through `.data`.
        sums = [float(tensor.detach().float().sum()) for tensor in self.model.parameters()]
        digest.update(f"{given.name} {tuple(given.x.shape)} {version_of(self.model)} {sums}".encode())
        return self._sample(given, digest.hexdigest())

    def dataset(self, data: Any) -> ImageDataset:
        """A folder, torch Dataset, tensor (n, c, h, w) or sequence of images as this model sees it."""
        return ImageDataset(
            data,
            self.preprocess,
            device=device_of(self.model),
            dtype=dtype_of(self.model),
            labels=() if self.labels is None else self.labels,
        )

    def _prepare(self, image: Any, name: str | None) -> Input:
        return prepare(image, self.preprocess, device=device_of(self.model), dtype=dtype_of(self.model), name=name)

    def current(self, sample: Sample) -> Sample:
        """`sample`, or its image looked at again where the model's weights have changed since."""
        version = version_of(self.model)
        return sample if version == sample.version else self._sample(sample.input, f"{id(sample)} {version}")

    def _sample(self, given: Input, key: str) -> Sample:
        if key not in self._samples:
            version = version_of(self.model)
            recording = record(self.model, given.x)
            scores = class_scores(recording.output, self.output)
            if scores.shape[0] != 1:
                raise ValueError(f"the model must give one row of scores for one image, got {tuple(scores.shape)}")
            if not torch.isfinite(scores).all():
                bad = int((~torch.isfinite(scores)).sum())
                first = recording.first_not_finite()
                where = f"; the first NaN is in {first.name} ({first.op})" if first else ""
                raise ValueError(f"the model returned NaN or infinity in {bad} of {scores.numel()} scores{where}")
            distribution = is_distribution(scores[0])
            shares = probabilities(scores, distribution=distribution)[0].cpu().numpy()
            logits = scores[0].cpu().numpy()
            while len(self._samples) >= _SAMPLES_KEPT:
                self._samples.pop(next(iter(self._samples)))
            self._samples[key] = Sample(
                given, recording, logits, shares, self._names(len(logits)), distribution, version
            )
        return self._samples[key]

    def prepared(self, sample: Sample) -> Prepared | None:
        """The model made ready for many passes on variations of an image, once for each; see `kernels.Prepared`."""

        def make() -> Prepared | None:
            x, recording = sample.input.x, sample.recording
            self._like = prepare_passes(self.model, x, self.output, recording=recording, like=self._like)
            return self._like

        found: Prepared | None = sample.once("prepared", make=make)
        return found

    def _names(self, classes: int) -> tuple[str, ...]:
        if self.labels is None:
            return tuple(f"class {index}" for index in range(classes))
        if isinstance(self.labels, Mapping):
            return tuple(str(self.labels.get(index, f"class {index}")) for index in range(classes))
        if len(self.labels) != classes:
            raise ValueError(f"labels must name each of the model's {classes} scores, got {len(self.labels)} names")
        return tuple(map(str, self.labels))

    def select(self, image: Any, **choices: Any) -> Selection:
        """The selection that the views of `image` share; None stands for the latest image."""
        if image is None:
            selection = self.selection
        else:
            sample = self.look(image)
            known = next((one for one in self._selections if one.sample is sample), None)
            if known is None:
                return self._remember(Selection(sample, **choices))
            selection = known
        for name, value in choices.items():
            if value is not None:
                setattr(selection, name, value)
        return self._remember(selection)

    def _remember(self, selection: Selection) -> Selection:
        self._current = selection
        others = [one for one in self._selections if one is not selection]
        self._selections = [*others, selection][-_SAMPLES_KEPT:]
        return selection

    def summary(self, image: Any = None, *, depth: int | None = None, passes: int = 5) -> SummaryTable:
        """Every operation of a pass with its shape, parameters, FLOPs, receptive field, time and bytes, by module.

        Parameters
        ----------
        image : optional
            What the pass is run on; the latest image if left out.
        depth : int, optional
            How many levels of modules are unfolded.
        passes : int
            How many passes are timed.

        Returns
        -------
        SummaryTable
            A table in a terminal, a tree that folds in a notebook; `.result` has the numbers.
        """
        sample = self.selection.sample if image is None else self.look(image)
        return SummaryTable(summary(self.model, sample.input.x, depth=depth, passes=passes))

    def explore(self, image: Any = None, **options: Any) -> Explorer:
        """The explorer: photograph, occluder, layers, mosaic and unit, all linked.

        Parameters
        ----------
        image : path, bytes, PIL image, uint8 array or ready tensor
            The photograph; the latest one if left out.
        **options
            `layer`, `unit`, `target` to begin with; `size`, `stride`, `fill` of the occluder; `hide`, parts to
            leave out; `layers` and `sizes`, what a saved page keeps.
        """
        from .widgets import Explorer

        return Explorer(self, image, **options)

    def activations(self, image: Any = None, **options: Any) -> ActivationsWidget:
        """The layer picker, the mosaic of a layer's maps and one unit at large; options as for `explore`."""
        from .widgets import ActivationsWidget

        return ActivationsWidget(self, image, **options)

    def occlusion(self, image: Any = None, **options: Any) -> OcclusionWidget:
        """The photograph with the occluder under the mouse and the map of the whole experiment; see `explore`."""
        from .widgets import OcclusionWidget

        return OcclusionWidget(self, image, **options)

    def unit(self, image: Any = None, **options: Any) -> UnitWidget:
        """One unit under the microscope: where it fires, back to the pixels, its images, its wiring, what it matters.

        Parameters
        ----------
        image : optional
            As for `explore`; the latest one if left out.
        **options
            `layer` and `unit` (or `channel`), `position` on its map, `rule` to begin with; `hide`, parts to leave out.
        """
        from .widgets import UnitWidget

        return UnitWidget(self, image, **options)

    def attribution(self, image: Any = None, **options: Any) -> AttributionWidget:
        """Attributions side by side, a column for each method, and under each the evidence that could refute it.

        Parameters
        ----------
        image : optional, or a list
            As for `explore`; the latest one if left out. A list of up to six images gives a row to each.
        **options
            `methods`, a list of names (`kernels.METHODS` has all of them); `target`, a class, or a list of up to six
            that are compared, a row each; `layer` of Grad-CAM; `score` ("logit", "probability") where it shall not be
            each method's own; `samples`, `segments`, `segmentation`, `width`, `seed` of LIME and its kin; `look`
            ("own", "signed", "magnitude"), `maps_scale` ("each", "method", "all"), `opacity`; `checks`, which evidence
            is made ("faithfulness", "randomisation", "seeds", "sensitivity"), and `most`, how many forward passes a
            check may take by itself (400; None: any number); `hide`, parts to leave out.
        """
        from .widgets import AttributionWidget

        return AttributionWidget(self, image, **options)

    def examples(
        self,
        dataset: Any,
        *,
        layers: Sequence[str] | None = None,
        store: str | Path | bool = True,
        **options: Any,
    ) -> ExamplesWidget:
        """Look through a data set, in the background, for the best images of every unit of some layers.

        What is found so far shows at once, in this view and in every unit card of the lens; it is kept on disk, so
        that a pass that was stopped goes on where it was, and one that was done is there. `kernels.examples` does the
        same in a script.

        Parameters
        ----------
        dataset : folder, torch Dataset, tensor (n, c, h, w) or sequence of images
            See `datasets.ImageDataset`.
        layers : sequence of str, optional
            Operations or modules' paths; by default up to five activation functions, evenly spread.
        store : bool or folder
            Where it is kept: the user's cache (or the folder in NNLENS_CACHE), a folder, or not at all (False).
        **options
            `layer` and `unit` to begin with; `hide`, parts to leave out.
        """
        from .widgets import ExamplesWidget

        data = self.dataset(dataset)
        if self._current is not None and (now := self.current(self._current.sample)) is not self._current.sample:
            self._current.show(now)
        sample = None if self._current is None else self._current.sample
        first = data.first()
        if sample is None or sample.input.x.shape != first.x.shape:
            sample = self.look(first)
        names = _spread_layers(sample) if layers is None else layers
        if isinstance(names, str):
            raise TypeError(f"layers must be a list of names, got {names!r}")
        folder = store_folder() / "examples" if store is True else None if store is False else Path(store)
        self.collection.begin(data, names, sample.recording, self.prepared(sample), store=folder)
        if not is_static():
            self.collection.start()
        if options.get("layer") is None and (self._current is None or self._current.layer not in self.collection):
            options["layer"] = self.collection.layers[-1]
        return ExamplesWidget(self, sample.input, **options)


def _spread_layers(sample: Sample, count: int = 5) -> list[str]:
    """At most `count` layers that a data set is worth looking through for, evenly spread."""
    maps = [op for op in sample.recording if op.number is not None and len(op.shape) in (3, 4) and op.shape[0] == 1]
    chosen = [op.name for op in maps if op.kind == "activation"] or [sample.default_layer()]
    if len(chosen) <= count:
        return chosen
    return [chosen[round(place * (len(chosen) - 1) / (count - 1))] for place in range(count)]
