"""How far each operation reaches: from what its inputs see of the image to what its output sees.

Every rule is exact for the operations that it names; whatever has none is given an upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..recording import Operation, Source
from .reach import FAR, Reach, Reaches, merged

# Every number of the output depends on the numbers at its own place, after broadcasting, and on no others.
_POINTWISE = """
    abs absolute acos acosh add addcdiv addcmul alpha_dropout angle asin asinh atan atan2 atanh bfloat16 bool
    bitwise_and bitwise_not bitwise_or bitwise_xor ceil celu clamp clamp_max clamp_min clip clone complex conj
    contiguous copysign cos cosh cpu cuda data deg2rad detach digamma div divide double dropout dropout1d dropout2d
    dropout3d elu eq erf erfc erfinv exp exp2 expm1 feature_alpha_dropout feature_dropout float floor floor_divide
    fmax fmin fmod frac ge gelu greater greater_equal gt half hardshrink hardsigmoid hardswish hardtanh heaviside
    hypot identity imag int isfinite isinf isnan isneginf isposinf le leaky_relu lerp less less_equal lgamma log
    log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor logit logsigmoid long lt masked_fill
    maximum minimum mish mul multiply nan_to_num ne neg negative not not_equal polar positive pow prelu rad2deg real
    reciprocal relu relu6 remainder round rrelu rsqrt rsub selu sgn sigmoid sign silu sin sinc sinh softplus softshrink
    softsign sqrt square sub subtract tan tanh tanhshrink threshold to true_divide trunc type type_as where xlogy
"""
POINTWISE = frozenset(_POINTWISE.split())


class Call:
    """An operation with what its inputs see."""

    def __init__(self, operation: Operation, known: Mapping[str, Reaches]):
        self.operation = operation
        self.shape = operation.shape
        self.inputs = [
            (one, _seen(one, known[one.name])) for one in operation.sources if one.name and one.name in known
        ]

    @property
    def given(self) -> Reaches:
        """What the first input that sees anything sees."""
        return self.inputs[0][1]

    @property
    def given_shape(self) -> tuple[int, ...]:
        return self.inputs[0][0].shape

    @property
    def sees_by_its_first(self) -> bool:
        """Whether its first argument alone sees the image: no weights that are computed from it, say."""
        return len(self.inputs) == 1 and self.inputs[0][0] is self.argument(0, "input")

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        if name == "dim" and "axis" in self.operation.keywords:  # as NumPy has it
            return self.operation.keywords["axis"]
        return self.operation.argument(place, name, default)

    def dimension(self, dim: Any) -> int:
        if isinstance(dim, bool) or not isinstance(dim, int):
            raise TypeError
        return dim % len(self.given_shape)

    def dimensions(self, dims: Any) -> list[int]:
        if dims is None or dims == () or isinstance(dims, bool):  # x.var(False)
            return list(range(len(self.given_shape)))
        return [self.dimension(dim) for dim in (dims if isinstance(dims, tuple) else (dims,))]


def _seen(source: Source, reaches: Reaches) -> Reaches:
    """What the tensor sees; a bound where it is no more than a view of what that operation wrote into."""
    fits = not source.shared and reaches.fits(source.shape)
    return reaches if fits else reaches.all(exact=False)


def reach_of(operation: Operation, known: Mapping[str, Reaches]) -> Reaches | None:
    """What the operation's output sees, from what is known of its inputs; None if none of them sees the image."""
    call = Call(operation, known)
    if not call.inputs:
        return None
    rule = _RULES.get(operation.op)
    if rule is None and call.sees_by_its_first:
        rule = _RULES_OF_ONE.get(operation.op)
    try:
        found = rule(call) if rule is not None else None
    except (TypeError, ValueError, IndexError, AttributeError, KeyError):
        found = None  # called in a way that the rule does not know
    if found is not None and found.fits(operation.shape):
        return found
    return _everything(call).at_most()


def _everything(call: Call) -> Reaches:
    return merged([one.all() for _, one in call.inputs])


def _pointwise(call: Call) -> Reaches:
    return merged([_spread(source, one, call.shape) for source, one in call.inputs])


def _spread(source: Source, reaches: Reaches, shape: tuple[int, ...]) -> Reaches:
    by = len(shape) - len(source.shape)
    return reaches.map(lambda reach: reach.spread(by, shape))


def _expand(call: Call) -> Reaches:
    return _spread(*call.inputs[0], call.shape)


