"""Points in a plane that teachers draw: two moons, spirals, circles, and the exclusive or."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

PointSet = Literal["moons", "spirals", "circles", "xor"]


def points(
    name: PointSet, count: int = 200, *, noise: float = 0.1, seed: int = 0
) -> tuple[Float[np.ndarray, "count 2"], Int[np.ndarray, " count"]]:
    """Points of two classes, evenly many, between about -2 and 2.

    Parameters
    ----------
    name : "moons", "spirals", "circles" or "xor"
    noise : float
        The standard deviation of what is added to each coordinate.

    Raises
    ------
    ValueError
        For another name, fewer than 2 points, and noise below 0.
    """
    if name not in get_args(PointSet):
        raise ValueError(f"name must be one of {', '.join(get_args(PointSet))}, got {name!r}")
    if count < 2 or noise < 0:
        raise ValueError(f"count must be at least 2 and noise at least 0, got {count} and {noise}")
    rng = np.random.default_rng(seed)
    classes = np.arange(count) % 2
    share = rng.random(count)
    sign = 1 - 2 * classes
    if name == "moons":
        angle = math.pi * share
        x = 1.2 * sign[:, None] * np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], 1)
    elif name == "spirals":
        angle = 3.5 * math.pi * np.sqrt(share)
        x = sign[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1) * (angle / (3.5 * math.pi))[:, None] * 1.8
    elif name == "circles":
        angle = 2 * math.pi * share
        x = np.stack([np.cos(angle), np.sin(angle)], 1) * np.where(classes, 0.7, 1.5)[:, None]
    else:
        corner = rng.integers(0, 2, count)
        x = np.stack([2 * corner - 1, (2 * corner - 1) * sign], 1).astype(float)
    return x + noise * rng.standard_normal((count, 2)), classes
