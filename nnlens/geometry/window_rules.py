"""Rules for windows that move over the image: convolution, pooling, interpolation, padding."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .call import Call
from .reach import Reach, Reaches


def _pair(value: int | tuple[int, ...], axis: int, count: int) -> int:
    """The number for one of `count` spatial dimensions from an int or a tuple."""
    if isinstance(value, tuple):
        return int(value[axis] if len(value) == count else value[0])
    return int(value)


def _count(call: Call) -> int:
    """Over how many dimensions the operation moves its window: the digit in its name."""
    count = int(next(letter for letter in call.operation.op if letter.isdigit()))
    if len(call.given_shape) != count + 2:
        raise ValueError("without a batch the dimensions differ")
    return count


def _spatial(call: Call, count: int, change: Callable[[Reach, int], Reach]) -> Reaches:
    """Applies `change(reach, which of the last `count` dimensions)`."""
    first = len(call.given_shape) - count
    return call.given.map(
        lambda reach: reach if reach.axis is None or reach.axis < first else change(reach, reach.axis - first)
    )


def convolution_rule(call: Call) -> Reaches:
    count = _count(call)
    kernel = call.argument(1, "weight").shape[2:]
    stride, padding = call.argument(3, "stride", 1), call.argument(4, "padding", 0)
    dilation = call.argument(5, "dilation", 1)

    def change(reach: Reach, axis: int) -> Reach:
        spread = _pair(dilation, axis, count)
        pad = padding
        if isinstance(padding, str):
            pad = spread * (kernel[axis] - 1) // 2 if padding == "same" else 0
        out = call.shape[axis - count]
        return reach.window(out, kernel[axis], _pair(stride, axis, count), _pair(pad, axis, count), spread)

    return _spatial(call, count, change).mixing([1])


def transposed_rule(call: Call) -> Reaches:
    count = _count(call)
    kernel = call.argument(1, "weight").shape[2:]
    stride, padding = call.argument(3, "stride", 1), call.argument(4, "padding", 0)
    dilation = call.argument(7, "dilation", 1)

    def change(reach: Reach, axis: int) -> Reach:
        step, pad = _pair(stride, axis, count), _pair(padding, axis, count)
        taps = np.arange(kernel[axis]) * _pair(dilation, axis, count)
        windows = []
        for out in range(call.shape[axis - count]):
            reached = out + pad - taps
            windows.append(reached[reached % step == 0] // step)
        return reach.through(windows)

    return _spatial(call, count, change).mixing([1])


def pooling_rule(call: Call) -> Reaches:
    count = _count(call)
    at = 2 if call.operation.op.startswith("lp") else 1
    kernel = call.argument(at, "kernel_size")
    stride = call.argument(at + 1, "stride") or kernel
    padding = 0 if at == 2 else call.argument(3, "padding", 0)
    dilation = call.argument(4, "dilation", 1) if call.operation.op.startswith("max") else 1

    def change(reach: Reach, axis: int) -> Reach:
        numbers = (_pair(value, axis, count) for value in (kernel, stride, padding, dilation))
        return reach.window(call.shape[axis - count], *numbers)

    return _spatial(call, count, change)


def _cells(size: int, out: int) -> list[np.ndarray]:
    """The places that each of `out` adaptive pooling cells covers."""
    return [np.arange(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def adaptive_rule(call: Call) -> Reaches:
    count = _count(call)

    def change(reach: Reach, axis: int) -> Reach:
        size, out = len(reach.low), call.shape[axis - count]
        if size % out == 0:
            return reach.window(out, size // out, size // out, 0)
        return reach.through(_cells(size, out))

    return _spatial(call, count, change)


def interpolate_rule(call: Call) -> Reaches | None:
    count = len(call.given_shape) - 2
    mode, factors = call.argument(3, "mode", "nearest"), call.argument(2, "scale_factor")
    corners = bool(call.argument(4, "align_corners", False))
    if call.argument(6, "antialias", False):
        return None

    def change(reach: Reach, axis: int) -> Reach:
        size, out = len(reach.low), call.shape[axis - count]
        if mode == "area":
            return reach.through(_cells(size, out))
        scale = size / out
        if factors is not None and not call.argument(5, "recompute_scale_factor", False):
            scale = 1 / float(factors[axis] if isinstance(factors, tuple) else factors)  # not what the sizes say
        if mode in ("nearest", "nearest-exact"):
            shift = np.float32(0.5 if mode == "nearest-exact" else 0)
            taken = [min(int((np.float32(i) + shift) * np.float32(scale)), size - 1) for i in range(out)]
            return reach.taking(np.array(taken))
        windows = []
        for i in range(out):
            at = i * (size - 1) / max(out - 1, 1) if corners else (i + 0.5) * scale - 0.5
            at = at if mode == "bicubic" else max(at, 0)
            low = math.floor(at)
            taps = np.arange(-1, 3) if mode == "bicubic" else np.arange(2)
            windows.append(np.clip(low + (taps if at != low else np.zeros(1, int)), 0, size - 1))
        return reach.through(windows)

    return _spatial(call, count, change)


def pad_rule(call: Call) -> Reaches:
    amounts, mode = call.argument(1, "pad"), call.argument(2, "mode", "constant")
    ndim = len(call.given_shape)
    by = {ndim - 1 - axis: amounts[2 * axis : 2 * axis + 2] for axis in range(len(amounts) // 2)}

    def along(reach: Reach) -> Reach:
        if reach.axis not in by:
            return reach
        before, after = by[reach.axis]
        if mode == "constant":
            return reach.window(len(reach.low) + before + after, 1, 1, before)
        how = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
        index: np.ndarray = np.pad(np.arange(len(reach.low)), (before, after), mode=how)  # type: ignore[call-overload]
        return reach.taking(index)

    return call.given.map(along)