def _written(call: Call) -> Reaches:
    """x[…] = y: each place sees what it saw before, or some of y."""
    target = call.argument(0, "input")
    return merged([one if source is target else one.all() for source, one in call.inputs]).at_most()


# Windows that move over the image


def _pair(value: Any, place: int, count: int) -> int:
    """The number for one of `count` spatial dimensions from an int or a tuple."""
    if isinstance(value, tuple):
        return int(value[place] if len(value) == count else value[0])
    return int(value)


def _count(call: Call) -> int:
    """Over how many dimensions the operation moves its window: the digit in its name."""
    count = int(next(letter for letter in call.operation.op if letter.isdigit()))
    if len(call.given_shape) != count + 2:
        raise ValueError("without a batch the dimensions are others")
    return count


def _spatial(call: Call, count: int, change: Callable[[Reach, int], Reach]) -> Reaches:
    """Applies `change(reach, which of the last `count` dimensions)`."""
    first = len(call.given_shape) - count
    return call.given.map(
        lambda reach: reach if reach.axis is None or reach.axis < first else change(reach, reach.axis - first)
    )


def _convolution(call: Call) -> Reaches:
    count = _count(call)
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

    return _spatial(call, count, change).mixing([1])


def _transposed(call: Call) -> Reaches:
    count = _count(call)
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

    return _spatial(call, count, change).mixing([1])


def _pooling(call: Call) -> Reaches:
    count = _count(call)
    at = 2 if call.operation.op.startswith("lp") else 1
    kernel = call.argument(at, "kernel_size")
    stride = call.argument(at + 1, "stride") or kernel
    padding = 0 if at == 2 else call.argument(3, "padding", 0)
    dilation = call.argument(4, "dilation", 1) if call.operation.op.startswith("max") else 1

    def change(reach: Reach, place: int) -> Reach:
        numbers = (_pair(value, place, count) for value in (kernel, stride, padding, dilation))
        return reach.window(call.shape[place - count], *numbers)

    return _spatial(call, count, change)


