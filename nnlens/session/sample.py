"""One image with its recorded pass, and everything that was computed for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from nnlens.geometry.receptive_field import spatial_dimensions
from nnlens.inputs import Input
from nnlens.kernels import Activations, Grid, ScoreMeaning, activations, token_grids, way_to_scores
from nnlens.kernels.text import usual_cell_layer
from nnlens.recording import Recording
from nnlens.scores.meaning import pick_output
from nnlens.utils.cache import Cache
from nnlens.utils.language import number

# How many results of each kind are kept for one image. A map of 224 × 224 pixels has 0.2 MB, an occlusion map with the
# scores of 1000 classes at 14 × 14 positions 0.8 MB, a row of 1000 scores 4 KB.
LIMITS = {
    "occlusion map": 24,
    "running experiment": 24,
    "attribution": 96,
    "running attribution": 96,
    "evidence": 96,
    "random order baseline": 8,
    "superpixels": 8,
    "scores under the occluder": 1024,
    "scores under other sizes": 2048,
    "back-projection": 24,
    "connections": 24,
    "ablation": 24,
    "activations": 8,
    "texture": 8,
    "channel scores": 256,
}


_MOST_ON = 12  # labels that are there at once, and are shown


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """One image with its recorded pass, shared by its views, and what was computed for it so far.

    If its scores cannot be read (`meaning` is None, and `problem` says why), its layers can still be used.
    """

    input: Input
    recording: Recording
    logits: np.ndarray  # the scores as they are read, before a softmax or sigmoid
    probabilities: np.ndarray
    names: tuple[str, ...]
    meaning: ScoreMeaning | None
    version: int  # of the model
    asked: tuple[Any, ...] = ()  # task and logits, as they were given
    problem: str = ""
    model: nn.Module  # as a function of `input.x`
    is_blank: bool = False  # of no image, for views that need none
    cache: Cache = field(default_factory=lambda: Cache(**LIMITS), repr=False)

    def __repr__(self) -> str:
        words = "" if not self.names else f": {self.names[self.top_class()]} {self.words_of(self.top_class())}"
        return f"Sample({self.input.name!r}{words})"

    def class_of(self, layer: str, unit: int) -> str:
        """The class that a unit stands for, where the layer's units are the classes' scores; else ""."""
        named = self.cache.once("class layers", make=self._class_layers)
        return self.names[unit] if layer in named and unit < len(self.names) else ""

    def _class_layers(self) -> set[str]:
        """The operations at the end of the pass that hold a number for each class."""
        pick = None if self.meaning is None else self.meaning.output
        try:
            operation = self.recording.maker_of(pick_output(self.recording.output, pick))
        except (TypeError, ValueError):
            return set()
        results = set()
        while operation is not None and operation.shape[1:2] == (len(self.names),):
            results.add(operation.name)
            inputs = [name for name in operation.inputs if name in self.recording]
            ends = operation.kind not in ("reshape", "activation") or len(inputs) != 1
            operation = None if ends else self.recording.operation(inputs[0])
        return results

    def activations(self, layer: str, grid: Grid = None) -> Activations:
        """The maps of `layer`; `grid` is how tokens are shown, see `kernels.activations`."""
        name = self.recording.resolve(layer)
        if (
            grid is None
            and (self.input.is_tokens or self.input.is_row)
            and len(self.recording.operation(name).shape) == 3
        ):
            grid = "strip"  # tokens of a text are no image, however many there are
        make = partial(activations, self.recording, name, grid=grid)
        result: Activations = self.cache.once("activations", name, grid, make=make)
        return result

    def top(self, count: int = 5) -> list[int]:
        """The `count` classes of the highest score, best first."""
        return [int(index) for index in np.argsort(-self.logits, kind="stable")[:count]]

    def shown_classes(self, threshold: float) -> list[int]:
        """The five classes of the highest score; of labels that can be there at once, more of those that are."""
        best = self.top(_MOST_ON)
        if self.meaning is None or self.meaning.task != "multilabel":
            return best[:5]
        return [label for place, label in enumerate(best) if place < 5 or self.probabilities[label] >= threshold]

    def top_class(self) -> int:
        """The class of the highest score; 0 where there are no scores."""
        return self.top(1)[0] if len(self.logits) else 0

    def odds(self) -> np.ndarray:
        """The scores as logits (classes,); quantities as they are."""
        if self.meaning is None:
            return self.logits
        results: np.ndarray = self.meaning.log_odds(torch.from_numpy(self.logits)).numpy()
        return results

    def words_of(self, target: int) -> str:
        """A class's probability, or the value with its unit, in words: "0.83", "58.2 years"."""
        value = float(self.probabilities[target])
        if self.meaning is None or self.meaning.noun == "probability":
            return number(f"{value:.2f}")
        return f"{number(f'{value:.4g}')} {self.meaning.unit}".rstrip()

    def scored(self) -> ScoreMeaning:
        """What the scores mean; ValueError with the reason where they cannot be read."""
        if self.meaning is None:
            raise ValueError(self.problem)
        return self.meaning

    def default_layer(self) -> str:
        """The layer to show first: the last activation function whose maps still have a useful resolution.

        It lies on a path from the input to the scores if there is such a layer.
        """
        if self.input.is_tokens and self.input.text is not None:
            usual = usual_cell_layer(self.recording, self.input.text)
            if usual is not None:
                return usual
        x = self.input.x
        height, tokens = x.shape[2] if x.ndim == 4 else 1, token_grids(self.recording)
        if self.input.is_row:
            height = x.shape[3]
        shown = [op for op in self.recording if op.kind not in ("reshape", "attention", "gate", "state", "dropout")]
        way = set() if self.meaning is None else way_to_scores(self.recording, self.meaning)
        shown = [op for op in shown if op.name in way] or shown
        maps = [op for op in shown if len(op.shape) == 4 and min(op.shape[2:]) > 1 and op.shape[2] * 8 >= height]
        if self.input.kind != "image":
            follows = {op.name: self._follows(op.name) for op in shown}
            maps = [op for op in shown if (dim := follows[op.name]) is not None and op.shape[dim] * 8 >= height]
        maps += [op for op in shown if len(op.shape) == 3 and op.shape[1] in tokens]
        if not maps:
            maps = [op for op in shown if len(op.shape) == 4 and min(op.shape[2:]) > 1] or shown or [*self.recording]
        chosen = [op for op in maps if op.kind == "activation"] or maps
        if not chosen:
            raise ValueError("the model ran no operation that nnlens can show")
        return chosen[-1].name

    def _follows(self, layer: str) -> int | None:
        """The dimension of a layer's values that follows the columns of the input; None where none does."""
        along = spatial_dimensions(self.recording, layer)
        if along and along[-1] is not None:
            return along[-1]
        # Of a recurrent network each step has seen all before it.
        steps, shape = self.input.x.shape[3], self.recording.operation(layer).shape
        return shape.index(steps) if self.input.kind == "signal" and steps in shape[:-1] else None

    def default_unit(self, layer: str) -> int:
        """The unit of `layer` whose map has the most contrast; the highest one where units are single numbers."""
        maps = np.nan_to_num(self.activations(layer).values)
        if self.input.is_tokens:
            # States of recurrent layers may drift far off: what varies within its own range tells more.
            return int((maps.std((1, 2)) / (np.abs(maps).max((1, 2)) + 1e-6)).argmax())
        return int((maps.std((1, 2)) if maps[0].size > 1 else maps[:, 0, 0]).argmax())
