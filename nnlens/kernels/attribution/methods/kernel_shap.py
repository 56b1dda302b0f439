"""KernelSHAP: Shapley values of superpixels as a weighted regression (Lundberg & Lee 2017, arXiv:1705.07874)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject, given_count
from nnlens.kernels.attribution.superpixels import Segmentation
from nnlens.kernels.attribution.surrogate import Surrogate, inverted
from nnlens.kernels.occlusion.occluder import Fill

from .lime import PIECES, Switches


def kernel_shap(
    subject: Subject,
    *,
    samples: int = 1000,
    segments: np.ndarray | int | None = None,
    segmentation: Segmentation = "slic",
    fill: Fill = "own mean",
    seed: int = 0,
) -> Iterator[Attribution]:
    """What each superpixel adds to the score, averaged over all orders in which they can be switched on.

    The values add up to f(x) − f(all off), exactly. All sets of switches are tried where there are no more than
    `samples`: then these are the Shapley values. Otherwise all sets of the sizes with the largest weights are tried,
    and of the others as many sets as remain are drawn, each with its complement (theorem 2: of M switches a set of k
    weighs
    (M − 1) / (C(M, k) k (M − k))).

    Parameters
    ----------
    samples : int
        How many sets besides "all" and "none".
    segments, segmentation, fill : as for `lime`
    """
    given_count(samples, "samples", 2)
    switches = Switches(subject, segments=segments, segmentation=segmentation, fill=fill, seed=seed)
    parts = switches.parts
    ends = switches.scores(np.array([[False] * parts, [True] * parts]))
    nothing, everything = float(ends[0]), float(ends[1])
    on, weights = coalitions(parts, samples, seed)
    parameters = {**switches.parameters(), "samples": len(on), "seed": seed, "exact": len(on) == 2**parts - 2}
    if parts == 1:
        result = Surrogate(
            coefficients=np.array([everything - nothing]),
            intercept=nothing,
            errors=np.zeros(1),
            r2=1.0,
            samples=2,
            labels=switches.labels,
        )
        yield _result(subject, result, parameters, 1.0, everything - nothing)
        return
    scores: list[np.ndarray] = []
    done = shown = 0
    for some in switches.portions(on):
        scores.append(switches.scores(some))
        done += len(some)
        if done < len(on) and done - shown < len(on) / PIECES:
            continue
        shown = done
        result = constrained(on[:done], np.concatenate(scores), weights[:done], nothing, everything, switches.labels)
        if parameters["exact"] and done == len(on):
            result = Surrogate(
                coefficients=result.coefficients,
                intercept=nothing,
                errors=np.zeros(parts),
                r2=result.r2,
                samples=done,
                labels=switches.labels,
            )
        yield _result(subject, result, parameters, done / len(on), everything - nothing)


def _result(
    subject: Subject, surrogate: Surrogate, parameters: dict[str, Any], done: float, expected: float
) -> Attribution:
    sizes = np.bincount(np.asarray(surrogate.labels).ravel())
    # Divided among a superpixel's pixels, so that the map adds up to the contributions of the superpixels.
    shares = Surrogate(
        coefficients=surrogate.coefficients / sizes,
        intercept=0.0,
        errors=surrogate.errors,
        r2=surrogate.r2,
        samples=surrogate.samples,
        labels=surrogate.labels,
    )
    return subject.result(
        "kernel_shap",
        shares.painted(),
        contribution=True,
        parameters=parameters,
        surrogate=surrogate,
        done=done,
        expected=expected if done == 1 else None,
    )


def coalitions(parts: int, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sets of parts that are on, bool (n, parts), and their weights, which add up to 1; neither all nor none on.

    Shuffled, so that any prefix is a random sample.
    """
    if parts < 2:
        return np.zeros((0, parts), bool), np.zeros(0)
    sizes = np.arange(1, parts // 2 + 1)
    # Of a size and of its complement, which are the same in the middle of an even number.
    kernel = (parts - 1) / (sizes * (parts - sizes)) * np.where(2 * sizes == parts, 1.0, 2.0)
    kernel = kernel / kernel.sum()
    rows: list[np.ndarray] = []
    weights: list[float] = []
    left, index = samples, 0
    for size, share in zip(sizes, kernel, strict=True):
        whole = comb(parts, int(size)) * (1 if 2 * size == parts else 2)
        # All of them, where drawing would take as many of this size.
        if left * share / kernel[index:].sum() < whole * (1 - 1e-9):
            break
        for chosen in combinations(range(parts), int(size)):
            row = np.zeros(parts, bool)
            row[list(chosen)] = True
            if 2 * size == parts:
                rows.append(row)
                weights.append(share / whole)
            else:
                rows += [row, ~row]
                weights += [share / whole] * 2
        left -= whole
        index += 1
    drawn = np.random.default_rng(seed)
    if index < len(sizes) and left > 1:
        rest = kernel[index:]
        pairs = left // 2
        for size in drawn.choice(sizes[index:], pairs, p=rest / rest.sum()):
            row = np.zeros(parts, bool)
            row[drawn.choice(parts, size, replace=False)] = True
            rows += [row, ~row]
            weights += [rest.sum() / (2 * pairs)] * 2
    result, share_of = np.array(rows), np.array(weights)
    order = drawn.permutation(len(result))
    return result[order], share_of[order] / share_of.sum()


def constrained(
    on: np.ndarray,
    scores: np.ndarray,
    weights: np.ndarray,
    nothing: float,
    everything: float,
    labels: np.ndarray | None,
) -> Surrogate:
    """The weighted least squares whose intercept is f(none) and whose coefficients add up to f(all) − f(none)."""
    z, total = on.astype(np.float64), everything - nothing
    # The last coefficient is what the others leave of the total.
    x, y = z[:, :-1] - z[:, -1:], scores - nothing - z[:, -1] * total
    inverse = inverted(x.T @ (x * weights[:, None]))
    first = inverse @ (x.T @ (weights * y))
    rest = y - x @ first
    bread = x * (weights * rest)[:, None]
    covariance = inverse @ (bread.T @ bread) @ inverse
    errors = np.sqrt(np.maximum(np.append(np.diag(covariance), covariance.sum()), 0))
    coefficients = np.append(first, total - first.sum())
    mean = weights @ scores / weights.sum()
    spread = float(weights @ (scores - mean) ** 2)
    r2 = 1 - float(weights @ rest**2) / spread if spread > 0 else float("nan")
    return Surrogate(
        coefficients=coefficients, intercept=nothing, errors=errors, r2=r2, samples=len(scores) + 2, labels=labels
    )
