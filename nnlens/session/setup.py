"""A model with its preprocessing, its labels and what its scores mean."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.inputs import Input, Preprocess, any_input, as_preprocess, prepare
from nnlens.inputs.datasets import ImageDataset
from nnlens.inputs.labels import class_names, how_many
from nnlens.inputs.text import Codec, as_codec
from nnlens.inputs.text_input import positions, text_input
from nnlens.kernels import ScoreMeaning, detect_meaning
from nnlens.kernels.text import PART, takes_steps_first
from nnlens.recording import Recording, device_of, dtypes_of
from nnlens.scores.meaning import Pick, Task
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
        self.meaning: ScoreMeaning | None = None  # of the latest image
        self._meanings = Cache()
        self._steps_first: bool | None = None  # whether a text is (tokens, 1); unknown before the first

    def with_model(self, model: nn.Module) -> ModelSetup:
        """The same for another model."""
        made = copy.copy(self)
        made.model, made.meaning, made._meanings, made._steps_first = model, None, Cache(), None
        return made

    @property
    def asked(self) -> Asked:
        """What the user said about the scores' meaning and the names of the classes."""
        names = tuple(self.labels.items()) if isinstance(self.labels, dict) else self.labels
        return self.task, self.logits, names

    def meaning_of(self, recording: Recording) -> ScoreMeaning:
        """What the scores mean: detected once for all images whose scores come from the same operations."""

        def detect() -> ScoreMeaning:
            about: Any = {"pick": self.pick, "task": self.task, "logits": self.logits, "names": how_many(self.labels)}
            return detect_meaning(recording.output, recording, unit=self.unit, **about)

        meaning: ScoreMeaning = self._meanings.once("meaning", self.asked, recording.returned, make=detect)
        self.meaning = meaning
        return meaning

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

    def candidates(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Iterator[Input]:
        """The possible readings of an image or any other input of the model."""
        device = device_of(self.model)
        single = args[0] if len(args) == 1 and not keywords else None
        if isinstance(single, Input):
            yield single
        elif isinstance(single, Mapping):
            yield any_input((), dict(single), device)
        elif isinstance(single, (tuple, list)):
            yield any_input(tuple(single), {}, device)
        elif single is None or (isinstance(single, Tensor) and not single.is_floating_point()):
            pixels = single is not None and single.dtype == torch.uint8 and self.preprocess is not None
            yield self.input_of(single) if pixels else any_input(args, keywords, device)
        elif not isinstance(single, Tensor) or single.ndim == 4:
            yield self.input_of(single)
        elif single.ndim != 3:
            yield any_input(args, keywords, device)
        else:
            # Three axes: one image, or signals or sequences (n, channels, time). A model with weights of four axes is
            # for images.
            forms: list[Callable[[], Input]] = [
                lambda: any_input(args, keywords, device),
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


def check_meaning(task: Any, logits: Any) -> None:
    """Raise for a task or a value of `logits` that does not exist."""
    if task not in (*TASKS, None):
        raise ValueError(f'task must be "multiclass", "multilabel", "binary" or "regression", got {task!r}')
    if logits is not None and not isinstance(logits, (bool, np.bool_)):
        raise TypeError(f"logits must be True or False, got {logits!r}")
