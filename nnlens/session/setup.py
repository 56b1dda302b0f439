"""A model with its preprocessing, its labels and what its scores mean."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from nnlens.inputs import AXES, Input, Preprocess, any_input, as_preprocess, prepare
from nnlens.inputs.datasets import ImageDataset, LaidOutDataset, first_value
from nnlens.inputs.labels import class_names, how_many
from nnlens.inputs.laid_out import fits
from nnlens.inputs.opening import is_file
from nnlens.inputs.text import Codec, as_codec
from nnlens.inputs.text_input import positions, text_input
from nnlens.inputs.varied import Path as InputPath
from nnlens.kernels import ScoreMeaning, detect_meaning
from nnlens.kernels.text import PART, takes_steps_first
from nnlens.recording import Recording, device_of, dtypes_of
from nnlens.recording.record import unwrapped
from nnlens.scores.meaning import Pick, Task
from nnlens.scores.per_input import PerInput
from nnlens.utils.cache import Cache

TASKS = ("multiclass", "multilabel", "binary", "regression")
Asked = tuple[Any, ...]


class ModelSetup:
    """What a lens was given: see `Lens` for the parameters."""

    def __init__(
        self,
        model: nn.Module,
        *,
        preprocess: Any,
        labels: Sequence[str] | Mapping[Any, Any] | None,
        output: Pick,
        task: Task | None,
        logits: bool | None,
        unit: str,
        bands: Sequence[int] | None,
        axes: str | Mapping[str, str] | None = None,
        rate: float | None = None,
        channel_names: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        axis_scales: Mapping[str, tuple[float, float, str]] | None = None,
        tokenizer: Any = None,
        alphabet: str | None = None,
    ):
        if not isinstance(model, nn.Module):
            named = "model" in getattr(model, "_fields", ())
            hint = ": give its .model, with preprocess=….preprocess and labels=….labels" if named else ""
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}{hint}")
        check_meaning(task, logits)
        if unit and task not in (None, "regression"):
            raise ValueError(f"unit must be left out for the task {task!r}: only quantities have one")
        self.model = model
        self.preprocess: Preprocess | None = as_preprocess(preprocess)
        self.labels = class_names(labels)
        given = tokenizer is not None or alphabet is not None
        self.codec: Codec | None = as_codec(tokenizer, alphabet=alphabet) if given else None
        self.pick, self.task, self.logits, self.unit, self.bands = output, task, logits, unit, bands
        self.axes = check_axes(axes)
        if rate is not None and not (isinstance(rate, (int, float)) and 0 < rate < np.inf):
            raise ValueError(f"rate must be a number of samples per second, above 0, got {rate!r}")
        self.rate = rate
        self.channel_names = check_names(channel_names)
        self.axis_scales = check_scales(axis_scales)
        self.meaning: ScoreMeaning | None = None  # of the latest image
        self._meanings = Cache()
        self._steps_first: bool | None = None  # whether a text is (tokens, 1); unknown before the first

    def __getstate__(self) -> dict[str, Any]:
        """Without the model, and what was found with it: `with_model` gives it one."""
        return {**vars(self), "model": None, "meaning": None, "_meanings": None, "_steps_first": None}

    def with_model(self, model: nn.Module) -> ModelSetup:
        """The same for another model."""
        made = copy.copy(self)
        made.model, made.meaning, made._meanings, made._steps_first = model, None, Cache(), None
        return made

    @property
    def asked(self) -> Asked:
        """What the user said about the scores' meaning and the names of the classes."""
        names = tuple(self.labels.items()) if isinstance(self.labels, dict) else self.labels
        return self.task, self.logits, names, id(self.pick) if callable(self.pick) else self.pick

    def reading_of(self, recording: Recording, given: Input) -> tuple[ScoreMeaning, tuple[str, ...] | None]:
        """What the scores of an input mean, and their names; None for those of `labels`."""
        if not isinstance(self.pick, PerInput):
            return self.meaning_of(recording), None
        value = given.x if given.around is None else given.around.value
        meaning, names = self.pick.for_input(recording.output, value, self.labels)
        self.meaning = meaning
        return meaning, names

    def meaning_of(self, recording: Recording) -> ScoreMeaning:
        """What the scores mean: detected once for all images whose scores come from the same operations."""

        def detect() -> ScoreMeaning:
            about: Any = {"pick": self.pick, "task": self.task, "logits": self.logits, "names": how_many(self.labels)}
            return detect_meaning(recording.output, recording, unit=self.unit, **about)

        meaning: ScoreMeaning = self._meanings.once("meaning", self.asked, recording.returned, make=detect)
        self.meaning = meaning
        return meaning

    def names_in(self, given: Input, path: InputPath | None = None) -> list[str]:
        """What the channels of an input, or the numbers of a vector, are called; empty where that is not known.

        Parameters
        ----------
        path : optional
            Of several inputs: which of them; the one that is varied if left out.

        Raises
        ------
        ValueError
            Where there is not a name for each.
        """
        around, names = given.around, self.channel_names
        if names is None or not given.is_image or given.text is not None:
            return []
        where = around.path if around is not None and path is None else path
        if isinstance(names, dict):
            own = "" if around is None or where is None else around.names[where]
            names = names.get(own)
        elif around is not None and where != around.path:
            return []
        if names is None:
            return []
        if around is None or where is None:
            count = given.x.shape[1]
        else:
            layout, shape = around.layouts[where], tuple(around.get(where).shape)
            letter = "f" if layout.kind == "vector" else "c"
            count = shape[layout.axes.index(letter)] if letter in layout.axes else 1
        if len(names) != count:
            raise ValueError(f"channel_names must name each of {count} channels, got {len(names)} names")
        return list(names)

    @torch.inference_mode(False)
    def input_of(self, image: Any, name: str | None = None, *, convert: bool = False) -> Input:
        """An image as the model's input; `convert` changes a picture's mode to RGB first."""
        return prepare(
            image,
            self.preprocess,
            device=device_of(self.model),
            dtypes=dtypes_of(self.model),
            name=name,
            bands=self.bands,
            convert=convert,
            check=True,
        )

    def text_input(self, text: Any, name: str | None = None) -> Input:
        """A text as the model's input."""
        if self.codec is None:
            raise ValueError(
                "text needs the model's tokenizer: give Lens(…, tokenizer=…), or alphabet=… for a model of characters"
            )
        encoded, device = self.codec.encode(text), device_of(self.model)
        if self._steps_first is None and encoded.ids:
            self._steps_first = takes_steps_first(self.model, encoded.ids[0], self.pick)
        return text_input(encoded, self.model, device, steps_first=self.steps_first, name=name)

    @property
    def steps_first(self) -> bool:
        """Whether the model takes a text as (tokens, 1) rather than (1, tokens)."""
        return bool(self._steps_first)

    @property
    def part_tokens(self) -> int:
        """How many tokens of a long text the model is given at once."""
        return min(PART, positions(self.model) or PART)

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

    def is_laid_out(self, data: Any) -> bool:
        """Whether the items of a data set are signals, volumes or vectors rather than images."""
        if isinstance(data, (str, Path)) or not hasattr(data, "__getitem__"):
            return False
        item = first_value(data)
        if isinstance(item, Tensor):
            return item.is_floating_point() and item.ndim in (1, 2, 4)
        # A matrix of bytes is a grey picture, and so are others where there is a preprocessing for pictures.
        if not isinstance(item, np.ndarray) or item.dtype.kind not in "fi" or self.preprocess is not None:
            return False
        return item.ndim in (1, 2, 4)

    def laid_out_dataset(self, data: Any, template: Input) -> LaidOutDataset:
        """A data set of signals, volumes or vectors; `template` is one of them, opened."""
        return LaidOutDataset(
            data,
            template,
            self.with_batch,
            device=device_of(self.model),
            dtypes=dtypes_of(self.model),
            labels=() if self.labels is None else self.labels,
            bands=self.bands,
        )

    def with_batch(self, value: Tensor) -> Tensor:
        """A tensor without a batch with one of 1."""
        return value.unsqueeze(self.axes.index("n") if isinstance(self.axes, str) else 0)

    def candidates(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Iterator[Input]:
        """The possible readings of an image or any other input of the model."""
        device = device_of(self.model)
        single = args[0] if len(args) == 1 and not keywords else None
        if isinstance(single, Input):
            yield single
        elif isinstance(single, Mapping):
            ready = {key: self._ready(item) for key, item in single.items()}
            # Of keywords, or one dictionary as the only argument.
            together = self._fits(({},), {}) and not self._fits((), ready)
            yield any_input((ready,), {}, device) if together else any_input((), ready, device)
        elif isinstance(single, list) and single and all(isinstance(item, (int, float)) for item in single):
            yield from self.candidates((torch.tensor([single], dtype=torch.get_default_dtype()),), {})
        elif isinstance(single, (tuple, list)):
            items = tuple(map(self._ready, single))
            together = self._fits((single,), {}) and not self._fits(items, {})
            yield any_input((type(single)(items),) if together else items, {}, device)
        elif len(args) > 1 or keywords:
            ready = {key: self._ready(item) for key, item in keywords.items()}
            yield any_input(tuple(map(self._ready, args)), ready, device)
        elif single is None or (isinstance(single, Tensor) and not single.is_floating_point()):
            pixels = single is not None and single.dtype == torch.uint8 and self.preprocess is not None
            yield self.input_of(single) if pixels else any_input(args, keywords, device)
        elif isinstance(single, np.ndarray) and self.preprocess is None:
            yield from self.candidates((torch.from_numpy(single).to(dtypes_of(self.model)[0]),), keywords)
        elif isinstance(single, Tensor) and single.ndim + 1 in self._without_batch():
            # As a batch of one, or as it is.
            yield from (any_input((self._ready(item),), {}, device) for item in (single[None], single))
        elif not isinstance(single, Tensor) or (single.ndim == 4 and self.axes in (None, "nchw")):
            yield self.input_of(single)
        elif single.ndim != 3 or self.axes is not None:
            yield any_input((self._ready(self._with_batch(single)),), keywords, device)
        else:
            # Three axes: one image, or signals or sequences (n, channels, time). A model with weights of four axes is
            # for images.
            forms: list[Callable[[], Input]] = [
                lambda: any_input((self._ready(single),), keywords, device),
                lambda: self.input_of(single),
            ]
            if any(weight.ndim == 4 for weight in self.model.parameters()):
                forms.reverse()
            for form in forms:
                try:
                    candidate = form()
                except ValueError:
                    continue
                yield candidate

    def _ready(self, value: Any) -> Any:
        """One of several inputs: pictures are preprocessed, numbers become tensors, all else is left as it is."""
        # Words that name no file are what the model is told to do.
        if isinstance(value, (Path, bytes, Image.Image)) or (isinstance(value, str) and is_file(value)):
            return self.input_of(value).x
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            tensor = torch.from_numpy(np.ascontiguousarray(value))
            return self._ready(tensor)
        dtypes = dtypes_of(self.model)
        if isinstance(value, Tensor) and value.is_floating_point() and value.dtype not in dtypes:
            return value.to(dtypes[0])
        return value

    def _fits(self, args: tuple[Any, ...], keywords: dict[Any, Any]) -> bool:
        """Whether the model's forward takes these arguments."""
        return fits(unwrapped(self.model), args, keywords)

    def _without_batch(self) -> tuple[int, ...]:
        """How many axes a signal (3) or a volume (5) has with that of its batch, for a model of one of these."""
        axes = {weight.ndim for weight in self.model.parameters()}
        return () if self.axes is not None else tuple(count for count in (3, 5) if count in axes and 4 not in axes)

    def _with_batch(self, value: Tensor) -> Tensor:
        """A tensor with an axis for the batch, where it has one axis fewer than the lens's axes."""
        if isinstance(self.axes, str) and value.ndim == len(self.axes) - 1:
            return self.with_batch(value)
        return value


def check_axes(axes: Any) -> str | dict[str, str] | None:
    """What the axes of the inputs are, checked; by the inputs' names where there are several."""
    if axes is None or (isinstance(axes, str) and axes in AXES):
        return axes
    if isinstance(axes, Mapping) and all(item in AXES for item in axes.values()):
        return dict(axes)
    raise ValueError(
        f"axes must be one of {', '.join(AXES)}, or a dictionary of these by the inputs' names, got {axes!r}"
    )


def check_names(names: Any) -> tuple[str, ...] | dict[str, tuple[str, ...]] | None:
    """The names of channels, checked; by the inputs' names where there are several."""
    if names is None:
        return None
    if isinstance(names, Mapping):
        return {str(key): _words(value) for key, value in names.items()}
    return _words(names)


def check_scales(scales: Any) -> dict[str, tuple[float, float, str]]:
    """What rows and columns of a picture stand for, checked."""
    known = {} if scales is None else scales
    fits = isinstance(known, Mapping) and all(
        key in ("h", "w")
        and isinstance(value, (tuple, list))
        and len(value) == 3
        and all(isinstance(number, (int, float)) and np.isfinite(number) for number in value[:2])
        and isinstance(value[2], str)
        for key, value in known.items()
    )
    if not fits:
        raise ValueError(
            'axis_scales must hold the first and last value and the unit of "h" or "w", as {"w": (0, 2.5, "s")}, got '
            f"{scales!r}"
        )
    return {key: (float(first), float(last), unit) for key, (first, last, unit) in known.items()}


def _words(names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"channel_names must be a sequence of names, or a dictionary of these, got {names!r}")
    return tuple(names)


def check_meaning(task: Any, logits: Any) -> None:
    """Raise for a task or a value of `logits` that does not exist."""
    if task not in (*TASKS, None):
        raise ValueError(f'task must be "multiclass", "multilabel", "binary" or "regression", got {task!r}')
    if logits is not None and not isinstance(logits, (bool, np.bool_)):
        raise TypeError(f"logits must be True or False, got {logits!r}")
