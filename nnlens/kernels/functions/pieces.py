"""Whether a network is made of linear pieces, and where the pieces of each operation meet."""

from __future__ import annotations

from dataclasses import dataclass

from nnlens.passes.replay import from_input
from nnlens.passes.tangents import is_linear_product
from nnlens.recording import Operation, Recording
from nnlens.utils.language import _

# Operations that are affine in what comes from the input. Products are where the other factor is a constant.
_AFFINE = {
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"),
    "batch_norm",
    *("add", "sub", "neg", "cat", "stack", "mean", "sum", "pad", "flatten", "unflatten", "view", "reshape", "permute"),
    *("transpose", "squeeze", "unsqueeze", "__getitem__", "chunk", "split", "contiguous", "clone", "to", "dropout"),
    *("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("dropout2d", "alpha_dropout", "feature_dropout", "interpolate", "expand", "repeat", "narrow", "select", "roll"),
    *(
        "slice",
        "unbind",
        "pixel_shuffle",
        "channel_shuffle",
        "type",
        "float",
        "double",
        "getitem",
        "mT",
        "T",
        "t",
        "movedim",
        "flip",
    ),
}
_PRODUCTS = {"mul", "div", "matmul", "mm", "bmm", "addmm", "true_divide", "einsum"}
_RANDOM = {"dropout", "dropout2d", "alpha_dropout", "feature_dropout"}
_WEIGHTED = {
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear", "batch_norm"),
}
_MAXIMA = {"max_pool1d", "max_pool2d"}


@dataclass(frozen=True)
class Kind:
    """Whether a network is piecewise linear, and what makes it not.

    Attributes
    ----------
    exact : bool
    why : str
        The first operations that are neither affine nor made of linear pieces; "" for a piecewise linear network.
    """

    exact: bool
    why: str


class NotPiecewiseLinearError(ValueError):
    """The network is not made of linear pieces; `operations` names what is not."""

    def __init__(self, operations: str):
        super().__init__(f"the model must be piecewise linear, but these operations are not: {operations}")
        self.operations = operations


def exact_kind(recording: Recording) -> Kind:
    """The kind of a piecewise linear network.

    Raises
    ------
    NotPiecewiseLinearError
        A `ValueError`: for any other network.
    """
    kind = kind_of(recording)
    if not kind.exact:
        raise NotPiecewiseLinearError(kind.why)
    return kind


def kind_of(recording: Recording) -> Kind:
    """Whether the network is piecewise linear: affine operations, and those whose pieces are known.

    ReLU, LeakyReLU, PReLU, ReLU6, Hardtanh, Hardsigmoid, Threshold, clamping, absolute values and maxima of windows
    have such pieces; batch normalisation is affine in eval mode. GELU, SiLU, softmax, layer normalisation and products
    of two values that depend on the input are not.
    """
    seeing = from_input(recording)
    smooth = []
    for operation in recording:
        if operation.name not in seeing or operation.function is None:
            continue
        if not (_is_affine(operation, seeing) or is_maximum(operation) or kinks(operation) is not None):
            smooth.append(f"{operation.name} ({operation.op})")
    more = "" if len(smooth) <= 3 else _(" and {count} others", count=len(smooth) - 3)
    return Kind(not smooth, ", ".join(smooth[:3]) + more)


def kinks(operation: Operation) -> tuple[float, ...] | None:
    """The values of an operation's input at which its slope changes; None for an operation without such values."""
    op = operation.op.rstrip("_")
    if op in ("relu", "leaky_relu", "prelu", "abs", "absolute"):
        return (0.0,)
    if op == "relu6":
        return (0.0, 6.0)
    if op == "hardsigmoid":
        return (-3.0, 3.0)
    if op == "hardtanh":
        return (float(operation.argument(1, "min_val", -1.0)), float(operation.argument(2, "max_val", 1.0)))
    if op == "threshold":
        return (float(operation.argument(1, "threshold", 0.0)),)
    if op in ("clamp", "clip", "clamp_min", "clamp_max"):
        names = {"clamp_min": ("min",), "clamp_max": ("max",)}.get(op, ("min", "max"))
        ends = [operation.argument(place, name) for place, name in enumerate(names, 1)]
        if all(end is None or isinstance(end, (int, float)) for end in ends):
            return tuple(float(end) for end in ends if end is not None)
    return None


def is_maximum(operation: Operation) -> bool:
    """Whether it takes the largest of each window."""
    return operation.op in _MAXIMA


def _is_affine(operation: Operation, seeing: set[str]) -> bool:
    """Whether it is affine in all that comes from the input together."""
    op = operation.op if operation.op.startswith("__") else operation.op.rstrip("_")
    varying = [source for source in operation.sources if source.name in seeing or source.name == "input"]
    if op in ("div", "true_divide", "mul", "matmul"):
        return is_linear_product(operation, seeing)
    if op in _PRODUCTS:
        return len(varying) == 1
    if op not in _AFFINE:
        return False
    if op in _RANDOM:
        # `dropout(x, p, training)`, and torch's own `dropout(x, p, train)`.
        return not (operation.argument(2, "training") or operation.keywords.get("train"))
    if op == "batch_norm" and (operation.argument(5, "training") or operation.argument(1, "running_mean") is None):
        return False  # the mean and variance are those of the input itself
    # A weight that comes from the input makes a product of two values that depend on it.
    return op not in _WEIGHTED or (len(varying) == 1 and operation.argument(0, "input") is varying[0])
