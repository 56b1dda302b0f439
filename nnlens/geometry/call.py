"""An operation with what its inputs see, and the simplest rules: everything, and elementwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnlens.recording import Operation, Source

from .reach import Reaches, merged

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
            (source, _seen(source, known[source.name]))
            for source in operation.sources
            if source.name and source.name in known
        ]

    @property
    def given(self) -> Reaches:
        """What the first input that depends on the image sees of it."""
        return self.inputs[0][1]

    @property
    def given_shape(self) -> tuple[int, ...]:
        """The shape of the first argument."""
        return self.inputs[0][0].shape

    @property
    def sees_by_its_first(self) -> bool:
        """Whether only its first argument sees the image (and not, for example, its weights)."""
        return len(self.inputs) == 1 and self.inputs[0][0] is self.argument(0, "input")

    def argument(self, index: int, name: str, default: Any = None) -> Any:
        """An argument by its name, or by its position if it was given without a name."""
        if name == "dim" and "axis" in self.operation.keywords:  # as NumPy calls it
            return self.operation.keywords["axis"]
        return self.operation.argument(index, name, default)

    def dimension(self, dim: object) -> int:
        """A dimension of the first argument, counted from 0."""
        if isinstance(dim, bool) or not isinstance(dim, int):
            raise TypeError
        return dim % len(self.given_shape)

    def dimensions(self, dims: object) -> list[int]:
        """Several dimensions of the first argument, counted from 0; all of them for None."""
        if dims is None or dims == () or isinstance(dims, bool):  # x.var(False)
            return list(range(len(self.given_shape)))
        return [self.dimension(dim) for dim in (dims if isinstance(dims, tuple) else (dims,))]


def _seen(source: Source, reaches: Reaches) -> Reaches:
    """What the tensor sees; an upper bound if it is only a view of memory that the operation wrote into."""
    fits = not source.shared and reaches.fits(source.shape)
    return reaches if fits else reaches.all(exact=False)


def everything_rule(call: Call) -> Reaches:
    """Each output sees everything that any input sees."""
    return merged([item.all() for _, item in call.inputs])


def pointwise_rule(call: Call) -> Reaches:
    """Each output sees what the inputs at its own position see."""
    return merged([spread_rule(source, item, call.shape) for source, item in call.inputs])


def spread_rule(source: Source, reaches: Reaches, shape: tuple[int, ...]) -> Reaches:
    """The reaches of a source that is broadcast to `shape`."""
    by = len(shape) - len(source.shape)
    return reaches.map(lambda reach: reach.spread(by, shape))


def expand_rule(call: Call) -> Reaches:
    """The rule of `expand`: a broadcast."""
    return spread_rule(*call.inputs[0], call.shape)


def written_rule(call: Call) -> Reaches:
    """x[…] = y: each place sees what it saw before, or some of y."""
    target = call.argument(0, "input")
    return merged([item if source is target else item.all() for source, item in call.inputs]).at_most()
