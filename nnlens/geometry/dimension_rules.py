"""Rules for operations that use whole dimensions at once: reductions, normalisation, products, attention."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from nnlens.recording import Source

from .call import Call, everything_rule, pointwise_rule
from .reach import Reach, Reaches, merged


def reduction_rule(index: int) -> Callable[[Call], Reaches]:
    def rule(call: Call) -> Reaches:
        dims = call.dimensions(call.argument(index, "dim"))
        stored = len(call.shape) == len(call.given_shape)

        def along(reach: Reach) -> Reach:
            if reach.axis is None:
                return reach
            if reach.axis in dims:
                return reach.all()
            return reach.at(reach.axis if stored else reach.axis - sum(dim < reach.axis for dim in dims))

        return call.given.map(along)

    return rule


def extreme_rule(call: Call) -> Reaches:
    """max(x), max(x, dim) or max(x, y)."""
    two = isinstance(call.argument(1, "other"), Source)
    return pointwise_rule(call) if two else reduction_rule(1)(call)


def along_rule(index: int, default: int | None = None) -> Callable[[Call], Reaches]:
    """Every place along one dimension depends on all of them."""
    return lambda call: call.given.mixing([call.dimension(call.argument(index, "dim", default))])


def cumulative_rule(call: Call) -> Reaches:
    dim = call.dimension(call.argument(1, "dim"))

    def along(reach: Reach) -> Reach:
        if reach.axis != dim:
            return reach
        return Reach(axis=dim, low=np.minimum.accumulate(reach.low), high=np.maximum.accumulate(reach.high))

    return call.given.map(along)


def halved_rule(call: Call) -> Reaches | None:
    dim = call.dimension(call.argument(1, "dim", -1))
    return None if any(axis.axis == dim for axis in call.given.axes) else call.given


def last_dimensions_rule(call: Call) -> Reaches:
    shape = call.argument(1, "normalized_shape")
    ndim = len(call.given_shape)
    return call.given.mixing(range(ndim - (len(shape) if isinstance(shape, tuple) else 1), ndim))


def batch_norm_rule(call: Call) -> Reaches:
    index = 3 if call.operation.function is torch.batch_norm else 1  # the order of the arguments differs
    fixed = call.argument(index, "running_mean") is not None and not call.argument(5, "training", False)
    dims = [dim for dim in range(len(call.given_shape)) if dim != 1]
    return call.given if fixed else call.given.mixing(dims)


def instance_norm_rule(call: Call) -> Reaches:
    own = call.argument(5, "use_input_stats", True)
    return call.given.mixing(range(2, len(call.given_shape))) if own else call.given


def group_norm_rule(call: Call) -> Reaches:
    return call.given.mixing(range(1, len(call.given_shape)))


def channels_rule(call: Call) -> Reaches:
    return call.given.mixing([1])


def linear_rule(call: Call) -> Reaches:
    return call.given.mixing([len(call.given_shape) - 1])


def product_rule(call: Call) -> Reaches:
    left, right = call.argument(0, "input"), call.argument(1, "mat2", call.argument(1, "other"))
    if min(len(left.shape), len(right.shape)) < 2:
        return everything_rule(call)
    seen = []
    for source, item in call.inputs:
        inner = len(source.shape) - (1 if source is left else 2)
        seen.append(_spread_front(source, item.mixing([inner]), call.shape))
    return merged(seen)


def _spread_front(source: Source, reaches: Reaches, shape: tuple[int, ...]) -> Reaches:
    """As `spread_rule`, for a product: its last two dimensions do not broadcast."""
    by, front = len(shape) - len(source.shape), len(source.shape) - 2
    return reaches.map(
        lambda item: item.at(item.axis + by) if item.axis is not None and item.axis >= front else item.spread(by, shape)
    )


def attention_rule(call: Call) -> Reaches:
    """Every query attends to every key, unless a mask prevents it."""
    query = call.argument(0, "query")
    masked = call.argument(3, "attn_mask") is not None or bool(call.argument(5, "is_causal", False))
    seen = []
    for source, item in call.inputs:
        ndim = len(source.shape)
        mixed = item.mixing([ndim - 1] if source is query else [ndim - 2, ndim - 1])
        seen.append(_spread_front(source, mixed, call.shape))
    result = merged(seen)
    return result.at_most() if masked else result


def multi_head_rule(call: Call) -> Reaches:
    masked = call.argument(14, "key_padding_mask") is not None or call.argument(16, "attn_mask") is not None
    result = everything_rule(call)
    return result.at_most() if masked else result
