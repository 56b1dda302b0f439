"""How far each operation reaches: from what its inputs see of the image to what its output sees.

Every rule is exact for the operations that it names; whatever has none is given an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nnlens.recording import Operation

from .call import POINTWISE, Call, everything_rule, expand_rule, pointwise_rule, written_rule
from .dimension_rules import (
    along_rule,
    attention_rule,
    batch_norm_rule,
    channels_rule,
    cumulative_rule,
    extreme_rule,
    group_norm_rule,
    halved_rule,
    instance_norm_rule,
    last_dimensions_rule,
    linear_rule,
    multi_head_rule,
    product_rule,
    reduction_rule,
)
from .moving_rules import (
    cat_rule,
    flip_rule,
    parts_rule,
    permute_rule,
    reshape_rule,
    roll_rule,
    slice_rule,
    stack_rule,
    transpose_rule,
    unbind_rule,
)
from .reach import Reaches
from .window_rules import adaptive_rule, convolution_rule, interpolate_rule, pad_rule, pooling_rule, transposed_rule


def reach_of(operation: Operation, known: Mapping[str, Reaches]) -> Reaches | None:
    """What the operation's output sees, from what is known of its inputs; None if none of them sees the image."""
    call = Call(operation, known)
    if not call.inputs:
        return None
    rule = _RULES.get(operation.op)
    if rule is None and call.sees_by_its_first:
        rule = _RULES_OF_ONE.get(operation.op)
    try:
        result = rule(call) if rule is not None else None
    except (TypeError, ValueError, IndexError, AttributeError, KeyError):
        result = None  # called with arguments that the rule does not cover
    if result is not None and result.fits(operation.shape):
        return result
    return everything_rule(call).at_most()


_Rule = Callable[[Call], Reaches | None]


def _table(*rows: tuple[str, _Rule]) -> dict[str, _Rule]:
    return {op: rule for ops, rule in rows for op in ops.split()}


def _of_dimensions(pattern: str) -> str:
    return " ".join(pattern.format(count) for count in (1, 2, 3))


# All arguments that see the image.
_RULES = _table(
    (" ".join(POINTWISE), pointwise_rule),
    ("setitem", written_rule),
    ("max min", extreme_rule),
    ("matmul mm bmm", product_rule),
    ("scaled_dot_product_attention", attention_rule),
    ("multi_head_attention_forward", multi_head_rule),
    ("cat concat", cat_rule),
    ("stack", stack_rule),
)
# The first argument alone sees the image.
_RULES_OF_ONE = _table(
    (_of_dimensions("conv{}d"), convolution_rule),
    (_of_dimensions("conv_transpose{}d"), transposed_rule),
    (_of_dimensions("max_pool{0}d max_pool{0}d_with_indices avg_pool{0}d lp_pool{0}d"), pooling_rule),
    (_of_dimensions("adaptive_max_pool{0}d adaptive_avg_pool{0}d"), adaptive_rule),
    ("interpolate upsample", interpolate_rule),
    ("pad", pad_rule),
    (
        "mean sum amax amin var std var_mean std_mean prod logsumexp argmax argmin all any nansum nanmean",
        reduction_rule(1),
    ),
    ("median nanmedian count_nonzero", reduction_rule(1)),
    ("norm vector_norm", reduction_rule(2)),
    ("softmax log_softmax softmin", along_rule(1)),
    ("normalize", along_rule(2, 1)),
    ("gumbel_softmax", along_rule(4, -1)),
    ("cumsum cumprod cummax cummin logcumsumexp", cumulative_rule),
    ("glu", halved_rule),
    ("chunk split tensor_split", parts_rule),
    ("layer_norm rms_norm", last_dimensions_rule),
    ("batch_norm", batch_norm_rule),
    ("instance_norm", instance_norm_rule),
    ("group_norm", group_norm_rule),
    ("local_response_norm", channels_rule),
    ("linear", linear_rule),
    ("permute", permute_rule),
    ("transpose swapaxes t T mT H mH", transpose_rule),
    ("reshape view flatten unflatten squeeze unsqueeze", reshape_rule),
    ("expand expand_as broadcast_to", expand_rule),
    ("unbind select", unbind_rule),
    ("roll", roll_rule),
    ("flip", flip_rule),
    ("slice", slice_rule),
)
