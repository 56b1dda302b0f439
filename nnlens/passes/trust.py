"""How far the fast ways to a model's scores can be trusted: they are compared with the model itself.

Passes over variations of one input run at one of four levels. They start at the fastest and fall back to a safer one
where a pass fails, or where its scores differ from those of the model alone by more than rounding explains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor, nn

from nnlens.recording import borrow, draw_alike, draws
from nnlens.scores.meaning import ScoreMeaning, apart, largest

TOLERANCE = 1e-4  # in scores: a difference too small to see in a map
ROUNDING = 16  # multiples of the number format's precision, relative to the largest score


class Level(IntEnum):
    """How passes run; each level is safer and slower than the one before."""

    WINDOWS = 0  # only what an occluder can change, see `kernels.occlusion.windows`
    PREPARED = 1  # whole passes of the prepared model
    MODEL = 2  # whole passes of the model itself
    SINGLE = 3  # the model itself, one input at a time


@dataclass
class Trust:
    """The fastest level that a prepared model may run at, and which levels have been compared with the model."""

    level: Level = Level.WINDOWS
    windows_checked: bool = False
    batches_checked: bool = False

    def fall_back(self, level: Level) -> None:
        """Run at `level` or a safer one from now on."""
        self.level = max(self.level, level)


class Reference:
    """The model's own scores, one input at a time, and how close other passes must come to them.

    Parameters
    ----------
    eps : float
        The relative precision of the scores' number format.
    """

    def __init__(self, model: nn.Module, x: Tensor, meaning: ScoreMeaning, eps: float):
        self.model, self.x, self.meaning, self.eps = model, x, meaning, eps

    def scores(self, batch: Tensor) -> Tensor:
        """The scores (n, classes) of each input by itself; the model must be borrowed."""
        rows = []
        for single in batch.split(1):
            if draws(self.model):
                draw_alike()
            rows.append(self.meaning.read(self.model(single.clone()), 1).detach())
        return torch.cat(rows)

    def tolerance(self, own: Tensor) -> float:
        """How far scores may differ from the model's `own`."""
        return max(TOLERANCE, self.eps, ROUNDING * self.eps * largest(own))

    def difference(self, scores: Tensor, own: Tensor) -> float:
        """The largest difference; infinite where only one of the two is NaN."""
        if scores.shape != own.shape or not torch.equal(scores.isnan(), own.isnan()):
            return float("inf")
        return float(apart(own, scores).max())

    def agrees_on_batches(self, run: Callable[[Tensor], Tensor]) -> bool:
        """Whether `run` gives a batch of two unlike inputs the scores that the model gives each of them alone.

        It does not where the model computes over its batch (normalisation by the batch's statistics, say).
        """
        noise = torch.randn(self.x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(self.x)
        axes = tuple(range(2, self.x.ndim)) or (-1,)
        both = torch.cat([self.x, 3 * self.x.flip(axes) + noise * (self.x.std() + 1)])
        with borrow(self.model):
            own = self.scores(both)
            try:
                scores = run(both).detach()
            except Exception:
                return False
        bound = self.tolerance(own)
        bound *= 10 if bound > 10 * TOLERANCE else 1  # in half precision the order of a sum matters
        return self.difference(scores, own) <= bound
