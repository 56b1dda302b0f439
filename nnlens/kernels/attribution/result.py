"""The result of an attribution method: a number for each input value or pixel, and its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from nnlens.kernels.names import method_words, parameter_words, value_words
from nnlens.scores.meaning import ScoreKind, score_words
from nnlens.utils.language import _, number

if TYPE_CHECKING:
    from .surrogate import Surrogate


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Attribution:
    """How much each part of an input contributed to one score.

    Attributes
    ----------
    method : str
        Its name in `METHODS`: "gradient", "lime", …
    values : float32 array
        Of the shape of one input (channels, height, width), or (1, height, width) from methods that see only pixels.
    contribution : bool
        True: a number is what its place adds to the score (negative: subtracts). False: it is the derivative of the
        score with respect to the input value, and only its magnitude indicates importance.
    target, score, value
        The class; "logit" or "probability"; and its value for the unchanged input.
    parameters : mapping
        All parameters of the method.
    forwards, backwards : int
        The cost so far, in passes of one input.
    done : float
        1 for a complete result; less while it is growing.
    expected : float or None
        What the values should add up to, if the method guarantees it: f(x) − f(baseline). See `delta`.
    layer : str
        The layer of the map, for methods that use one layer; "" for the others.
    surrogate : Surrogate or None
        The linear model of superpixels behind the map (LIME, KernelSHAP).
    notes : tuple of str
        Remarks on the result: how much of a rule applied, what the map does not depend on.
    """

    method: str
    values: Float[np.ndarray, "channels ..."]
    contribution: bool
    target: int
    score: ScoreKind
    value: float
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    forwards: int = 0
    backwards: int = 0
    done: float = 1.0
    expected: float | None = None
    layer: str = ""
    surrogate: Surrogate | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Attribution({self.describe()})"

    @property
    def complete(self) -> bool:
        """Whether all passes were done."""
        return self.done >= 1

    @property
    def all_zero(self) -> bool:
        """Whether every value is 0."""
        return not np.any(self.values)

    @property
    def delta(self) -> float | None:
        """The difference between the sum of the values and `expected`; None if the method guarantees no sum."""
        return None if self.expected is None else float(self.values.sum(dtype=np.float64)) - self.expected

    def signed(self) -> np.ndarray:
        """The sum over the channels, (height, width)."""
        result: np.ndarray = self.values.sum(0)
        return result

    def magnitude(self) -> np.ndarray:
        """The Euclidean norm over the channels, (height, width)."""
        result: np.ndarray = np.sqrt((self.values.astype(np.float64) ** 2).sum(0)).astype(np.float32)
        return result

    def importance(self) -> np.ndarray:
        """What the pixels are ranked by, (height, width): contributions with their sign, gradients by their size."""
        return self.signed() if self.contribution else self.magnitude()

    def describe(self) -> str:
        """In words: "integrated gradients of class 3 (logit 5.12): 50 forward and 50 backward passes"."""
        words = _(
            "{method} of class {target} ({score} {value})",
            method=method_words(self.method.replace("_", " ")),
            target=self.target,
            score=score_words(self.score),
            value=number(f"{self.value:.3g}"),
        )
        if self.layer:
            words += _(" at {layer}", layer=self.layer)
        for name in ("baseline", "fill", "upsample"):
            if name in self.parameters:
                words += f", {parameter_words(name)} {value_words(self.parameters[name])}"
        if not self.complete:
            share = f"{self.done:.0%}".replace("%", " %")
            words += _(", {share} done", share=share)
        if self.backwards:
            words += _(
                ": {forwards} forward and {backwards} backward passes",
                forwards=self.forwards,
                backwards=self.backwards,
            )
        else:
            words += _(": {forwards} forward passes", forwards=self.forwards)
        if self.all_zero:
            words += _("; all zero")
        if self.delta is not None:
            words += _(
                "; adds up to {sum}, expected {expected}",
                sum=number(f"{float(self.values.sum()):.4g}"),
                expected=number(f"{self.expected:.4g}"),
            )
        return "; ".join([words, *self.notes])
