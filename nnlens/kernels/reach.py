"""How far one operation reaches: from what its inputs see of the image to what its output sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..recording import Operation, Source

_FAR = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Reach:
    """Along one axis of the image: the pixels low … high that each place along a tensor's dimension sees.

    `axis` is that dimension; None where all places see the same, and the arrays hold one number. low > high: nothing
    is seen. `step`, `first` and `length` describe the same as a window, without the image's borders: place i sees
    the pixels first + i · step and `length` − 1 more. None where it is no such window.
    """

    axis: int | None
    low: np.ndarray
    high: np.ndarray
    step: Fraction | None = None
    first: Fraction | None = None
    length: int | None = None

    def all(self) -> Reach:
        """What all places see together."""
        return Reach(None, self.low.min(keepdims=True), self.high.max(keepdims=True))

    def at(self, axis: int | None) -> Reach:
        return replace(self, axis=axis)

    def through(self, windows: Iterable[np.ndarray]) -> Reach:
        """What places see that each look at some of these places; no window of the image any more."""
        low, high = [], []
        for window in windows:
            window = window[(window >= 0) & (window < len(self.low))]
            low.append(self.low[window].min() if len(window) else _FAR)
            high.append(self.high[window].max() if len(window) else -1)
        return Reach(self.axis, np.array(low), np.array(high))

    def window(self, count: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> Reach:
        """What `count` places see that look at these through a kernel."""
        taps = np.arange(kernel) * dilation - padding
        found = self.through(taps + place * stride for place in range(count))
        if self.step is None or self.first is None or self.length is None:
            return found
        length = self.length + (kernel - 1) * dilation * self.step
        if length.denominator != 1:
            return found
        return replace(found, step=self.step * stride, first=self.first - padding * self.step, length=int(length))


@dataclass(frozen=True)
class Reaches:
    """What a tensor sees of the image, axis by axis; not `exact` where it is only known to be no more than this."""

    axes: tuple[Reach, ...]
    exact: bool

    def map(self, change: Callable[[Reach], Reach]) -> Reaches:
        return Reaches(tuple(map(change, self.axes)), self.exact)

    def all(self, *, exact: bool = True) -> Reaches:
        return Reaches(tuple(one.all() for one in self.axes), self.exact and exact)


class Call:
    """An operation with what its inputs see."""

    def __init__(self, operation: Operation, known: Mapping[str, Reaches]):
        self.operation = operation
        self.shape = operation.shape
        self.inputs = [(one, known[one.name]) for one in operation.sources if one.name and one.name in known]

    @property
    def given(self) -> Reaches:
        """What the first input that sees anything sees."""
        return self.inputs[0][1]

    @property
    def given_shape(self) -> tuple[int, ...]:
        return self.inputs[0][0].shape

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        if name in self.operation.keywords:
            return self.operation.keywords[name]
        return self.operation.arguments[place] if place < len(self.operation.arguments) else default

    def dimension(self, dim: Any) -> int:
        return int(dim) % len(self.given_shape)

    def dimensions(self, dims: Any) -> list[int]:
        if dims is None:
            return list(range(len(self.given_shape)))
        return [self.dimension(dim) for dim in (dims if isinstance(dims, tuple) else (dims,))]


def reach_of(operation: Operation, known: Mapping[str, Reaches]) -> Reaches | None:
    """What the operation's output sees, from what is known of its inputs; None if none of them sees the image."""
    call = Call(operation, known)
    if not call.inputs:
        return None
    rule = next((rule for ops, rule in _RULES if operation.op in ops), None)
    found = None
    try:
        if rule is not None:
            found = rule(call)
        elif operation.kind in _POINTWISE_KINDS:
            found = _pointwise(call)
        elif operation.kind in ("gate", "state", "recurrent", "attention"):
            found = _everything(call)
    except (TypeError, ValueError, IndexError, AttributeError):
        found = None  # called in a way that the rule does not know
    return (
        found
        if found is not None
        else _merged([one for _, one in call.inputs], [0] * len(call.inputs)).all(exact=False)
    )


