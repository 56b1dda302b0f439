"""How numbers are distributed: moments, quantiles and histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class Moments:
    """The moments of a distribution: those of the sample, not corrected for its size.

    `skewness` is 0 for a symmetric distribution; `kurtosis` is the excess over a normal distribution's (which has 0),
    positive where a few values are far out. Both are NaN where all values are equal.
    """

    count: int
    mean: float
    std: float
    skewness: float
    kurtosis: float
    minimum: float
    median: float
    maximum: float

    def __repr__(self) -> str:
        return (
            f"Moments({self.count} values, {self.mean:.3g} ± {self.std:.3g}, skewness {self.skewness:.3g}, "
            f"excess kurtosis {self.kurtosis:.3g})"
        )


def moments(values: Float[np.ndarray, "..."]) -> Moments:
    """The moments of all numbers of an array.

    Skewness m₃ ÷ m₂^1.5 and excess kurtosis m₄ ÷ m₂² − 3, with mₖ the k-th central moment.

    Raises ValueError for an empty array and for one with NaN or infinite numbers.
    """
    flat = np.asarray(values, np.float64).reshape(-1)
    if not len(flat):
        raise ValueError("values must hold at least one number, got an empty array")
    if not np.isfinite(flat).all():
        raise ValueError(f"values must be finite, got {int((~np.isfinite(flat)).sum())} that are NaN or infinite")
    skewness, kurtosis = shape_of_rows(flat[None])
    return Moments(
        count=len(flat),
        mean=float(flat.mean()),
        std=float(flat.std()),
        skewness=float(skewness[0]),
        kurtosis=float(kurtosis[0]),
        minimum=float(flat.min()),
        median=float(np.median(flat)),
        maximum=float(flat.max()),
    )


def shape_of_rows(rows: Float[np.ndarray, "n m"]) -> tuple[np.ndarray, np.ndarray]:
    """Skewness and excess kurtosis of each row; NaN where a row has one value only."""
    centred = rows - rows.mean(1, keepdims=True)
    # Not scaled by tiny numbers: a constant row differs from its mean by rounding only.
    centred = np.where(np.abs(centred) <= 1e-12 * np.abs(rows).max(1, keepdims=True, initial=0), 0, centred)
    squares = centred * centred  # products, as powers above 2 take ten times as long
    variance = squares.mean(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness = (squares * centred).mean(1) / variance**1.5
        kurtosis = (squares * squares).mean(1) / variance**2 - 3
    return skewness, kurtosis


def histogram(values: Float[np.ndarray, "..."], edges: Float[np.ndarray, " bins+1"]) -> np.ndarray:
    """The share of the values in each bin, which adds up to 1; values beyond the edges count in the outer bins."""
    flat = np.clip(np.asarray(values, np.float64).reshape(-1), edges[0], edges[-1])
    counts, _ = np.histogram(flat, edges)
    result: np.ndarray = counts / max(1, len(flat))
    return result
