"""Would the map be the same with another seed, or a little noise on the input? And do the methods agree?"""

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

from .similarity import ranks, spearman


@dataclass(frozen=True, eq=False, repr=False)
class SeedSpread:
    """How far a method's results lie apart that differ in their seed alone.

    Attributes
    ----------
    seeds : tuple of int
    correlations : float array
        Spearman's correlation of each pair of maps.
    deviation : float array or None
        Of methods with a surrogate: the standard deviation of each superpixel's coefficient.
    unsure : int
        How many superpixels have another sign with another seed.
    """

    seeds: tuple[int, ...]
    correlations: np.ndarray
    deviation: np.ndarray | None
    unsure: int
    complete: bool = True

    def describe(self) -> str:
        words = f"over {len(self.seeds)} seeds the maps' rank correlation is {self.correlations.mean():.2f}"
        words += f" (at least {self.correlations.min():.2f})"
        if self.deviation is not None:
            words += f"; {self.unsure} of {len(self.deviation)} superpixels change their sign"
        return words

    def __repr__(self) -> str:
        return f"SeedSpread({self.describe()})"


def seed_spread_steps(
    subject: Subject, original: Attribution, options: dict[str, Any], *, seeds: int = 3
) -> Iterator[SeedSpread]:
    """The method again with other seeds, on the same superpixels: each costs what the method costs."""
    given_count(seeds, "seeds", 2)
    if not method_named(original.method).random:
        raise ValueError(f"seeds make no difference to {original.method}: it draws nothing")
    first = int(options.get("seed", 0))
    found, spread = [original], None
    if original.surrogate is not None and original.surrogate.labels is not None:
        options = {**options, "segments": original.surrogate.labels}
    for seed in range(first + 1, first + seeds):
        for last in attribution_steps(subject, original.method, **{**options, "seed": seed}):
            if spread is not None and not last.complete:
                yield spread  # so that others may go first, and this can be stopped
        found.append(last)
        pairs = [spearman(a.importance(), b.importance()) for a, b in combinations(found, 2)]
        rows = [one.surrogate.coefficients for one in found if one.surrogate is not None]
        signs = np.sign(rows) if rows else None
        spread = SeedSpread(
            tuple(range(first, seed + 1)),
            np.array(pairs),
            np.std(rows, axis=0, ddof=1) if rows else None,
            0 if signs is None else int((signs != signs[0]).any(0).sum()),
            len(found) == seeds,
        )
        yield spread


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity:
    """How far a map moves when the input does, by less than one would see.

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
        return float(self.changes.max())

    def describe(self) -> str:
        return (
            f"noise of up to ±{self.radius:g} on the input changes the map by up to {self.largest:.0%} of its norm "
            f"({len(self.changes)} samples)"
        ).replace("%", " %")

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
    for _ in range(samples):
        noise = (torch.rand(subject.x.shape, generator=generator, dtype=torch.float32) * 2 - 1) * radius
        other = Subject(
            subject.model,
            subject.x + noise.to(subject.x),
            target=subject.target,
            score=subject.score,
            output=subject.output,
        )
        for found in attribution_steps(other, original.method, **options):
            if changes and not found.complete:
                yield Sensitivity(radius, np.array(changes), False)
        changes.append(float(np.linalg.norm(found.values - original.values)) / norm)
        yield Sensitivity(radius, np.array(changes), len(changes) == samples)


def agreement(found: Sequence[Attribution]) -> np.ndarray:
    """Spearman's rank correlation of the importances of each pair of maps, (n, n)."""
    rows = [ranks(one.importance()) for one in found]
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.corrcoef(rows) if len(rows) > 1 else np.ones((len(rows), len(rows)))
    np.fill_diagonal(table, 1.0)
    return table
