"""A linear model of parts that are on or off: the weighted fit behind LIME and KernelSHAP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Surrogate:
    """score ≈ intercept + Σ coefficient · (part is on).

    Attributes
    ----------
    coefficients : float64 array (parts,)
    intercept : float
    errors : float64 array (parts,)
        The coefficients' standard errors, robust to unequal variance (White 1980): the variation between draws of that
        many samples, and the deviation of the model from a linear one.
    r2 : float
        The share of the samples' weighted variance that the linear model explains; NaN where they do not vary.
    samples : int
    labels : int array (height, width), or None
        Which part each pixel belongs to; None for text.
    """

    coefficients: Float[np.ndarray, " parts"]
    intercept: float
    errors: Float[np.ndarray, " parts"]
    r2: float
    samples: int
    labels: Integer[np.ndarray, "h w"] | None = None

    def __len__(self) -> int:
        return len(self.coefficients)

    def interval(self, width: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
        """The lower and upper ends of the coefficients' intervals, by default 95 %."""
        return self.coefficients - width * self.errors, self.coefficients + width * self.errors

    def strongest(self, k: int = 5) -> tuple[list[int], list[int]]:
        """At most k parts with the most evidence for the class, and k with the most against it."""
        order = np.argsort(-self.coefficients, kind="stable")
        pro = [int(item) for item in order[:k] if self.coefficients[item] > 0]
        contra = [int(item) for item in order[::-1][:k] if self.coefficients[item] < 0]
        return pro, contra

    def painted(self) -> np.ndarray:
        """Each pixel with its part's coefficient, (1, height, width)."""
        if self.labels is None:
            raise ValueError("only the superpixels of an image can be drawn")
        result: np.ndarray = self.coefficients[self.labels][None].astype(np.float32)
        return result

    def __repr__(self) -> str:
        return f"Surrogate({len(self)} parts, {self.samples} samples, R² {self.r2:.3f})"


class Fit:
    """Weighted ridge regression with an intercept that is not penalised, fed sample by sample."""

    def __init__(self, parts: int, ridge: float):
        self.parts, self.ridge = parts, ridge
        self.on: list[np.ndarray] = []
        self.scores: list[np.ndarray] = []
        self.weights: list[np.ndarray] = []

    def add(self, on: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> None:
        """Add samples: which parts are on (n, parts), their scores and weights (n)."""
        self.on.append(on.astype(np.float64))
        self.scores.append(np.asarray(scores, np.float64))
        self.weights.append(np.asarray(weights, np.float64))

    def solve(self, labels: np.ndarray | None = None) -> Surrogate:
        """The linear model of all samples so far."""
        on, scores, weights = map(np.concatenate, (self.on, self.scores, self.weights))
        total = weights.sum()
        middle, mean = weights @ on / total, weights @ scores / total
        x, y = on - middle, scores - mean
        # The intercept is solved for by centring, as ridge regression of scikit-learn does.
        inverse = inverted(x.T @ (x * weights[:, None]) + self.ridge * np.eye(self.parts))
        coefficients = inverse @ (x.T @ (weights * y))
        rest = y - x @ coefficients
        bread = x * (weights * rest)[:, None]
        errors = np.sqrt(np.maximum(np.diag(inverse @ (bread.T @ bread) @ inverse), 0))
        spread = float(weights @ y**2)
        # A variance that rounding explains counts as 0.
        flat = spread <= 1e-20 * max(1.0, float(weights @ scores**2))
        r2 = float("nan") if flat else 1 - float(weights @ rest**2) / spread
        return Surrogate(
            coefficients=coefficients,
            intercept=float(mean - middle @ coefficients),
            errors=errors,
            r2=r2,
            samples=len(scores),
            labels=labels,
        )


def inverted(moments: np.ndarray) -> np.ndarray:
    """The inverse of a positive semi-definite matrix; the pseudo-inverse where it is singular."""
    try:
        steep = np.diag(np.linalg.cholesky(moments))
        if steep.min() > 1e-6 * steep.max():
            return np.linalg.inv(moments)
    except np.linalg.LinAlgError:
        pass
    return np.linalg.pinv(moments, hermitian=True)
