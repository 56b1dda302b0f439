"""Double descent of linear regression without a penalty (Hastie et al., 2022, arXiv:1903.08560)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class DoubleDescent:
    """The risk of the fit of least length, by how many features there are for each example.

    Attributes
    ----------
    ratios : array (n,)
        Features ÷ examples.
    measured, low, high : array (n,)
        The median of the risk over the draws, and its quartiles.
    expected : array (n,)
        What the theory says where both numbers are large; infinite at 1.
    """

    ratios: np.ndarray
    measured: np.ndarray
    low: np.ndarray
    high: np.ndarray
    expected: np.ndarray


def expected_risk(ratio: float, *, signal: float = 1.0, noise: float = 0.5) -> float:
    """The expected squared error of the noiseless prediction for isotropic features, as their number grows.

    noise² γ ÷ (1 − γ) below γ = 1, and signal² (1 − 1/γ) + noise² ÷ (γ − 1) above.

    Parameters
    ----------
    ratio : float
        γ, features ÷ examples.
    signal, noise : float
        The length of the true coefficients; the standard deviation of the noise.
    """
    if not ratio > 0:
        raise ValueError(f"ratio must be above 0, got {ratio}")
    if ratio == 1:
        return float("inf") if noise else 0.0
    if ratio < 1:
        return noise**2 * ratio / (1 - ratio)
    return signal**2 * (1 - 1 / ratio) + noise**2 / (ratio - 1)


def double_descent(
    ratios: Sequence[float] = (0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.1, 1.25, 1.5, 2, 3, 5, 8),
    *,
    examples: int = 100,
    signal: float = 1.0,
    noise: float = 0.5,
    draws: int = 20,
    seed: int = 0,
) -> DoubleDescent:
    """Fit random linear problems with more and more features, and measure the risk beside the theory's.

    Parameters
    ----------
    ratios : sequence of float
        Features ÷ examples.
    examples, draws : int
        Of each fit; how many problems are drawn for each ratio.
    signal, noise : float
        As for `expected_risk`.

    Raises
    ------
    ValueError
        For ratios that leave no feature, and fewer than two examples.
    """
    if examples < 2 or draws < 1:
        raise ValueError(f"examples must be at least 2 and draws at least 1, got {examples} and {draws}")
    if not len(ratios) or min(ratios) * examples < 1:
        raise ValueError(f"ratios must leave at least one feature for {examples} examples, got {list(ratios)}")
    generator = np.random.default_rng(seed)
    counts = [round(ratio * examples) for ratio in ratios]
    rows = []
    for features in counts:
        risks = []
        for _draw in range(draws):
            truth = generator.normal(size=features)
            truth *= signal / np.linalg.norm(truth)
            inputs = generator.normal(size=(examples, features))
            answers = inputs @ truth + noise * generator.normal(size=examples)
            fitted = np.linalg.lstsq(inputs, answers, rcond=None)[0]  # the shortest, where several fit
            risks.append(float(np.sum((fitted - truth) ** 2)))
        rows.append(np.quantile(risks, [0.25, 0.5, 0.75]))
    low, middle, high = np.array(rows).T
    exact = np.array(counts) / examples
    return DoubleDescent(
        ratios=exact,
        measured=middle,
        low=low,
        high=high,
        expected=np.array([expected_risk(float(ratio), signal=signal, noise=noise) for ratio in exact]),
    )


@torch.no_grad()
def random_features(
    inputs: Tensor,
    classes: Tensor,
    others: Tensor,
    other_classes: Tensor,
    counts: Sequence[int],
    *,
    draws: int = 5,
    seed: int = 0,
) -> np.ndarray:
    """The error on other examples of the shortest exact fit with random features, by their number.

    The features are ReLU(W x) with weights drawn once from a normal distribution, and only the last layer is fitted, by
    least squares to one for the class and zero for the others. The error has a peak where there are as many features as
    examples (Belkin et al., 2019, arXiv:1812.11118, figure 2).

    Parameters
    ----------
    inputs, others : tensor (n, d) and (m, d)
        Examples to fit, and others to test.
    classes, other_classes : tensor (n,) and (m,)
        Their classes.
    counts : sequence of int
        How many features.
    draws : int
        How many sets of features are drawn for each count.

    Returns
    -------
    array (counts, draws)
        The mean squared error on the others.
    """
    if not len(counts) or min(counts) < 1:
        raise ValueError(f"counts must be at least 1, got {list(counts)}")
    generator = torch.Generator().manual_seed(seed)
    known = int(max(classes.max(), other_classes.max())) + 1
    answers = torch.nn.functional.one_hot(classes, known).double()
    right = torch.nn.functional.one_hot(other_classes, known).double()
    x, z = inputs.double(), others.double()
    rows = []
    for count in counts:
        errors = []
        for _draw in range(draws):
            weights = torch.randn(x.shape[1], count, generator=generator, dtype=torch.float64) / x.shape[1] ** 0.5
            features = torch.relu(x @ weights)
            fitted = torch.linalg.lstsq(features, answers, driver="gelsd").solution  # the shortest, where several fit
            errors.append(float((torch.relu(z @ weights) @ fitted - right).square().mean()))
        rows.append(errors)
    return np.array(rows)