def _merged(reaches: Sequence[Reaches], shifts: Sequence[int]) -> Reaches:
    """What is seen by the sum of tensors; `shifts` are the dimensions that broadcasting puts in front of each."""
    axes = []
    for several in zip(*(one.axes for one in reaches), strict=True):
        moved = [one.at(None if one.axis is None else one.axis + by) for one, by in zip(several, shifts, strict=True)]
        along = {one.axis for one in moved} - {None}
        if len(along) > 1:
            moved = [one.all() for one in moved]
        low, high = moved[0].low, moved[0].high
        for one in moved[1:]:
            low, high = np.minimum(low, one.low), np.maximum(high, one.high)
        merged = Reach(along.pop() if len(along) == 1 else None, low, high)
        steps = {one.step for one in moved}
        if len(steps) == 1 and None not in steps:
            first = min(one.first for one in moved if one.first is not None)
            ends = [one.first + one.length for one in moved if one.first is not None and one.length is not None]
            length = max(ends) - first
            merged = replace(merged, step=moved[0].step, first=first, length=math.ceil(length))
        axes.append(merged)
    return Reaches(tuple(axes), all(one.exact for one in reaches))


def _pointwise(call: Call) -> Reaches:
    ndim = len(call.shape)
    return _merged([one for _, one in call.inputs], [ndim - len(source.shape) for source, _ in call.inputs])


def _everything(call: Call) -> Reaches:
    return _merged([one for _, one in call.inputs], [0] * len(call.inputs)).all()


def _pair(value: Any, place: int, count: int) -> int:
    """The number for one of `count` spatial dimensions from an int or a tuple."""
    if isinstance(value, tuple):
        return int(value[place] if len(value) == count else value[0])
    return int(value)


def _spatial(call: Call, count: int, change: Callable[[Reach, int], Reach]) -> Reaches:
    """Applies `change(reach, which of the last `count` dimensions)`; the channels before them are mixed."""
    first = len(call.given_shape) - count

    def along(reach: Reach) -> Reach:
        if reach.axis is None:
            return reach
        return change(reach, reach.axis - first) if reach.axis >= first else reach if reach.axis == 0 else reach.all()

    return call.given.map(along)


def _convolution(call: Call) -> Reaches:
    count = len(call.given_shape) - 2
    kernel = call.argument(1, "weight").shape[2:]
    stride, padding = call.argument(3, "stride", 1), call.argument(4, "padding", 0)
    dilation = call.argument(5, "dilation", 1)

    def change(reach: Reach, place: int) -> Reach:
        spread = _pair(dilation, place, count)
        pad = padding
        if isinstance(padding, str):
            pad = spread * (kernel[place] - 1) // 2 if padding == "same" else 0
        out = call.shape[place - count]
        return reach.window(out, kernel[place], _pair(stride, place, count), _pair(pad, place, count), spread)

    return _spatial(call, count, change)


