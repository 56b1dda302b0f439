"""What a network gives at the points of a grid in a plane, where it has too many pieces to find each."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from nnlens.recording import borrow
from nnlens.scores.meaning import Pick, pick_output

_BATCH = 256


def plane_scores(
    model: nn.Module,
    origin: Shaped[Tensor, "1 ..."],
    across: Shaped[Tensor, "1 ..."],
    down: Shaped[Tensor, "1 ..."],
    *,
    box: tuple[tuple[float, float], tuple[float, float]],
    side: int = 64,
    output: Pick = None,
) -> Generator[None, None, Float[np.ndarray, "side side outputs"]]:
    """The outputs at the middles of side × side cells of a box of the plane origin + u · across + v · down.

    A generator, which pauses after each batch. The first row has the smallest v.
    """
    (left, right), (bottom, top) = box
    middles = (torch.arange(side, dtype=torch.float64) + 0.5) / side
    u = left + (right - left) * middles.repeat(side)
    v = bottom + (top - bottom) * middles.repeat_interleave(side)
    shape = (-1, *[1] * (origin.ndim - 1))
    parts = []
    with borrow(model), torch.no_grad():
        for start in range(0, len(u), _BATCH):
            one, other = (item[start : start + _BATCH].to(origin).view(shape) for item in (u, v))
            scores = pick_output(model(origin + one * across + other * down), output)
            parts.append(scores.flatten(1).double().cpu())
            yield
    return torch.cat(parts).reshape(side, side, -1).numpy()
