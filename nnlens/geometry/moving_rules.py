"""Rules for operations that move places: concatenation, reshaping, splitting, rolling, slicing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .call import Call
from .reach import FAR, Reach, Reaches, merged


def cat_rule(call: Call) -> Reaches:
    parts = call.argument(0, "tensors")
    dim = call.dimension(call.argument(1, "dim", 0))
    known = {id(source): reaches for source, reaches in call.inputs}
    axes, exact = [], all(item.exact for _, item in call.inputs)
    for index in range(len(call.given.axes)):
        several = [item.axes[index] for _, item in call.inputs]
        others = {item.axis for item in several} - {None, dim}
        if others:  # joined along a dimension other than the one that follows the image
            whole = merged([Reaches((item,), True) for item in several])
            axes.append(whole.axes[0])
            exact = exact and whole.exact
            continue
        low, high = [], []
        for part in parts:
            entry = known[id(part)].axes[index] if id(part) in known else None
            low.append(np.broadcast_to(FAR if entry is None else entry.low, part.shape[dim]))
            high.append(np.broadcast_to(-1 if entry is None else entry.high, part.shape[dim]))
        joined = Reach(axis=dim, low=np.concatenate(low), high=np.concatenate(high))
        alike = all(item.axis is None for item in several) and len(set(joined.low)) == 1 == len(set(joined.high))
        axes.append(joined.all() if alike else joined)
    return Reaches(tuple(axes), exact)


def stack_rule(call: Call) -> Reaches:
    dim = call.argument(1, "dim", 0) % len(call.shape)
    whole = merged([item for _, item in call.inputs])
    return whole.map(lambda reach: reach.at(None if reach.axis is None else reach.axis + (reach.axis >= dim)))


def _reordered(order: Sequence[int]) -> Callable[[Reach], Reach]:
    return lambda reach: reach.at(None if reach.axis is None else list(order).index(reach.axis))


def permute_rule(call: Call) -> Reaches:
    arguments = call.operation.arguments[1:]
    dims = call.operation.keywords.get("dims") or (arguments[0] if isinstance(arguments[0], tuple) else arguments)
    return call.given.map(_reordered([call.dimension(dim) for dim in dims]))


def transpose_rule(call: Call) -> Reaches:
    order = list(range(len(call.given_shape)))
    if call.operation.op in ("t", "T", "H"):
        order.reverse()
    elif order[1:]:
        names = ("axis0", "axis1") if call.operation.op == "swapaxes" else ("dim0", "dim1")
        entry, other = (
            call.dimension(call.argument(index + 1, name, index - 2)) for index, name in enumerate(names)
        )  # mT and mH name none: the last two
        order[entry], order[other] = order[other], order[entry]
    return call.given.map(_reordered(order))


def reshape_rule(call: Call) -> Reaches:
    before, after = call.given_shape, call.shape
    value = call.given.axes
    together = len(value) == 2 and value[0].axis is not None and value[0].axis == value[1].axis
    axes, exact = [], True
    for number, reach in enumerate(value):
        moved = _placed(reach, before, after)
        if moved is None and together:
            moved = _split(reach, before, after, number)
        exact = exact and moved is not None
        axes.append(reach.all() if moved is None else moved)
    return Reaches(tuple(axes), call.given.exact and exact)


def _split(reach: Reach, before: tuple[int, ...], after: tuple[int, ...], number: int) -> Reach | None:
    """A reach along tokens that become rows and columns again: which of the two this axis is."""
    assert reach.axis is not None
    outside = math.prod(before[: reach.axis])
    for index in range(len(after) - 1):
        if math.prod(after[:index]) == outside and after[index] * after[index + 1] == before[reach.axis]:
            low, high = (item.reshape(after[index], after[index + 1]) for item in (reach.low, reach.high))
            if any((item != item.take([0], 1 - number)).any() for item in (low, high)):
                return None  # other rows and columns than those of the image
            return Reach(axis=index + number, low=low.take(0, 1 - number), high=high.take(0, 1 - number))
    return None


def _placed(reach: Reach, before: tuple[int, ...], after: tuple[int, ...]) -> Reach | None:
    """A reach after a reshape: its dimension stays, or becomes a part of a longer one; None where it is split."""
    if reach.axis is None or before[reach.axis] == 1:
        return Reach(axis=None, low=reach.low, high=reach.high)
    size, outside = before[reach.axis], math.prod(before[: reach.axis])
    inside = math.prod(before[reach.axis + 1 :])
    for index, count in enumerate(after):
        front, back = math.prod(after[:index]), math.prod(after[index + 1 :])
        if front == outside and count == size:
            return reach.at(index)
        # A longer dimension that holds this one: rows of its tokens.
        if outside % front == 0 and inside % back == 0 and count == (outside // front) * size * (inside // back):
            return reach.taking(np.arange(count) // (inside // back) % size).at(index)
    return None


def unbind_rule(call: Call) -> Reaches:
    dim = call.dimension(call.argument(1, "dim", 0))
    # The recording does not say which of the positions this output holds.
    lost = any(axis.axis == dim for axis in call.given.axes)

    def along(reach: Reach) -> Reach:
        if reach.axis is None or reach.axis == dim:
            return reach if reach.axis is None else reach.all()
        return reach.at(reach.axis - (reach.axis > dim))

    result = call.given.map(along)
    return result.at_most() if lost else result


def parts_rule(call: Call) -> Reaches | None:
    dim = call.dimension(call.argument(2, "dim", 0))
    return None if any(axis.axis == dim for axis in call.given.axes) else call.given


def roll_rule(call: Call) -> Reaches | None:
    shifts, dims = call.argument(1, "shifts"), call.argument(2, "dims")
    if dims is None:
        return None
    by = dict(zip(call.dimensions(dims), shifts if isinstance(shifts, tuple) else (shifts,), strict=True))

    def along(reach: Reach) -> Reach:
        shift = 0 if reach.axis is None else by.get(reach.axis, 0)
        return (
            Reach(axis=reach.axis, low=np.roll(reach.low, shift), high=np.roll(reach.high, shift)) if shift else reach
        )

    return call.given.map(along)


def flip_rule(call: Call) -> Reaches:
    dims = call.dimensions(call.argument(1, "dims"))
    return call.given.map(lambda reach: reach.taking(np.arange(len(reach.low))[::-1]) if reach.axis in dims else reach)


def slice_rule(call: Call) -> Reaches | None:
    index = call.operation.arguments[1]
    items = list(index) if isinstance(index, tuple) else [index]
    if any(not (item is None or item is Ellipsis or type(item) in (int, slice)) for item in items):
        return None
    value = sum(item is not None and item is not Ellipsis for item in items)
    rest = [slice(None)] * (len(call.given_shape) - value)
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
        index, taken = moved[reach.axis]
        if type(taken) is int:
            return replace(reach.taking(np.array([taken])), axis=None)
        start, stop, step = taken.indices(len(reach.low))
        return reach.window(len(range(start, stop, step)), 1, step, -start).at(index)

    return call.given.map(along)
