"""The singular values of a weight, beside those that a random matrix of the same size and variance has."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .tail import Tail, fit_tail

# Of the Tracy–Widom distribution for real matrices: in 99 of 100 the largest value lies below (Johnstone 2001).
_TRACY_WIDOM_99 = 2.0234


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Spectrum:
    """The singular values of a matrix (filters, reads), and what a random matrix would have.

    The random matrix has independent entries with mean 0 and the same mean square; its singular values follow the law
    of Marchenko & Pastur (1967) in the limit of large matrices. Trained weights leave it where they have structure.

    Attributes
    ----------
    shape : (int, int)
    values : float64 array (min(shape),)
        The singular values, the largest first. Of a convolution they are those of its filter bank as a matrix
        (filters × what each filter reads), not those of the convolution as an operator on images.
    rms : float
        The root of the mean square of the matrix's entries.
    lower, upper : float
        The edges of Marchenko and Pastur's law for singular values: rms · |√rows ± √columns|.
    threshold : float
        The largest singular value of 99 in 100 such random matrices stays below it (Tracy & Widom's law, Johnstone
        2001, equations 1.3 to 1.5).
    distance : float
        The largest difference between the distribution functions of the eigenvalues and of the law
        (Kolmogorov–Smirnov).
    tail : Tail or None
        The power law that fits the largest eigenvalues (squared singular values) best.
    """

    shape: tuple[int, int]
    values: Float[np.ndarray, " n"]
    rms: float
    lower: float
    upper: float
    threshold: float
    distance: float
    tail: Tail | None

    def __repr__(self) -> str:
        rows, columns = self.shape
        return (
            f"Spectrum({rows} × {columns}, stable rank {self.stable_rank:.4g}, {self.above} of {len(self.values)} "
            f"singular values above random ones)"
        )

    @property
    def stable_rank(self) -> float:
        """Σ σ² ÷ σ₁²: how many directions the matrix has, weighted by their strength (Rudelson & Vershynin 2007)."""
        largest = self.values[0] ** 2
        return float((self.values**2).sum() / largest) if largest else 0.0

    @property
    def effective_rank(self) -> float:
        """The exponential of the entropy of σ ÷ Σ σ (Roy & Vetterli 2007)."""
        total = self.values.sum()
        if not total:
            return 0.0
        shares = self.values[self.values > 0] / total
        return float(np.exp(-(shares * np.log(shares)).sum()))

    @property
    def random(self) -> Float[np.ndarray, " n"]:
        """The singular values that Marchenko and Pastur's law expects, the largest first."""
        small, large = sorted(self.shape)
        shares = 1 - (np.arange(len(self.values)) + 0.5) / len(self.values)
        values: np.ndarray = self.rms * large**0.5 * np.sqrt(marchenko_pastur_quantiles(small / large, shares))
        return values

    @property
    def above(self) -> int:
        """How many singular values lie above `threshold`."""
        return int((self.values > self.threshold).sum())

    @property
    def energy_above(self) -> float:
        """The share of the squared weights that these hold."""
        return self.energy(self.above)

    def energy(self, rank: int) -> float:
        """The share of the squared weights that the best matrix of this rank holds (Eckart & Young)."""
        squares = self.values**2
        total = squares.sum()
        return float(squares[:rank].sum() / total) if total else 0.0

    def rank_for(self, share: float) -> int:
        """The smallest rank that holds this share of the squared weights."""
        squares = self.values**2
        total = squares.sum()
        return int(np.searchsorted(np.cumsum(squares), share * total * (1 - 1e-12)) + 1) if total else 0


