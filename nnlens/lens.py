"""The one door: a model with what it needs to be shown a photograph."""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

import numpy as np
import torch
from torch import Tensor, nn

from .collection import Collection, store_folder
from .datasets import ImageDataset
from .export.mode import chosen_mode, is_static
from .inputs import Input, Preprocess, any_input, as_preprocess, prepare
from .kernels import Prepared, ScoreMeaning, detect_meaning, prepare_passes, summary
from .kernels.scores import Pick, Place, Task
from .labels import class_names, how_many, names_of
from .recording import ForwardError, Recording, changed_by_a_pass, device_of, dtypes_of, record, version_of
from .render import SummaryTable
from .selection import Sample, Selection, class_and_place
from .work import Worker, hold_during_user_code

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
        From a photograph to the model's input: a callable, which receives the image exactly as it was opened
        (torchvision's `transforms()` is one), a Hugging Face image processor, timm's data config, or
        `{"mean": …, "std": …, "size": …}`, which nnlens applies itself. Without it images must be ready tensors.
    labels : sequence or mapping, optional
        The classes' names, by index; see `labels.class_names`. "class 0", "class 1", … without it.
    output : str, int or callable, optional
        Which of several outputs holds the scores.
    task : "multiclass", "multilabel", "binary" or "regression", optional
        What the scores mean; found out from the end of the pass and from the labels where it is left out: see
        `kernels.detect_meaning`. `lens.meaning` says what was found, and each view shows it.
    logits : bool, optional
        Whether a softmax or sigmoid has yet to be applied to the scores; found out likewise.
    unit : str
        Of what a regression predicts: "years".
    bands : three int, optional
        Which of more than three channels are shown as red, green and blue.

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
        labels: Sequence[str] | Mapping[Any, Any] | None = None,
        output: Pick = None,
        task: Task | None = None,
        logits: bool | None = None,
        unit: str = "",
        bands: Sequence[int] | None = None,
    ):
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
        _check_meaning(task, logits)
        if unit and task not in (None, "regression"):
            raise ValueError(f"unit must be left out for the task {task!r}: only quantities have one")
        self.model = model
        self._preprocess = as_preprocess(preprocess)
        self._labels = class_names(labels)
        self._pick, self._task, self._logits, self._unit = output, task, logits, unit
        self.bands = bands
        self._meanings: dict[Any, ScoreMeaning] = {}
        self._meaning: ScoreMeaning | None = None  # of the latest image
        self.worker = Worker(("live", "hand", "image", "curve", "card", "map", "synthesis", "data"))
        self.collection = Collection(model, self.worker)
        self._watching: set[WeakMethod[Any]] = set()  # methods of open views
        hold_during_user_code(self.worker, self._cell_has_run, free=chosen_mode() == "live" or _in_marimo())
        self._samples: dict[str, Sample] = {}
        self._selections: list[Selection] = []
        self._current: Selection | None = None
        self._like: Prepared | None = None  # the latest one, whose weights the next takes over

    def __repr__(self) -> str:
        words = "" if self._meaning is None else f", {self._meaning.describe()}"
        return f"Lens({type(self.model).__name__}, on {device_of(self.model)}{words})"

    @property
    def selection(self) -> Selection:
        """What the views of the latest image show: set its `layer`, `unit`, `target`, … and they follow."""
        if self._current is None:
            raise ValueError("nothing is selected yet: open a view first, lens.explore(image) say")
        return self._current

    @property
    def meaning(self) -> ScoreMeaning:
        """What the model's scores mean, as it was given or found out; known once an image was looked at."""
        if self._meaning is None:
            raise ValueError("what the scores mean is not known yet: look at an image first, lens.explore(image) say")
        return self._meaning

    @property
    def output(self) -> Pick | ScoreMeaning:
        """What kernels take as `output`: what the scores mean, or before that is known, which output holds them."""
        return self._pick if self._meaning is None else self._meaning

    @property
    def preprocess(self) -> Preprocess | None:
        """From a photograph to the model's input; what is set holds for the images that are opened from then on."""
        return self._preprocess

    @preprocess.setter
    def preprocess(self, preprocess: Any) -> None:
        self._preprocess = as_preprocess(preprocess)

    @property
    def labels(self) -> tuple[str, ...] | dict[int, str] | None:
        """The classes' names: set them, and all views follow. See `labels.class_names`."""
        return self._labels

    @labels.setter
    def labels(self, labels: Any) -> None:
        before = self._labels
        self._labels = class_names(labels)
        try:
            self.read_as(self._task, self._logits)
        except Exception:
            self._labels = before
            raise

    @property
    def task(self) -> Task | None:
        """What the scores mean: set it, and all views follow; None finds out."""
        return self._task if self._meaning is None else self._meaning.task

    @task.setter
    def task(self, task: Task | None) -> None:
        # What was known of the logits was known of another task.
        self.read_as(task, None)

    @property
    def logits(self) -> bool | None:
        """Whether a softmax or sigmoid has yet to be applied to the scores: set it, and all views follow."""
        return self._logits if self._meaning is None else self._meaning.logits

    @logits.setter
    def logits(self, logits: bool | None) -> None:
        self.read_as(self._task, logits)

    def read_as(self, task: Task | None, logits: bool | None) -> None:
        """Read the scores in another way, in all views; what is None is found out.

        Raises ValueError, and leaves everything as it was, where the scores cannot be read so.
        """
        _check_meaning(task, logits)
        before = self._task, self._logits, self._meaning
        self._task, self._logits = task, logits
        # Views may have a selection of their own: `separate`.
        views = [look.__self__ for known in self._watching if (look := known()) is not None]
        open_now = {id(one): one for one in (*self._selections, *(view.selection for view in views))}
        try:
            shown = [(one, self.current(one.sample)) for one in open_now.values()]
            for _, sample in shown:
                sample.scored()  # raises where they cannot be read so
        except Exception:
            self._task, self._logits, self._meaning = before
            raise
        for selection, sample in shown:
            selection.show(sample)

    def look(self, image: Any, *, name: str | None = None, place: Place = None) -> Sample:
        """Record one pass on `image` and keep it while it is among the last few.

        `place` is that of a model that gives a map of scores: see `ScoreMeaning`.

        Raises ValueError for an image that cannot be read or labels that do not fit, `ForwardError` where the
        model raises, ValueError where it returns NaN (with the first operation that did).
        """
        sample = self.glance(image, name=name, place=place)
        sample.scored()
        return sample

    def glance(self, image: Any, *, name: str | None = None, place: Place = None) -> Sample:
        """`look`, but scores that cannot be read are no error: layers can be looked at without them."""
        version = version_of(self.model, full=True)
        given = image if isinstance(image, Input) else self._prepare(image, name)
        try:
            return self._sample(given, version, place)
        except ForwardError:
            # A picture in another mode may be what the model was not made for.
            if isinstance(image, (Input, Tensor)) or self.preprocess is None:
                raise
            try:
                given = self._prepare(image, name, convert=True)
                return self._sample(given, version, place)
            except Exception:
                pass
            raise

    def dataset(self, data: Any) -> ImageDataset:
        """A folder, torch Dataset, tensor (n, c, h, w) or sequence of images as this model sees it."""
        return ImageDataset(
            data,
            self.preprocess,
            device=device_of(self.model),
            dtypes=dtypes_of(self.model),
            labels=() if self.labels is None else self.labels,
            bands=self.bands,
        )

    @torch.inference_mode(False)
    def _prepare(self, image: Any, name: str | None, convert: bool = False) -> Input:
        model = self.model
        return prepare(
            image,
            self.preprocess,
            device=device_of(model),
            dtypes=dtypes_of(model),
            name=name,
            bands=self.bands,
            convert=convert,
            check=True,
        )

    def current(self, sample: Sample, *, full: bool = False) -> Sample:
        """`sample`, or its image looked at again where the model, or what its scores mean, has changed since.

        `full` compares all weights: see `recording.version_of`.
        """
        version = version_of(self.model, full=full)
        if version == sample.version and sample.asked == self._asked:
            return sample
        place = None if sample.meaning is None else sample.meaning.place
        return self._sample(sample.input, version, place, like=sample if version == sample.version else None)

    def _sample(self, given: Input, version: int, place: Place, like: Sample | None = None) -> Sample:
        about = [given.name, given.shown_as, version, hash(self._asked), self._pick if like is None else ""]
        about.append((place.shape, place.tobytes()) if isinstance(place, np.ndarray) else place)
        key = f"{_digest(given)} {about}"
        if key not in self._samples:
            args, keywords = given.call
            recording = record(self.model, *args, **keywords) if like is None else like.recording
            if like is None and changed_by_a_pass(self.model, version):
                warnings.warn("each pass changes the model, so your own changes to it cannot be noticed", stacklevel=2)
                version = version_of(self.model)
            made = self._scored(given, recording, version, place)
            while len(self._samples) >= _SAMPLES_KEPT:
                self._samples.pop(next(iter(self._samples)))
            self._samples[key] = made
        return self._samples[key]

    def _scored(self, given: Input, recording: Recording, version: int, place: Place) -> Sample:
        empty = np.empty(0, np.float32)
        try:
            meaning = self._meant(recording).at(place)
            scores = meaning.read(recording.output, 1).detach()
            if scores.shape[0] != 1:
                raise ValueError(
                    f"the model must give one row of scores for one image, got {tuple(scores.shape)}: choose what to "
                    "look at with output=… (a key, an index or a callable on what the model returns)"
                )
            if problem := meaning.problem(scores[0]):
                first = recording.first_not_finite()
                where = f"; the first NaN is in {first.name} ({first.op})" if first else ""
                raise ValueError(f"the model returned {problem}{where}")
            names = names_of(self.labels, scores.shape[1])
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            return Sample(given, recording, empty, empty, (), None, version, self._asked, problem=str(error))
        shares = meaning.probabilities(scores)[0].cpu().numpy()
        return Sample(given, recording, scores[0].cpu().numpy(), shares, names, meaning, version, self._asked)

    @property
    def _asked(self) -> tuple[Any, ...]:
        """What somebody has said of the scores' meaning, and the names of the classes."""
        names = tuple(self.labels.items()) if isinstance(self.labels, dict) else self.labels
        return self._task, self._logits, names

    def _meant(self, recording: Recording) -> ScoreMeaning:
        """What the scores mean: found out once, for all images on which the same operations give them."""
        key = *self._asked, recording.returned
        if key not in self._meanings:
            names = how_many(self.labels)
            about: Any = {"pick": self._pick, "task": self._task, "logits": self._logits, "names": names}
            self._meanings[key] = detect_meaning(recording.output, recording, unit=self._unit, **about)
        self._meaning = self._meanings[key]
        return self._meaning

    def prepared(self, sample: Sample) -> Prepared | None:
        """The model made ready for many passes on variations of an image, once for each; see `kernels.Prepared`."""

        def make() -> Prepared | None:
            x, recording = sample.input.x, sample.recording
            self._like = prepare_passes(self.model, x, sample.scored(), recording=recording, like=self._like)
            return self._like

        found: Prepared | None = sample.once("prepared", make=make)
        return found

    def select(self, image: Any, *, scores: bool = True, **choices: Any) -> Selection:
        """The selection that the views of `image` share; None stands for the latest image.

        Without `scores` it may be one of a model whose scores cannot be read.
        """
        sample = self._chosen(image, scores, choices)
        if (
            image is None
            and sample.input is self.selection.sample.input
            and sample.meaning == self.selection.sample.meaning
        ):
            self.selection.show(sample)
        known = next((one for one in self._selections if one.sample is sample), None)
        if known is None:
            return self._remember(Selection(sample, **choices))
        for name, value in choices.items():
            if value is not None:
                setattr(known, name, value)
        return self._remember(known)

    def separate(self, image: Any, *, scores: bool = True, **choices: Any) -> Selection:
        """A selection of its own for one view; see `select`."""
        return Selection(self._chosen(image, scores, choices), **choices)

    def _chosen(self, image: Any, scores: bool, choices: dict[str, Any]) -> Sample:
        """The image looked at, at the place that the target among `choices` names; the target is then a class."""
        choices["target"], place = class_and_place(choices.get("target"))
        look = self.look if scores else self.glance
        if image is not None:
            return look(image, place=place)
        sample = self.current(self.selection.sample, full=True)
        return sample if place is None else look(sample.input, place=place)

    def watch(self, look: Callable[[], None]) -> None:
        """Call a view's method after each cell of the user's, as long as the view lives."""
        self._watching.add(WeakMethod(look))

    def _cell_has_run(self) -> None:
        for known in list(self._watching):
            look = known()
            if look is None:
                self._watching.discard(known)
            else:
                look()

    @contextmanager
    def _keeping_selections(self) -> Iterator[None]:
        """Where the block raises, what the open views show is what it was before."""
        current, selections = self._current, list(self._selections)
        before = [(one, dict(one.trait_values())) for one in selections]
        try:
            yield
        except BaseException:
            self._current, self._selections = current, selections
            for selection, values in before:
                selection.put_back(values)
            raise

    def _remember(self, selection: Selection) -> Selection:
        self._current = selection
        others = [one for one in self._selections if one is not selection]
        self._selections = [*others, selection][-_SAMPLES_KEPT:]
        return selection

    def summary(self, *image: Any, depth: int | None = None, passes: int = 5, **keywords: Any) -> SummaryTable:
        """Every operation of a pass with its shape, parameters, FLOPs, receptive field, time and bytes, by module.

        Parameters
        ----------
        *image, **keywords : optional
            What the pass is run on: an image, or whatever the model takes (`lens.summary(ids, attention_mask=mask)`);
            the latest image if left out.
        depth : int, optional
            How many levels of modules are unfolded.
        passes : int
            How many passes are timed.

        Returns
        -------
        SummaryTable
            A table in a terminal, a tree that folds in a notebook; `.result` has the numbers.
        """
        given = self.selection.sample.input if not image and not keywords else self._anything(image, keywords)
        args, keywords = given.call
        return SummaryTable(summary(self.model, *args, depth=depth, passes=passes, **keywords))

    def _anything(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Input:
        """An image, or whatever else the model takes."""
        device, only = device_of(self.model), args[0] if len(args) == 1 and not keywords else None
        if isinstance(only, Input):
            return only
        if isinstance(only, Mapping):
            return any_input((), dict(only), device)
        if isinstance(only, (tuple, list)):
            return any_input(tuple(only), {}, device)
        if only is None or (isinstance(only, Tensor) and not only.is_floating_point()):
            pixels = only is not None and only.dtype == torch.uint8 and self.preprocess is not None
            return self._prepare(only, None) if pixels else any_input(args, keywords, device)
        if not isinstance(only, Tensor) or only.ndim == 4:
            return self._prepare(only, None)
        given = any_input(args, keywords, device)
        if only.ndim != 3:
            return given
        # Three axes: one image, or signals or sequences (n, channels, time). The model says which it takes; one with
        # weights of four axes is for images.
        forms = [lambda: given, lambda: self._prepare(only, None)]
        if any(weight.ndim == 4 for weight in self.model.parameters()):
            forms.reverse()
        for form in forms:
            try:
                made = form()
                self.glance(made)
                return made
            except (ForwardError, ValueError):
                continue
        return given

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

        with self._keeping_selections():
            return Explorer(self, image, **options)

    def activations(self, image: Any = None, **options: Any) -> ActivationsWidget:
        """The layer picker, the mosaic of a layer's maps and one unit at large; options as for `explore`.

        `image` may be any input of the model (a tensor of token ids, a dictionary of keywords), and the model need not
        give scores.
        """
        from .widgets import ActivationsWidget

        with self._keeping_selections():
            return ActivationsWidget(self, image if image is None else self._anything((image,), {}), **options)

    def occlusion(self, image: Any = None, **options: Any) -> OcclusionWidget:
        """The photograph with the occluder under the mouse and the map of the whole experiment; see `explore`."""
        from .widgets import OcclusionWidget

        with self._keeping_selections():
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

        with self._keeping_selections():
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

        with self._keeping_selections():
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
        if (
            self._current is not None
            and (now := self.current(self._current.sample, full=True)) is not self._current.sample
        ):
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


def _check_meaning(task: Any, logits: Any) -> None:
    if task not in ("multiclass", "multilabel", "binary", "regression", None):
        raise ValueError(f'task must be "multiclass", "multilabel", "binary" or "regression", got {task!r}')
    if logits is not None and not isinstance(logits, (bool, np.bool_)):
        raise TypeError(f"logits must be True or False, got {logits!r}")


def _digest(given: Input) -> str:
    """What tells one input from another."""
    digest = hashlib.blake2b(digest_size=16)
    args, keywords = given.call
    for one in (*args, *keywords.values()):
        if isinstance(one, Tensor):
            digest.update(f"{tuple(one.shape)} {one.dtype}".encode())
            digest.update(one.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        else:
            digest.update(repr(one).encode())
    return digest.hexdigest()


def _in_marimo() -> bool:
    return "marimo" in sys.modules and bool(sys.modules["marimo"].running_in_notebook())