def _transposed(call: Call) -> Reaches:
    count = len(call.given_shape) - 2
    kernel = call.argument(1, "weight").shape[2:]
    stride, padding = call.argument(3, "stride", 1), call.argument(4, "padding", 0)
    dilation = call.argument(7, "dilation", 1)

    def change(reach: Reach, place: int) -> Reach:
        step, pad = _pair(stride, place, count), _pair(padding, place, count)
        taps = np.arange(kernel[place]) * _pair(dilation, place, count)
        windows = []
        for out in range(call.shape[place - count]):
            reached = out + pad - taps
            windows.append(reached[reached % step == 0] // step)
        return reach.through(windows)

    return _spatial(call, count, change)


def _pooling(call: Call) -> Reaches:
    count = int(call.operation.op.partition("pool")[2][0])
    at = 2 if call.operation.op.startswith("lp") else 1
    kernel = call.argument(at, "kernel_size")
    stride = call.argument(at + 1, "stride") or kernel
    lp = at == 2
    padding = 0 if lp else call.argument(3, "padding", 0)
    dilation = call.argument(4, "dilation", 1) if call.operation.op.startswith("max") else 1

    def change(reach: Reach, place: int) -> Reach:
        numbers = (_pair(value, place, count) for value in (kernel, stride, padding, dilation))
        return reach.window(call.shape[place - count], *numbers)

    return _spatial_same_channels(call, count, change)


def _spatial_same_channels(call: Call, count: int, change: Callable[[Reach, int], Reach]) -> Reaches:
    first = len(call.given_shape) - count
    return call.given.map(
        lambda reach: reach if reach.axis is None or reach.axis < first else change(reach, reach.axis - first)
    )


def _adaptive(call: Call) -> Reaches:
    count = int(call.operation.op.partition("pool")[2][0])

    def change(reach: Reach, place: int) -> Reach:
        size, out = len(reach.low), call.shape[place - count]
        if size % out == 0:
            return reach.window(out, size // out, size // out, 0)
        return reach.through(np.arange(i * size // out, -(-(i + 1) * size // out)) for i in range(out))

    return _spatial_same_channels(call, count, change)


def _interpolate(call: Call) -> Reaches:
    count = len(call.given_shape) - 2
    mode = call.argument(3, "mode", "nearest")
    corners = bool(call.argument(4, "align_corners", False))

    def change(reach: Reach, place: int) -> Reach:
        size, out = len(reach.low), call.shape[place - count]
        if mode in ("area",):
            return reach.through(np.arange(i * size // out, -(-(i + 1) * size // out)) for i in range(out))
        if mode in ("nearest", "nearest-exact"):
            shift = 0.5 if mode == "nearest-exact" else 0.0
            return reach.through(np.array([min(int((i + shift) * size / out), size - 1)]) for i in range(out))
        windows = []
        for i in range(out):
            at = i * (size - 1) / max(out - 1, 1) if corners else max((i + 0.5) * size / out - 0.5, 0)
            taps = np.arange(2) if mode != "bicubic" else np.arange(-1, 3)
            windows.append(np.clip(int(at) + taps, 0, size - 1)[: 1 if at == int(at) and mode != "bicubic" else None])
        return reach.through(windows)

    return _spatial_same_channels(call, count, change)


def _reduction(call: Call) -> Reaches:
    if len(call.inputs) > 1:
        return _pointwise(call)  # torch.max(x, y)
    dims = call.dimensions(call.argument(1, "dim"))
    kept = len(call.shape) == len(call.given_shape)

    def along(reach: Reach) -> Reach:
        if reach.axis is None:
            return reach
        if reach.axis in dims:
            return reach.all()
        return reach.at(reach.axis if kept else reach.axis - sum(dim < reach.axis for dim in dims))

    return call.given.map(along)


def _mixing(dims: list[int]) -> Callable[[Reach], Reach]:
    return lambda reach: reach.all() if reach.axis in dims else reach


def _softmax(call: Call) -> Reaches:
    return call.given.map(_mixing([call.dimension(call.argument(1, "dim", -1))]))


def _halved(call: Call) -> Reaches | None:
    dim = call.dimension(call.argument(1, "dim", -1))
    return None if any(one.axis == dim for one in call.given.axes) else call.given


def _last_dimensions(call: Call) -> Reaches:
    shape = call.argument(1, "normalized_shape")
    count = len(shape) if isinstance(shape, tuple) else 1
    ndim = len(call.given_shape)
    return call.given.map(_mixing(list(range(ndim - count, ndim))))


def _all_but_channels(call: Call) -> Reaches:
    return call.given.map(_mixing(list(range(1, len(call.given_shape)))))


def _linear(call: Call) -> Reaches:
    return call.given.map(_mixing([len(call.given_shape) - 1]))


def _product(call: Call) -> Reaches:
    # By a constant on the right: a linear map of the last dimension. Else every place may meet every other.
    first = call.argument(0, "input")
    constant = len(call.inputs) == 1 and isinstance(first, Source) and first.name is not None
    return _linear(call) if constant else _everything(call)


def _cat(call: Call) -> Reaches | None:
    parts = call.argument(0, "tensors")
    dim = call.dimension(call.argument(1, "dim", 0))
    known = {id(source): reaches for source, reaches in call.inputs}
    whole = _merged([one for _, one in call.inputs], [0] * len(call.inputs))
    axes = []
    for place, merged in enumerate(whole.axes):
        if merged.axis != dim:
            axes.append(merged)
            continue
        low, high = [], []
        for part in parts:
            one = known[id(part)].axes[place] if id(part) in known else None
            count = part.shape[dim]
            low.append(np.full(count, _FAR) if one is None else np.broadcast_to(one.low, count))
            high.append(np.full(count, -1) if one is None else np.broadcast_to(one.high, count))
        axes.append(Reach(dim, np.concatenate(low), np.concatenate(high)))
    return Reaches(tuple(axes), whole.exact)


def _stack(call: Call) -> Reaches:
    dim = int(call.argument(1, "dim", 0)) % len(call.shape)
    merged = _merged([one for _, one in call.inputs], [0] * len(call.inputs))
    return merged.map(lambda reach: reach.at(None if reach.axis is None else reach.axis + (reach.axis >= dim)))


def _reordered(order: Sequence[int]) -> Callable[[Reach], Reach]:
    return lambda reach: reach.at(None if reach.axis is None else list(order).index(reach.axis))


def _permute(call: Call) -> Reaches:
    arguments = call.operation.arguments[1:]
    dims = call.operation.keywords.get("dims") or (arguments[0] if isinstance(arguments[0], tuple) else arguments)
    return call.given.map(_reordered([call.dimension(dim) for dim in dims]))


def _transpose(call: Call) -> Reaches:
    order = list(range(len(call.given_shape)))
    if call.operation.op in ("t", "T", "H"):
        order.reverse()
    elif order[1:]:
        one = call.dimension(call.argument(1, "dim0", -1))
        other = call.dimension(call.argument(2, "dim1", -2))
        order[one], order[other] = order[other], order[one]
    return call.given.map(_reordered(order))


def _reshape(call: Call) -> Reaches:
    before, after = call.given_shape, call.shape
    given = call.given.axes
    together = len(given) == 2 and given[0].axis is not None and given[0].axis == given[1].axis
    axes, exact = [], True
    for number, reach in enumerate(given):
        moved = _placed(reach, before, after)
        if moved is None and together:
            moved = _split(reach, before, after, number)
        exact = exact and moved is not None
        axes.append(reach.all() if moved is None else moved)
    return Reaches(tuple(axes), call.given.exact and exact)


def _split(reach: Reach, before: tuple[int, ...], after: tuple[int, ...], number: int) -> Reach | None:
    """A reach along tokens that become rows and columns again: along which of the two this axis is."""
    assert reach.axis is not None
    outside = math.prod(before[: reach.axis])
    for place in range(len(after) - 1):
        if math.prod(after[:place]) == outside and after[place] * after[place + 1] == before[reach.axis]:
            low, high = (one.reshape(after[place], after[place + 1]) for one in (reach.low, reach.high))
            return Reach(place + number, low.min(1 - number), high.max(1 - number))
    return None


def _placed(reach: Reach, before: tuple[int, ...], after: tuple[int, ...]) -> Reach | None:
    """A reach after a reshape: its dimension stays, or becomes a part of a longer one; None where it is split."""
    if reach.axis is None or before[reach.axis] == 1:
        return reach.at(None)
    size, outside = before[reach.axis], math.prod(before[: reach.axis])
    inside = math.prod(before[reach.axis + 1 :])
    for place, count in enumerate(after):
        front, back = math.prod(after[:place]), math.prod(after[place + 1 :])
        if front == outside and count == size:
            return reach.at(place)
        # A longer dimension that holds this one: rows of its tokens.
        if outside % front == 0 and inside % back == 0 and count == (outside // front) * size * (inside // back):
            index = np.arange(count) // (inside // back) % size
            return Reach(place, reach.low[index], reach.high[index])
    return None


def _expand(call: Call) -> Reaches:
    by = len(call.shape) - len(call.given_shape)
    return call.given.map(lambda reach: reach.at(None if reach.axis is None else reach.axis + by))


def _unbind(call: Call) -> Reaches:
    dim = call.dimension(call.argument(1, "dim", 0))
    lost = any(one.axis == dim for one in call.given.axes)  # which of the places this output is, is not written down

    def along(reach: Reach) -> Reach:
        if reach.axis is None or reach.axis == dim:
            return reach if reach.axis is None else reach.all()
        return reach.at(reach.axis - (reach.axis > dim))

    return replace(call.given.map(along), exact=call.given.exact and not lost)


def _parts(call: Call) -> Reaches | None:
    dim = call.dimension(call.argument(2, "dim", 0))
    return None if any(one.axis == dim for one in call.given.axes) else call.given


def _roll(call: Call) -> Reaches | None:
    shifts, dims = call.argument(1, "shifts"), call.argument(2, "dims")
    if dims is None:
        return None
    by = dict(zip(call.dimensions(dims), shifts if isinstance(shifts, tuple) else (shifts,), strict=True))

    def along(reach: Reach) -> Reach:
        shift = 0 if reach.axis is None else by.get(reach.axis, 0)
        return Reach(reach.axis, np.roll(reach.low, shift), np.roll(reach.high, shift)) if shift else reach

    return call.given.map(along)


def _pad(call: Call) -> Reaches | None:
    amounts, mode = call.argument(1, "pad"), call.argument(2, "mode", "constant")
    ndim = len(call.given_shape)
    by = {ndim - 1 - place: amounts[2 * place : 2 * place + 2] for place in range(len(amounts) // 2)}

    def along(reach: Reach) -> Reach:
        if reach.axis not in by:
            return reach
        before, after = by[reach.axis]
        if mode == "constant":
            return reach.window(len(reach.low) + before + after, 1, 1, before)
        how = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
        index: np.ndarray = np.pad(np.arange(len(reach.low)), (before, after), mode=how)  # type: ignore[call-overload]
        return Reach(reach.axis, reach.low[index], reach.high[index])

    return call.given.map(along)


def _slice(call: Call) -> Reaches | None:
    index = call.operation.arguments[1]
    items = list(index) if isinstance(index, tuple) else [index]
    if any(not (item is None or item is Ellipsis or type(item) in (int, slice)) for item in items):
        return None
    given = sum(item is not None and item is not Ellipsis for item in items)
    rest = [slice(None)] * (len(call.given_shape) - given)
    items = [*items, Ellipsis] if Ellipsis not in items else items
    at = items.index(Ellipsis)
    items[at : at + 1] = rest
    moved: dict[int, tuple[int | None, Any]] = {}  # dimension before → dimension after, and what was taken of it
    before = after = 0
    for item in items:
        if item is not None:
            moved[before] = (None if type(item) is int else after), item
            before += 1
        after += type(item) is not int

    def along(reach: Reach) -> Reach:
        if reach.axis is None:
            return reach
        place, taken = moved[reach.axis]
        if type(taken) is int:
            return Reach(None, reach.low[[taken]], reach.high[[taken]])
        start, stop, step = taken.indices(len(reach.low))
        return reach.window(len(range(start, stop, step)), 1, step, -start).at(place)

    return call.given.map(along)


_SAME = ("contiguous", "clone", "to", "float", "half", "double", "type_as", "detach", "data", "real", "identity",
         "batch_norm", "local_response_norm", "dropout", "alpha_dropout", "feature_dropout", "where", "masked_fill",
         "lerp", "addcmul", "maximum", "minimum", "sign", "square", "reciprocal", "sin", "cos", "round", "floor",
         "ceil", "erf", "nan_to_num", "setitem", "prelu", "rrelu", "gt", "lt", "ge", "le", "eq", "ne")  # fmt: skip
_POINTWISE_KINDS = ("activation", "arithmetic", "dropout")
_RULES: tuple[tuple[Sequence[str], Callable[[Call], Reaches | None]], ...] = (
    (_SAME, _pointwise),
    (("conv1d", "conv2d", "conv3d"), _convolution),
    (("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    ([f"{kind}_pool{n}d" for kind in ("max", "avg", "lp") for n in (1, 2, 3)], _pooling),
    ([f"max_pool{n}d_with_indices" for n in (1, 2, 3)], _pooling),
    ([f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)], _adaptive),
    (("interpolate", "upsample"), _interpolate),
    (("mean", "sum", "max", "min", "amax", "amin", "var", "std", "norm", "prod", "logsumexp", "argmax"), _reduction),
    (("softmax", "log_softmax", "softmin", "normalize", "cumsum"), _softmax),
    (("glu",), _halved),
    (("chunk", "split", "tensor_split"), _parts),
    (("layer_norm", "rms_norm"), _last_dimensions),
    (("group_norm", "instance_norm"), _all_but_channels),
    (("linear",), _linear),
    (("matmul", "mm", "bmm"), _product),
    (("scaled_dot_product_attention", "multi_head_attention_forward", "einsum"), _everything),
    (("cat", "concat"), _cat),
    (("stack",), _stack),
    (("permute",), _permute),
    (("transpose", "swapaxes", "t", "T", "mT"), _transpose),
    (("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze"), _reshape),
    (("expand", "expand_as", "broadcast_to"), _expand),
    (("unbind", "select"), _unbind),
    (("roll",), _roll),
    (("pad",), _pad),
    (("slice",), _slice),
)
