"""In which order the positions of an occluder are computed: coarse grids first, then where the scores vary."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def _coarse_to_fine(count: int) -> list[list[int]]:
    """0…count-1 in nested levels: four from end to end first, then the middle of each gap."""
    known = sorted({round(position) for position in np.linspace(0, count - 1, min(4, count))})
    levels = [known]
    while len(known) < count:
        middles = [(a + b) // 2 for a, b in pairwise(known) if b - a > 1]
        known = sorted([*known, *middles])
        levels.append(known)
    return levels


def levels(rows: int, columns: int, computed: np.ndarray) -> list[np.ndarray]:
    """The positions (n, 2) that are missing, level by level of the coarse grids."""
    down, across = _coarse_to_fine(rows), _coarse_to_fine(columns)
    missing, result = ~computed, []
    for level in range(max(len(down), len(across))):
        new = np.zeros_like(missing)
        new[np.ix_(down[min(level, len(down) - 1)], across[min(level, len(across) - 1)])] = True
        result.append(np.argwhere(new & missing))
        missing = missing & ~new
    return [places for places in result if len(places)]


def by_variation(places: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The positions, ordered by the variation of the known scores around them, largest first."""
    known = np.argwhere(np.isfinite(score))
    if len(known) < 2:
        return places
    far = np.abs(places[:, None] - known[None]).max(2)
    # The nearest known positions on each side: as far as the second nearest, at least.
    near = far <= np.sort(far, 1)[:, 1:2]
    values = np.broadcast_to(score[known[:, 0], known[:, 1]], near.shape)
    spread = np.where(near, values, -np.inf).max(1) - np.where(near, values, np.inf).min(1)
    return places[np.argsort(-spread, kind="stable")]


def places_of_check(rows: int, columns: int) -> np.ndarray:
    """Two corners and the centre (n, 2): positions with and without the influence of borders."""
    return np.array(list(dict.fromkeys([(rows // 2, columns // 2), (0, 0), (rows - 1, columns - 1)])))


def missing_of(places: np.ndarray, computed: np.ndarray) -> np.ndarray:
    """Those of some positions (n, 2) that are not computed."""
    result: np.ndarray = places[~computed[places[:, 0], places[:, 1]]]
    return result
