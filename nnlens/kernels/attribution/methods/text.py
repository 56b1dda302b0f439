"""LIME for text: the words that a score depends on (Ribeiro et al. 2016, arXiv:1602.04938)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.kernels.attribution.subject import given_count
from nnlens.kernels.attribution.surrogate import Fit, Surrogate
from nnlens.recording import borrow
from nnlens.scores.detection import meaning_of
from nnlens.scores.meaning import Output, ScoreKind, ScoreMeaning, check_kind, class_scores, score_words
from nnlens.utils.language import _, number

from .lime import check_kernel, proximity

_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TextAttribution:
    """The contribution of each word of a text to a score.

    Attributes
    ----------
    text : str
    spans : tuple of (int, int)
        The start and end of each word in the text, in order; each word is a switch.
    surrogate : Surrogate
        `surrogate.coefficients[i]` is the contribution of word i.
    target, score, value
        As in an `Attribution`.
    seed : int
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    surrogate: Surrogate
    target: int
    score: ScoreKind
    value: float
    seed: int

    @property
    def words(self) -> list[str]:
        """The words of the text, in their order."""
        return [self.text[start:stop] for start, stop in self.spans]

    def without(self, off: Sequence[int]) -> str:
        """The text with these words taken out."""
        return without(self.text, self.spans, np.isin(np.arange(len(self.spans)), list(off), invert=True))

    def describe(self, k: int = 3) -> str:
        """In words: 'for class 1: "good" +0.31; against: "not" −0.22; R² 0.87'."""
        pro, contra = self.surrogate.strongest(k)

        def listed(places: list[int]) -> str:
            parts = [(self.words[item], f"{self.surrogate.coefficients[item]:+.3g}") for item in places]
            return ", ".join(f'"{word}" {number(value)}' for word, value in parts) or _("none")

        return _(
            "LIME of class {target} ({score} {value}): for it {pro}; against it {contra}; R² {r2}",
            target=self.target,
            score=score_words(self.score),
            value=number(f"{self.value:.3g}"),
            pro=listed(pro),
            contra=listed(contra),
            r2=number(f"{self.surrogate.r2:.2f}"),
        )

    def __repr__(self) -> str:
        return f"TextAttribution({self.describe()})"


def lime_text(
    model: nn.Module | Callable[[list[str]], Any],
    text: str,
    *,
    encode: Callable[[list[str]], Any] | None = None,
    target: int | None = None,
    score: ScoreKind = "probability",
    samples: int = 1000,
    width: float = 0.25,
    ridge: float = 1.0,
    seed: int = 0,
    once: bool = False,
    output: Output = None,
    batch_size: int = 32,
) -> TextAttribution:
    """Take words out of a text at random, and fit a linear model to the scores.

    As LIME's reference for text: for each sample a number from 1 to all is drawn, and that many words are removed; the
    first sample has all words.

    Parameters
    ----------
    model : torch.nn.Module, or callable from texts to scores (n, classes)
    encode : callable
        For a module: from a list of texts to its input, a tensor or a mapping of tensors (a tokenizer's output).
    once : bool
        Whether all occurrences of a word are one switch (the reference's `bow=True`).
    width, ridge : as for `lime`
        With fewer than four words a ridge of 1 shrinks the coefficients too much: use 0.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, got {type(text).__name__}")
    given_count(samples, "samples", 2)
    check_kind(score)
    check_kernel(width, ridge)
    spans = tuple(match.span() for match in _WORD.finditer(text))
    if not spans:
        raise ValueError(f"text must have at least one word, got {text!r}")
    if isinstance(model, nn.Module) and encode is None:
        raise ValueError("encode must be given for a module: from a list of texts to its input")
    kinds = [text[start:stop] for start, stop in spans]
    known = list(dict.fromkeys(kinds))
    switch_of = np.array([known.index(kind) for kind in kinds]) if once else np.arange(len(spans))
    on = _drawn(samples, int(switch_of.max()) + 1, seed)
    predict = _predictor(model, encode, output)
    scores: list[Tensor] = []
    for start in range(0, samples, batch_size):
        texts = [without(text, spans, row[switch_of]) for row in on[start : start + batch_size]]
        argument = predict(texts)
        if argument is None:
            raise TypeError("model must give a row of scores for each text of a list, got None")
        result = torch.as_tensor(argument).detach().float().cpu()
        if result.ndim != 2 or len(result) != len(texts):
            raise ValueError(f"model must give a row of scores for each text, got {tuple(result.shape)}")
        scores.append(result)
    rows = torch.cat(scores)
    if not torch.isfinite(rows).all():
        raise ValueError("the model must give finite scores, got NaN or infinity")
    target = int(rows[0].argmax()) if target is None else target
    if isinstance(target, bool) or not isinstance(target, (int, np.integer)):
        raise TypeError(f"target must be a class index, got {target!r}")
    if not 0 <= target < rows.shape[1]:
        raise ValueError(f"target must be 0…{rows.shape[1] - 1}, got {target}")
    if score == "probability":
        # Nothing can be recorded inside a function: the meaning is detected from the scores of the unchanged text.
        meaning = output if isinstance(output, ScoreMeaning) else meaning_of(None, rows[:1])
        rows = meaning.probabilities(rows)
    values = rows[:, target].double().numpy()
    fit = Fit(on.shape[1], ridge)
    fit.add(on, values, proximity(on, width))
    surrogate = fit.solve()
    if once:
        # Each occurrence is shown with the coefficient of its word.
        surrogate = Surrogate(
            coefficients=surrogate.coefficients[switch_of],
            intercept=surrogate.intercept,
            errors=surrogate.errors[switch_of],
            r2=surrogate.r2,
            samples=surrogate.samples,
        )
    return TextAttribution(
        text=text, spans=spans, surrogate=surrogate, target=target, score=score, value=float(values[0]), seed=seed
    )


def without(text: str, spans: tuple[tuple[int, int], ...], on: np.ndarray) -> str:
    """The text without the words that are off."""
    parts, end = [], 0
    for (start, stop), shown in zip(spans, on, strict=True):
        parts += [text[end:start], text[start:stop] if shown else ""]
        end = stop
    return "".join([*parts, text[end:]])


def _drawn(samples: int, words: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    on = np.ones((samples, words), bool)
    for row, count in zip(on[1:], random.integers(1, words + 1, samples - 1), strict=True):
        row[random.choice(words, count, replace=False)] = False
    return on


def _predictor(model: Any, encode: Any, output: Output) -> Callable[[list[str]], Any]:
    if not isinstance(model, nn.Module):
        result: Callable[[list[str]], Any] = model
        return result

    def predict(texts: list[str]) -> Tensor:
        value = encode(texts)
        with borrow(model):
            return class_scores(model(**value) if hasattr(value, "keys") else model(value), output)

    return predict
