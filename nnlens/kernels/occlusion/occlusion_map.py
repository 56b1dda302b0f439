"""The result of an occlusion experiment: the scores under every position of the occluder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer

from nnlens.scores.meaning import ScoreKind, ScoreMeaning, plain_index, score_words
from nnlens.utils.language import _, number

from .windows.plan import OperationPlan

FLOOR = 0.01  # a change must be at least this share of the score to count


@dataclass(frozen=True, eq=False, kw_only=True)
class Occlusion:
    """The class scores under every position of an occluder.

    Attributes
    ----------
    logits : float32 array (rows, columns, classes)
        The model's scores with the occluder at each position; NaN where a position was not computed yet.
    computed : bool array (rows, columns)
        Which positions are computed.
    clean : float32 array (classes,)
        The scores of the unchanged input.
    tops, lefts : int arrays (rows,), (columns,)
        The occluder's upper edge and left edge, in input pixels. The last window is cropped at the border
        where the stride does not divide the input (as in captum).
    size, stride, image : (int, int)
        Height and width of the occluder, its steps, and the input's height and width, in pixels.
    fill, shape : str
        What the occluder was filled with, in words; "rectangle", "circle" or "mask".
    target : int
        The class that `score` explains by default.
    forwards : int
        The number of forward passes of one input that the positions so far would have taken, including the clean one.
    unit : str
        The unit whose activation was recorded too, in words; empty if none was.
    activations : float32 array (rows, columns) or None
        Its activation under every position; `clean_activation` is that of the unchanged input.
    how : str
        How they were computed, in words.
    plan : tuple of OperationPlan
        Which operations ran on windows only, on what share of their area, and why the others did not; empty where
        whole passes were run.
    meaning : ScoreMeaning
        What the scores mean, and how they become probabilities.
    """

    logits: Float[np.ndarray, "rows columns classes"]
    computed: Bool[np.ndarray, "rows columns"]
    clean: Float[np.ndarray, " classes"]
    tops: Integer[np.ndarray, " rows"]
    lefts: Integer[np.ndarray, " columns"]
    size: tuple[int, int]
    stride: tuple[int, int]
    image: tuple[int, int]
    fill: str
    target: int
    forwards: int
    shape: str = "rectangle"
    unit: str = ""
    activations: Float[np.ndarray, "rows columns"] | None = None
    clean_activation: float = np.nan
    how: str = "whole passes"
    plan: tuple[OperationPlan, ...] = ()
    meaning: ScoreMeaning = field(default_factory=lambda: ScoreMeaning(task="multiclass"))

    def __repr__(self) -> str:
        return f"Occlusion({self.describe()}; {self.how})"

    @property
    def complete(self) -> bool:
        """Whether every position has been computed."""
        return bool(self.computed.all())

    def probabilities(self) -> np.ndarray:
        """The probabilities at every position (values, where the scores are quantities), (rows, columns, classes)."""
        return self.meaning.probabilities(torch.from_numpy(self.logits)).numpy()

    def clean_score(self, target: int | None = None, kind: ScoreKind = "probability") -> float:
        """The target's score without an occluder."""
        return float(self.meaning.of(torch.from_numpy(self.clean), kind)[self._class(target)])

    def score(self, target: int | None = None, kind: ScoreKind = "probability") -> np.ndarray:
        """The target's score with the occluder at each position (Zeiler & Fergus), (rows, columns)."""
        return self.meaning.of(torch.from_numpy(self.logits), kind).numpy()[..., self._class(target)]

    def _class(self, target: Any) -> int:
        target = self.target if target is None else plain_index(target)
        if isinstance(target, bool) or not isinstance(target, int):
            raise TypeError(f"target must be a class index, got {target!r}")
        if not 0 <= target < len(self.clean):
            raise ValueError(f"target must be 0…{len(self.clean) - 1}, got {target}")
        return target

    def change(self, target: int | None = None, kind: ScoreKind = "probability") -> np.ndarray:
        """`score` minus the clean score: negative where hiding the place costs the target its score."""
        return self.score(target, kind) - self.clean_score(target, kind)

    def top_class(self) -> np.ndarray:
        """The most probable class at each position (Zeiler & Fergus, fig. 7e); -1 where not computed."""
        return np.where(self.computed, np.nan_to_num(self.logits, nan=-np.inf).argmax(-1), -1)

    def snapshot(self) -> Occlusion:
        """A copy that stays as it is while the experiment goes on."""
        activations = None if self.activations is None else self.activations.copy()
        return replace(self, logits=self.logits.copy(), computed=self.computed.copy(), activations=activations)

    def describe(self, target: int | None = None) -> str:
        """In words: where hiding changes the target's probability (or value) the most."""
        change = np.where(self.computed, self.change(target), np.nan)
        if np.isnan(change).all():
            return _("no position has a finite score yet")
        noun, unit = score_words(self.meaning.noun), f" {self.meaning.unit}" if self.meaning.unit else ""
        positions = _("{done} of {count} positions", done=self.computed.sum(), count=change.size)
        if broken := int((np.isnan(change) & self.computed).sum()):
            positions += _(", {broken} of them NaN", broken=broken)
        largest = float(np.nanmax(np.abs(change)))
        if largest < self.floor(target):
            return _(
                "no position changes the {noun} by more than {largest} ({positions})",
                noun=noun,
                largest=number(f"{largest:.2g}") + unit,
                positions=positions,
            )
        row, column = np.unravel_index(np.nanargmin(change), change.shape)
        is_probability = self.meaning.noun == "probability"
        by = f"{change[row, column]:+.2f}" if is_probability else f"{change[row, column]:+.3g}"
        if self.image[0] == 1:
            return _(
                "hiding {width} values from {column} on changes the {noun} the most, by {change} ({positions})",
                width=self.size[1],
                column=self.lefts[column],
                noun=noun,
                change=number(by) + ("" if is_probability else unit),
                positions=positions,
            )
        return _(
            "hiding {height} × {width} pixels at ({row}, {column}) changes the {noun} the most, by {change} "
            "({positions})",
            height=self.size[0],
            width=self.size[1],
            row=self.tops[row],
            column=self.lefts[column],
            noun=noun,
            change=number(by) + ("" if is_probability else unit),
            positions=positions,
        )

    def floor(self, target: int | None = None, kind: ScoreKind = "probability") -> float:
        """Changes below this are negligible: 0.01 of a probability, 1 % of a value, or of max(1, |logit|).

        Colour scales of the change extend at least this far, so that noise does not look important.
        """
        clean = abs(self.clean_score(target, kind))
        if self.meaning.noun == "probability":
            return FLOOR if kind == "probability" else FLOOR * max(1.0, clean if np.isfinite(clean) else 1.0)
        return FLOOR * clean

    def per_pixel(self, target: int | None = None, kind: ScoreKind = "probability") -> np.ndarray:
        """Captum's definition: at each pixel the mean of (clean − occluded) over the windows that cover it.

        Shape (height, width); positive where the pixel supports the target. NaN where no computed window covers it.
        """
        drop = -self.change(target, kind)
        total, count = np.zeros(self.image), np.zeros(self.image)
        for row, column in np.argwhere(self.computed):
            top, left = self.tops[row], self.lefts[column]
            window = np.s_[top : top + self.size[0], left : left + self.size[1]]
            total[window] += drop[row, column]
            count[window] += 1
        with np.errstate(invalid="ignore"):
            return (total / count).astype(np.float32)
