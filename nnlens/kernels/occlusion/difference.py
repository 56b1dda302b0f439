"""How two occlusion maps differ: of two inputs, or of two models."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nnlens.scores.meaning import ScoreKind

from .occlusion_map import Occlusion


def occlusion_difference(
    first: Occlusion, second: Occlusion, target: int | None = None, kind: ScoreKind = "probability"
) -> Float[np.ndarray, "rows columns"]:
    """At each position, how the target's score changes in the second, minus how it changes in the first.

    NaN where one of them is not computed. Raises ValueError where the maps are not of the same positions.
    """
    same = (
        first.size == second.size
        and np.array_equal(first.tops, second.tops)
        and np.array_equal(first.lefts, second.lefts)
    )
    if not same:
        raise ValueError(
            "the occlusion maps must have the same size and positions, got "
            + " and ".join(f"{one.size} at {len(one.tops)} × {len(one.lefts)} positions" for one in (first, second))
        )
    known = first.computed & second.computed
    return np.where(known, second.change(target, kind) - first.change(target, kind), np.nan)
