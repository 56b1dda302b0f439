"""Filters that are nearly 0, and filters that are nearly the same."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Integer

DEAD_BELOW = 0.01  # of the median norm
SAME_ABOVE = 0.95  # cosine


def dead_filters(norms: Float[np.ndarray, " filters"]) -> Bool[np.ndarray, " filters"]:
    """Which filters are dead: their norm is at most a hundredth of the layer's median."""
    result: np.ndarray = norms <= DEAD_BELOW * np.median(norms)
    return result


def cosines(rows: Float[np.ndarray, "filters reads"]) -> Float[np.ndarray, "filters filters"]:
    """The cosine of the angle between each two filters; 0 for a filter of zeros."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(norms > 0, norms, 1)
    result: np.ndarray = unit @ unit.T
    return result


def duplicates(similar: Float[np.ndarray, "filters filters"]) -> tuple[tuple[int, ...], ...]:
    """Groups of filters that are connected by cosines of at least 0.95, the largest group first."""
    close = similar >= SAME_ABOVE
    np.fill_diagonal(close, False)
    seen: set[int] = set()
    groups = []
    for first in np.flatnonzero(close.any(1)).tolist():
        if first in seen:
            continue
        group, waiting = {first}, [first]
        while waiting:
            others = set(np.flatnonzero(close[waiting.pop()]).tolist()) - group
            group |= others
            waiting += others
        seen |= group
        groups.append(tuple(sorted(group)))
    return tuple(sorted(groups, key=lambda group: (-len(group), group)))


def chain(similar: Float[np.ndarray, "filters filters"], first: int) -> Integer[np.ndarray, " filters"]:
    """The filters in an order in which each is followed by the most similar one that is left."""
    left = np.ones(len(similar), bool)
    order = [first]
    left[first] = False
    for _ in range(len(similar) - 1):
        nearest = np.where(left, similar[order[-1]], -np.inf).argmax()
        order.append(int(nearest))
        left[nearest] = False
    return np.array(order)
