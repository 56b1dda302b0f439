"""Images between an input and what stands in its place."""

from __future__ import annotations

import torch
from torch import Tensor

from nnlens.passes.whole_passes import WholePasses


class Blend:
    """`blend(shown)`: the input where a mask is 1, what stands in its place where it is 0, and between in between.

    The images are in one piece of memory, which the next call writes into: thousands of them need no new one.
    """

    def __init__(self, passes: WholePasses, standing: Tensor):
        self._x, self._standing = passes.laid_out(passes.x), passes.laid_out(standing[None].to(passes.x))
        self._memory = self._x[:0]

    def __call__(self, shown: Tensor) -> Tensor:
        """(n, channels, height, width) for masks (n, height, width); 0 and 1 give the very values."""
        if len(self._memory) < len(shown):
            self._memory = self._x.repeat(len(shown), 1, 1, 1)
        weights = shown[:, None].to(self._x)
        return torch.lerp(self._standing, self._x, weights, out=self._memory[: len(shown)])
