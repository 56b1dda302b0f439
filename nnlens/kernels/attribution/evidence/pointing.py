"""Whether a map marks the places where the evidence is known to be."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped


def pointing_game(importance: Shaped[np.ndarray, "h w"], where: Shaped[np.ndarray, "h w"], tolerance: int = 0) -> bool:
    """Whether the map's largest value lies where the evidence is (Zhang et al. 2016, arXiv:1608.00507).

    Parameters
    ----------
    importance : array (height, width)
    where : bool array (height, width)
    tolerance : int
        How many pixels outside still count as a hit; the paper uses 15.

    A constant map points nowhere.
    """
    if importance.shape != where.shape:
        raise ValueError(f"where must be of the shape {importance.shape} as importance, got {where.shape}")
    if not np.any(where):
        raise ValueError("where must mark at least one pixel")
    if np.ptp(importance) == 0:
        return False
    row, column = np.unravel_index(int(np.argmax(importance)), importance.shape)
    rows, columns = np.nonzero(where)
    return bool(((rows - row) ** 2 + (columns - column) ** 2).min() <= tolerance**2)


def mass_inside(importance: Shaped[np.ndarray, "h w"], where: Shaped[np.ndarray, "h w"]) -> float:
    """The share of a map's positive values that lies where the evidence is; NaN for a map without any."""
    if importance.shape != where.shape:
        raise ValueError(f"where must be of the shape {importance.shape} as importance, got {where.shape}")
    positive = np.maximum(importance.astype(np.float64), 0)
    total = positive.sum()
    return float(positive[where].sum() / total) if total > 0 else float("nan")