def spectrum(matrix: Float[Tensor, "rows columns"] | np.ndarray) -> Spectrum:
    """The singular values of a matrix beside Marchenko and Pastur's law.

    They are the roots of the eigenvalues of the smaller one of WWᵀ and WᵀW, in double precision: no singular vectors
    are computed. Singular values below 10⁻⁸ of the largest are therefore not exact.

    Raises ValueError for what is no matrix, and for NaN or infinite entries.
    """
    matrix = torch.as_tensor(matrix).double()
    if matrix.ndim != 2 or not matrix.numel():
        raise ValueError(f"matrix must have two axes, got the shape {tuple(matrix.shape)}")
    rows, columns = matrix.shape
    rms = float(torch.linalg.vector_norm(matrix)) / (rows * columns) ** 0.5
    if not math.isfinite(rms):
        raise ValueError("matrix must be finite, got one with NaN or infinite entries")
    values = singular_values(matrix)
    root_rows, root_columns = rows**0.5, columns**0.5
    # Johnstone's centre and scale of the largest eigenvalue.
    scale = ((rows - 1) ** 0.5 + root_columns) ** 2 if rows > 1 else columns
    width = ((rows - 1) ** 0.5 + root_columns) * (1 / max(rows - 1, 1) ** 0.5 + 1 / root_columns) ** (1 / 3)
    return Spectrum(
        shape=(rows, columns),
        values=values,
        rms=rms,
        lower=rms * abs(root_rows - root_columns),
        upper=rms * (root_rows + root_columns),
        threshold=rms * float(scale + _TRACY_WIDOM_99 * width) ** 0.5,
        distance=_distance(values, rms, rows, columns),
        tail=fit_tail(values**2),
    )


def singular_values(matrix: Float[Tensor, "rows columns"]) -> np.ndarray:
    """The singular values, the largest first; see `spectrum` for their precision."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    squares = torch.linalg.eigvalsh(tall.T @ tall)
    result: np.ndarray = squares.flip(0).clamp(min=0).sqrt().cpu().numpy()
    return result


def marchenko_pastur_density(x: Float[np.ndarray, " n"], ratio: float) -> np.ndarray:
    """The density of the eigenvalues of XXᵀ ÷ columns, X (rows, columns) random with variance 1.

    `ratio` is rows ÷ columns, at most 1: √((b − x)(x − a)) ÷ (2π · ratio · x) between a, b = (1 ∓ √ratio)².
    """
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    inside = np.clip((high - x) * (x - low), 0, None)
    with np.errstate(divide="ignore", invalid="ignore"):
        density: np.ndarray = np.where(x > 0, np.sqrt(inside) / (2 * np.pi * ratio * x), 0)
    return density


def marchenko_pastur_quantiles(ratio: float, shares: Float[np.ndarray, " n"]) -> np.ndarray:
    """The eigenvalues below which these shares of the law lie; see `marchenko_pastur_density`."""
    places, distribution = _law(ratio)
    quantiles: np.ndarray = np.interp(shares, distribution, places)
    return quantiles


def _law(ratio: float, points: int = 2001) -> tuple[np.ndarray, np.ndarray]:
    """The distribution function of the law, at places that are dense at its edges."""
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    angle = np.linspace(0, np.pi, points)
    x = (low + high) / 2 - (high - low) / 2 * np.cos(angle)
    # With x = centre − half · cos t, the root of (b − x)(x − a) is half · sin t, and dx is half · sin t dt.
    half = (high - low) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.where(x > 0, (half * np.sin(angle)) ** 2 / (2 * np.pi * ratio * x), 0)
    if ratio == 1:
        density[0] = 2 * half / (2 * np.pi * ratio)  # the limit of sin² t ÷ (1 − cos t) at t = 0 is 2
    steps = (density[1:] + density[:-1]) / 2 * np.diff(angle)
    distribution = np.concatenate([[0], np.cumsum(steps)])
    return x, distribution / distribution[-1]


def _distance(values: np.ndarray, rms: float, rows: int, columns: int) -> float:
    """The Kolmogorov–Smirnov distance of the squared singular values to the law; NaN for a matrix of zeros."""
    if not rms:
        return float("nan")
    small, large = sorted((rows, columns))
    eigenvalues = np.sort(values**2) / (large * rms**2)
    places, distribution = _law(small / large)
    law = np.interp(eigenvalues, places, distribution)
    steps = np.arange(len(law)) / len(law)
    return float(max((law - steps).max(), (steps + 1 / len(law) - law).max()))