def _cells(size: int, out: int) -> list[np.ndarray]:
    """The places that each of `out` adaptive pooling cells covers."""
    return [np.arange(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def _adaptive(call: Call) -> Reaches:
    count = _count(call)

    def change(reach: Reach, place: int) -> Reach:
        size, out = len(reach.low), call.shape[place - count]
        if size % out == 0:
            return reach.window(out, size // out, size // out, 0)
        return reach.through(_cells(size, out))

    return _spatial(call, count, change)


def _interpolate(call: Call) -> Reaches | None:
    count = len(call.given_shape) - 2
    mode, factors = call.argument(3, "mode", "nearest"), call.argument(2, "scale_factor")
    corners = bool(call.argument(4, "align_corners", False))
    if call.argument(6, "antialias", False):
        return None

    def change(reach: Reach, place: int) -> Reach:
        size, out = len(reach.low), call.shape[place - count]
        if mode == "area":
            return reach.through(_cells(size, out))
        scale = size / out
        if factors is not None and not call.argument(5, "recompute_scale_factor", False):
            scale = 1 / float(factors[place] if isinstance(factors, tuple) else factors)  # not what the sizes say
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


def _pad(call: Call) -> Reaches:
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
        return reach.taking(index)

    return call.given.map(along)


# Whole dimensions at once


def _reduction(place: int) -> Callable[[Call], Reaches]:
    def rule(call: Call) -> Reaches:
        dims = call.dimensions(call.argument(place, "dim"))
        kept = len(call.shape) == len(call.given_shape)

        def along(reach: Reach) -> Reach:
            if reach.axis is None:
                return reach
            if reach.axis in dims:
                return reach.all()
            return reach.at(reach.axis if kept else reach.axis - sum(dim < reach.axis for dim in dims))

        return call.given.map(along)

    return rule


def _extreme(call: Call) -> Reaches:
    """max(x), max(x, dim) or max(x, y)."""
    two = isinstance(call.argument(1, "other"), Source)
    return _pointwise(call) if two else _reduction(1)(call)


def _along(place: int, default: int | None = None) -> Callable[[Call], Reaches]:
    """Every place along one dimension depends on all of them."""
    return lambda call: call.given.mixing([call.dimension(call.argument(place, "dim", default))])


def _cumulative(call: Call) -> Reaches:
    dim = call.dimension(call.argument(1, "dim"))

    def along(reach: Reach) -> Reach:
        if reach.axis != dim:
            return reach
        return Reach(dim, np.minimum.accumulate(reach.low), np.maximum.accumulate(reach.high))

    return call.given.map(along)


def _halved(call: Call) -> Reaches | None:
    dim = call.dimension(call.argument(1, "dim", -1))
    return None if any(one.axis == dim for one in call.given.axes) else call.given


def _last_dimensions(call: Call) -> Reaches:
    shape = call.argument(1, "normalized_shape")
    ndim = len(call.given_shape)
    return call.given.mixing(range(ndim - (len(shape) if isinstance(shape, tuple) else 1), ndim))


def _batch_norm(call: Call) -> Reaches:
    place = 3 if call.operation.function is torch.batch_norm else 1  # two functions, two orders
    fixed = call.argument(place, "running_mean") is not None and not call.argument(5, "training", False)
    dims = [dim for dim in range(len(call.given_shape)) if dim != 1]
    return call.given if fixed else call.given.mixing(dims)


def _instance_norm(call: Call) -> Reaches:
    own = call.argument(5, "use_input_stats", True)
    return call.given.mixing(range(2, len(call.given_shape))) if own else call.given


def _group_norm(call: Call) -> Reaches:
    return call.given.mixing(range(1, len(call.given_shape)))


def _channels(call: Call) -> Reaches:
    return call.given.mixing([1])


def _linear(call: Call) -> Reaches:
    return call.given.mixing([len(call.given_shape) - 1])


def _product(call: Call) -> Reaches:
    left, right = call.argument(0, "input"), call.argument(1, "mat2", call.argument(1, "other"))
    if min(len(left.shape), len(right.shape)) < 2:
        return _everything(call)
    seen = []
    for source, one in call.inputs:
        inner = len(source.shape) - (1 if source is left else 2)
        seen.append(_spread_front(source, one.mixing([inner]), call.shape))
    return merged(seen)


def _spread_front(source: Source, reaches: Reaches, shape: tuple[int, ...]) -> Reaches:
    """As `_spread`, for a product: its last two dimensions do not broadcast."""
    by, front = len(shape) - len(source.shape), len(source.shape) - 2
    return reaches.map(
        lambda one: one.at(one.axis + by) if one.axis is not None and one.axis >= front else one.spread(by, shape)
    )


def _attention(call: Call) -> Reaches:
    """Every query meets every key, unless a mask forbids it."""
    query = call.argument(0, "query")
    masked = call.argument(3, "attn_mask") is not None or bool(call.argument(5, "is_causal", False))
    seen = []
    for source, one in call.inputs:
        ndim = len(source.shape)
        mixed = one.mixing([ndim - 1] if source is query else [ndim - 2, ndim - 1])
        seen.append(_spread_front(source, mixed, call.shape))
    found = merged(seen)
    return found.at_most() if masked else found


def _multi_head(call: Call) -> Reaches:
    masked = call.argument(14, "key_padding_mask") is not None or call.argument(16, "attn_mask") is not None
    found = _everything(call)
    return found.at_most() if masked else found


# Places that move


def _cat(call: Call) -> Reaches:
    parts = call.argument(0, "tensors")
    dim = call.dimension(call.argument(1, "dim", 0))
    known = {id(source): reaches for source, reaches in call.inputs}
    axes, exact = [], all(one.exact for _, one in call.inputs)
    for place in range(len(call.given.axes)):
        several = [one.axes[place] for _, one in call.inputs]
        others = {one.axis for one in several} - {None, dim}
        if others:  # joined along another dimension than the one that sees
            whole = merged([Reaches((one,), True) for one in several])
            axes.append(whole.axes[0])
            exact = exact and whole.exact
            continue
        low, high = [], []
        for part in parts:
            one = known[id(part)].axes[place] if id(part) in known else None
            low.append(np.broadcast_to(FAR if one is None else one.low, part.shape[dim]))
            high.append(np.broadcast_to(-1 if one is None else one.high, part.shape[dim]))
        joined = Reach(dim, np.concatenate(low), np.concatenate(high))
        alike = all(one.axis is None for one in several) and len(set(joined.low)) == 1 == len(set(joined.high))
        axes.append(joined.all() if alike else joined)
    return Reaches(tuple(axes), exact)


def _stack(call: Call) -> Reaches:
    dim = call.argument(1, "dim", 0) % len(call.shape)
    whole = merged([one for _, one in call.inputs])
    return whole.map(lambda reach: reach.at(None if reach.axis is None else reach.axis + (reach.axis >= dim)))


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
        names = ("axis0", "axis1") if call.operation.op == "swapaxes" else ("dim0", "dim1")
        one, other = (
            call.dimension(call.argument(place + 1, name, place - 2)) for place, name in enumerate(names)
        )  # mT and mH name none: the last two
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
            if any((one != one.take([0], 1 - number)).any() for one in (low, high)):
                return None  # other rows and columns than those of the image
            return Reach(place + number, low.take(0, 1 - number), high.take(0, 1 - number))
    return None


def _placed(reach: Reach, before: tuple[int, ...], after: tuple[int, ...]) -> Reach | None:
    """A reach after a reshape: its dimension stays, or becomes a part of a longer one; None where it is split."""
    if reach.axis is None or before[reach.axis] == 1:
        return Reach(None, reach.low, reach.high)
    size, outside = before[reach.axis], math.prod(before[: reach.axis])
    inside = math.prod(before[reach.axis + 1 :])
    for place, count in enumerate(after):
        front, back = math.prod(after[:place]), math.prod(after[place + 1 :])
        if front == outside and count == size:
            return reach.at(place)
        # A longer dimension that holds this one: rows of its tokens.
        if outside % front == 0 and inside % back == 0 and count == (outside // front) * size * (inside // back):
            return reach.taking(np.arange(count) // (inside // back) % size).at(place)
    return None


def _unbind(call: Call) -> Reaches:
    dim = call.dimension(call.argument(1, "dim", 0))
    lost = any(one.axis == dim for one in call.given.axes)  # which of the places this output is, is not written down

    def along(reach: Reach) -> Reach:
        if reach.axis is None or reach.axis == dim:
            return reach if reach.axis is None else reach.all()
        return reach.at(reach.axis - (reach.axis > dim))

    found = call.given.map(along)
    return found.at_most() if lost else found


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


def _flip(call: Call) -> Reaches:
    dims = call.dimensions(call.argument(1, "dims"))
    return call.given.map(lambda reach: reach.taking(np.arange(len(reach.low))[::-1]) if reach.axis in dims else reach)


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
            return replace(reach.taking(np.array([taken])), axis=None)
        start, stop, step = taken.indices(len(reach.low))
        return reach.window(len(range(start, stop, step)), 1, step, -start).at(place)

    return call.given.map(along)


_Rule = Callable[[Call], Reaches | None]


def _table(*rows: tuple[str, _Rule]) -> dict[str, _Rule]:
    return {op: rule for ops, rule in rows for op in ops.split()}


def _of_dimensions(pattern: str) -> str:
    return " ".join(pattern.format(count) for count in (1, 2, 3))


# Whichever of the arguments see the image.
_RULES = _table(
    (_POINTWISE, _pointwise),
    ("setitem", _written),
    ("max min", _extreme),
    ("matmul mm bmm", _product),
    ("scaled_dot_product_attention", _attention),
    ("multi_head_attention_forward", _multi_head),
    ("cat concat", _cat),
    ("stack", _stack),
)
# The first argument alone sees the image.
_RULES_OF_ONE = _table(
    (_of_dimensions("conv{}d"), _convolution),
    (_of_dimensions("conv_transpose{}d"), _transposed),
    (_of_dimensions("max_pool{0}d max_pool{0}d_with_indices avg_pool{0}d lp_pool{0}d"), _pooling),
    (_of_dimensions("adaptive_max_pool{0}d adaptive_avg_pool{0}d"), _adaptive),
    ("interpolate upsample", _interpolate),
    ("pad", _pad),
    ("mean sum amax amin var std var_mean std_mean prod logsumexp argmax argmin all any nansum nanmean", _reduction(1)),
    ("median nanmedian count_nonzero", _reduction(1)),
    ("norm vector_norm", _reduction(2)),
    ("softmax log_softmax softmin", _along(1)),
    ("normalize", _along(2, 1)),
    ("gumbel_softmax", _along(4, -1)),
    ("cumsum cumprod cummax cummin logcumsumexp", _cumulative),
    ("glu", _halved),
    ("chunk split tensor_split", _parts),
    ("layer_norm rms_norm", _last_dimensions),
    ("batch_norm", _batch_norm),
    ("instance_norm", _instance_norm),
    ("group_norm", _group_norm),
    ("local_response_norm", _channels),
    ("linear", _linear),
    ("permute", _permute),
    ("transpose swapaxes t T mT H mH", _transpose),
    ("reshape view flatten unflatten squeeze unsqueeze", _reshape),
    ("expand expand_as broadcast_to", _expand),
    ("unbind select", _unbind),
    ("roll", _roll),
    ("flip", _flip),
    ("slice", _slice),
)
