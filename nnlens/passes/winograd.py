"""3 × 3 convolutions in a quarter of the multiplications, by matrix products.

Winograd's F(4 × 4, 3 × 3), Lavin & Gray 2015 (arXiv:1509.09308, equations 10 to 14): tiles of 6 × 6 inputs give tiles
of 4 × 4 outputs. In float32 its error is about four times that of the plain sum.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_INPUT = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0],
          [0, 4, 0, -5, 0, 1]]  # fmt: skip
_KERNEL = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]  # in 24ths
_OUTPUT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]

TILE = 4
_MOST = 2_000_000  # numbers in a transformed input: larger tensors fall out of the caches, and their pages are new


def _both_axes(matrix: list[list[int]], like: Tensor) -> Tensor:
    item = torch.tensor(matrix, dtype=torch.double, device=like.device)
    return torch.kron(item, item)


class Winograd:
    """One convolution (stride 1, no dilation, no groups) with its kernels transformed."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        self.outputs, self.channels = weight.shape[:2]
        self.bias = bias
        self._kernels = weight.new_empty((36, self.channels, self.outputs))
        transform = _both_axes(_KERNEL, weight) / 576
        # In float64, and a few at a time: together they would be eight times as large as the weights.
        for start in range(0, self.channels, 64):
            some = weight.detach()[:, start : start + 64].double().permute(2, 3, 1, 0)
            self._kernels[:, start : start + 64] = (transform @ some.reshape(9, -1)).view(36, -1, self.outputs)
        self._input, self._output = (_both_axes(item, weight).to(weight.dtype) for item in (_INPUT, _OUTPUT))

    def __call__(self, window: Tensor, height: int, width: int) -> Tensor:
        """The convolution of `window` (n, 4 a + 2, 4 b + 2, channels), its first `height` × `width` places.

        Returns (n, height, width, outputs).
        """
        count, rows, columns, _ = window.shape
        down, across = rows // TILE, columns // TILE
        result = window.new_empty((count, height, width, self.outputs))
        tiles = window.unfold(1, 6, TILE).unfold(2, 6, TILE).permute(4, 5, 0, 1, 2, 3)
        several = max(1, _MOST // (36 * down * across * max(self.channels, self.outputs)))
        per_map = down * across
        # Memory that is reused for all pieces: allocating it costs more than the sums.
        item = window.new_empty(36 * several * per_map * max(self.channels, self.outputs))
        other = torch.empty_like(item)
        for start in range(0, count, several):
            places = min(several, count - start) * per_map
            some = item[: 36 * places * self.channels].view(6, 6, -1, down, across, self.channels)
            some.copy_(tiles[:, :, start : start + several])
            seen = other[: some.numel()].view(36, -1)
            torch.mm(self._input, some.view(36, -1), out=seen)
            summed = item[: 36 * places * self.outputs].view(36, places, self.outputs)
            torch.bmm(seen.view(36, places, self.channels), self._kernels, out=summed)
            made = other[: 16 * places * self.outputs].view(16, -1)
            torch.mm(self._output, summed.view(36, -1), out=made)
            tiled = made.view(TILE, TILE, -1, down, across, self.outputs).permute(2, 3, 0, 4, 1, 5)
            part = tiled.reshape(-1, down * TILE, across * TILE, self.outputs)
            result[start : start + several] = part[:, :height, :width]
        return result if self.bias is None else result.add_(self.bias)


def is_worth_it(weight: Tensor, places: int, height: int, width: int) -> bool:
    """Whether it is faster for this shape, as measured: many channels, many tiles, few partly empty tiles."""
    if weight.dtype != torch.float32 or weight.device.type != "cpu" or tuple(weight.shape[2:]) != (3, 3):
        return False
    tiles = -(-height // TILE) * -(-width // TILE)
    filled = height * width / (tiles * TILE**2)
    return min(weight.shape[:2]) >= 128 and places * tiles >= 48 and filled > 0.5


def padded(x: Tensor, padding: tuple[int, int], height: int, width: int) -> Tensor:
    """A map (n, channels, h, w) as a window for `height` × `width` outputs, its padding and whole tiles around it."""
    rows, columns = (-(-size // TILE) * TILE + 2 for size in (height, width))
    x = x.permute(0, 2, 3, 1)
    down, across = padding
    return F.pad(x, (0, 0, across, columns - across - x.shape[2], down, rows - down - x.shape[1]))
