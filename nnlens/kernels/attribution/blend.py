"""Blends of an input and its replacement."""

from __future__ import annotations

import torch
from torch import Tensor

from nnlens.passes.whole_passes import WholePasses


class Blend:
    """`blend(shown)`: the input where a mask is 1, its replacement where it is 0, and a mixture for values in between.

    All calls write into the same memory, so that thousands of images do not need to be allocated.
    """

    def __init__(self, passes: WholePasses, replacement: Tensor):
        self._x, self._replacement = passes.laid_out(passes.x), passes.laid_out(replacement[None].to(passes.x))
        self._memory = self._x[:0]

    def __call__(self, shown: Tensor) -> Tensor:
        """(n, channels, height, width) for masks (n, height, width); 0 and 1 give the values exactly."""
        if len(self._memory) < len(shown):
            self._memory = self._x.repeat(len(shown), 1, 1, 1)
        weights = shown[:, None].to(self._x)
        return torch.lerp(self._replacement, self._x, weights, out=self._memory[: len(shown)])
