"""Stability: the map with other seeds and with noise on the input, and the agreement of several methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch

from nnlens.kernels.attribution.registry import attribution_steps, method_named
from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject, given_count
from nnlens.utils.language import _, number

from .similarity import ranks, spearman


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SeedSpread:
    """The differences between a method's results with different seeds.

    Attributes
    ----------
    seeds : tuple of int
    correlations : float array
        Spearman's correlation of each pair of maps.
    deviation : float array or None
        Of methods with a surrogate: the standard deviation of each superpixel's coefficient.
    unsure : int
        How many superpixels change sign when the seed changes.
    """

    seeds: tuple[int, ...]
    correlations: np.ndarray
    deviation: np.ndarray | None
    unsure: int
    complete: bool = True

    def describe(self) -> str:
        """The similarity between seeds, in words."""
        words = _(
            "over {seeds} seeds the maps' rank correlation is {mean} (at least {least})",
            seeds=len(self.seeds),
            mean=number(f"{self.correlations.mean():.2f}"),
            least=number(f"{self.correlations.min():.2f}"),
        )
        if self.deviation is not None:
            words += _("; {unsure} of {count} parts change their sign", unsure=self.unsure, count=len(self.deviation))
        return words

    def __repr__(self) -> str:
        return f"SeedSpread({self.describe()})"


def seed_spread_steps(
    subject: Subject, original: Attribution, options: dict[str, Any], *, seeds: int = 3
) -> Iterator[SeedSpread]:
    """Run the method with other seeds, on the same superpixels: each costs as much as the method."""
    given_count(seeds, "seeds", 2)
    if not method_named(original.method).random:
        raise ValueError(f"seeds do not change {original.method}: it draws no random numbers")
    first = int(options.get("seed", 0))
    result, spread = [original], None
    if original.surrogate is not None and original.surrogate.labels is not None:
        options = {**options, "segments": original.surrogate.labels}
    for seed in range(first + 1, first + seeds):
        for last in attribution_steps(subject, original.method, **{**options, "seed": seed}):
            if spread is not None and not last.complete:
                yield spread  # a pause for more urgent work, and a chance to stop
        result.append(last)
        pairs = [spearman(a.importance(), b.importance()) for a, b in combinations(result, 2)]
        rows = [item.surrogate.coefficients for item in result if item.surrogate is not None]
        signs = np.sign(rows) if rows else None
        spread = SeedSpread(
            seeds=tuple(range(first, seed + 1)),
            correlations=np.array(pairs),
            deviation=np.std(rows, axis=0, ddof=1) if rows else None,
            unsure=0 if signs is None else int((signs != signs[0]).any(0).sum()),
            complete=len(result) == seeds,
        )
        yield spread


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity:
    """The change of a map when invisible noise is added to the input.

    Attributes
    ----------
    radius : float
        Of the uniform noise, in input units.
    changes : float array (samples,)
        ‖φ(x + δ) − φ(x)‖ / ‖φ(x)‖.
    """

    radius: float
    changes: np.ndarray
    complete: bool = True

    @property
    def largest(self) -> float:
        """The largest relative change."""
        return float(self.changes.max())

    def describe(self) -> str:
        """The largest relative change, in words."""
        share = f"{self.largest:.0%}".replace("%", " %")
        return _(
            "noise of up to ±{radius} on the input changes the map by up to {share} of its norm ({samples} samples)",
            radius=number(f"{self.radius:g}"),
            share=share,
            samples=len(self.changes),
        )

    def __repr__(self) -> str:
        return f"Sensitivity({self.describe()})"


def sensitivity_steps(
    subject: Subject,
    original: Attribution,
    options: dict[str, Any],
    *,
    radius: float = 0.02,
    samples: int = 10,
    seed: int = 0,
) -> Iterator[Sensitivity]:
    """The largest relative change of the map within an ℓ∞ ball around the input (Yeh et al. 2019, arXiv:1901.09392).

    Each sample costs what the method costs. Superpixels and seeds stay the same.
    """
    given_count(samples, "samples")
    if not radius > 0:
        raise ValueError(f"radius must be above 0, got {radius}")
    if original.surrogate is not None and original.surrogate.labels is not None:
        options = {**options, "segments": original.surrogate.labels}
    generator = torch.Generator().manual_seed(seed)
    norm = float(np.linalg.norm(original.values)) or 1.0
    changes: list[float] = []
    for _sample in range(samples):
        noise = (torch.rand(subject.x.shape, generator=generator, dtype=torch.float32) * 2 - 1) * radius
        other = Subject(
            subject.model,
            subject.x + noise.to(subject.x),
            target=subject.target,
            score=subject.score,
            output=subject.output,
        )
        for attribution_step in attribution_steps(other, original.method, **options):
            if changes and not attribution_step.complete:
                yield Sensitivity(radius, np.array(changes), False)
        changes.append(float(np.linalg.norm(attribution_step.values - original.values)) / norm)
        yield Sensitivity(radius, np.array(changes), len(changes) == samples)


def agreement(result: Sequence[Attribution]) -> np.ndarray:
    """Spearman's rank correlation of the importances of each pair of maps, (n, n)."""
    rows = [ranks(item.importance()) for item in result]
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.corrcoef(rows) if len(rows) > 1 else np.ones((len(rows), len(rows)))
    np.fill_diagonal(table, 1.0)
    return table
