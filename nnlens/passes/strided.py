"""Strided first convolutions as convolutions of stride 1: torch computes their input gradient slowly."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_FEW = 8  # channels


class Strided:
    """A convolution with stride s whose input's gradient is one convolution of stride 1.

    Each of the s × s places within a stride only sees part of the kernel: their gradients are s × s channels, which a
    pixel shuffle arranges. The library's own implementation is about four times slower for few input channels.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, stride: int, padding: tuple[int, int]):
        self.weight, self.bias, self.stride, self.padding = weight, bias, stride, padding
        outputs, inputs, height, width = weight.shape
        self.down, self.across = -(-height // stride), -(-width // stride)
        whole = F.pad(weight, (0, self.across * stride - width, 0, self.down * stride - height))
        parts = whole.view(outputs, inputs, self.down, stride, self.across, stride)
        turned = parts.permute(1, 3, 5, 0, 2, 4).flip(4, 5)
        kernels = turned.reshape(inputs * stride * stride, outputs, self.down, self.across)
        self.kernels = kernels.contiguous(memory_format=torch.channels_last)

    def __call__(self, x: Tensor) -> Tensor:
        """The convolution of `x`, whose gradient with respect to `x` is fast."""
        result: Tensor = _Convolution.apply(x, self)  # type: ignore[no-untyped-call]
        return result

    def towards(self, signal: Tensor, height: int, width: int) -> Tensor:
        """The gradient of an input of height × width."""
        spread = F.conv2d(signal, self.kernels, padding=(self.down - 1, self.across - 1))
        top, left = self.padding
        result = F.pixel_shuffle(spread, self.stride)[:, :, top : top + height, left : left + width]
        # Pixels that no window reaches have a gradient of 0.
        return F.pad(result, (0, width - result.shape[3], 0, height - result.shape[2]))


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strided: Strided) -> Tensor:
        ctx.strided, ctx.sides = strided, x.shape[2:]
        return F.conv2d(x, strided.weight, strided.bias, strided.stride, strided.padding)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        return ctx.strided.towards(signals[0], *ctx.sides), None


def is_worth_it(weight: Tensor, stride: tuple[int, int], dilation: tuple[int, int], groups: int, padding: Any) -> bool:
    """Whether a convolution is one of these."""
    plain = stride[0] == stride[1] > 1 and dilation == (1, 1) and groups == 1 and not isinstance(padding, str)
    return plain and weight.shape[1] <= _FEW
