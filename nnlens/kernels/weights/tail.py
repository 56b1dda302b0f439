"""The exponent of a power law that the largest of some numbers follow, and how well they follow it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The fit of a power law p(x) ∝ x^−α to the values from `xmin` on (Clauset, Shalizi & Newman 2009).

    Attributes
    ----------
    alpha : float
        The exponent; `error` is its standard error (α − 1) ÷ √n, which does not include the choice of `xmin`.
    xmin : float
        The value from which on the law is fitted: the one with the smallest `distance`.
    distance : float
        The largest distance between the distribution functions of the tail and of the fit (Kolmogorov–Smirnov, D).
    count, of : int
        How many values the tail has, and how many there are.
    critical : float
        The distance that a tail of this size, drawn from a power law, exceeds in 1 of 10 cases if its exponent is
        fitted: 0.96 ÷ √n (Lilliefors 1969, as the logarithms are exponential). A larger `distance` says that the
        values follow no power law. A smaller one says little, because `xmin` was chosen for it.
    """

    alpha: float
    error: float
    xmin: float
    distance: float
    count: int
    of: int

    @property
    def critical(self) -> float:
        """See above."""
        return float(0.96 / self.count**0.5)

    @property
    def follows(self) -> bool:
        """Whether the distance is small enough to be chance, and the tail long enough (50 values) to tell."""
        return self.distance <= self.critical and self.count >= 50


_TABLE = 200_000  # numbers that are computed together


def fit_tail(values: Float[np.ndarray, " n"], *, most: int = 4000) -> Tail | None:
    """Fit a power law to the largest of some positive numbers.

    For each candidate of x_min the exponent with the largest likelihood is α = 1 + n ÷ Σ ln(x ÷ x_min) (Clauset et al.
    2009, arXiv:0706.1062, equation 3.1), and the candidate with the smallest Kolmogorov–Smirnov distance is taken.

    Parameters
    ----------
    values : float array (n,)
        Numbers that are 0, negative or not finite are left out.
    most : int
        How many candidates are tried, evenly spread over the values where there are more.

    Returns
    -------
    Tail or None
        None for fewer than 10 different positive numbers.
    """
    x = np.sort(np.asarray(values, np.float64).reshape(-1))
    x = x[np.isfinite(x) & (x > 0)]
    # The largest value alone is no tail; of equal values the first one is the candidate.
    candidates = np.flatnonzero(np.diff(x, prepend=-np.inf) > 0)[:-1]
    if len(candidates) < 9:
        return None
    if len(candidates) > most:
        candidates = candidates[np.linspace(0, len(candidates) - 1, most).astype(int)]
    logs = np.log(x)
    sums = np.cumsum(logs[::-1])[::-1]  # of the logarithms from each place on
    best: tuple[float, int, float] | None = None
    # Candidates together, as many as fit into a small table.
    size = max(1, _TABLE // len(x))
    for start in range(0, len(candidates), size):
        block = candidates[start : start + size]
        counts = len(x) - block
        totals = sums[block] - counts * logs[block]
        with np.errstate(divide="ignore"):
            alphas = 1 + counts / totals
        begin = block[0]
        above = np.arange(begin, len(x))[None] - block[:, None]  # how many of the tail lie below
        # Numbers below a candidate are no part of its tail, and left out further on.
        farther = np.maximum(logs[None, begin:] - logs[block][:, None], 0)
        fitted = 1 - np.exp((1 - alphas)[:, None] * farther)
        lower = fitted - above / counts[:, None]
        distances = np.maximum(lower, 1 / counts[:, None] - lower)
        distances = np.where(above >= 0, distances, -np.inf).max(1)
        place = int(np.where(totals > 0, distances, np.inf).argmin())
        if totals[place] > 0 and (best is None or distances[place] < best[0]):
            best = float(distances[place]), int(block[place]), float(alphas[place])
    if best is None:
        return None
    distance, first, alpha = best
    count = len(x) - first
    return Tail(
        alpha=float(alpha),
        error=float((alpha - 1) / count**0.5),
        xmin=float(x[first]),
        distance=distance,
        count=count,
        of=len(x),
    )
