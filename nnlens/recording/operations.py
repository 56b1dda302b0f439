"""Properties of an operation: its name, its kind, and whether it overwrites its input."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch._ops import OpOverload, OpOverloadPacket

# In the order of the test: the first pattern that matches names the kind.
_KINDS = (
    ("recurrent", r"^lstm|^gru|^rnn"),
    ("convolution", r"^conv|conv_tbc|^unfold$"),
    ("pooling", r"pool"),
    ("normalisation", r"norm"),
    (
        "activation",
        r"relu|^elu|^selu|^celu|gelu|silu|mish|sigmoid|tanh|softmax|softmin|softplus|softsign|hardswish"
        r"|hardtanh|^glu$|logsigmoid|threshold|clamp|clip|shrink",
    ),
    ("attention", r"attention"),
    ("linear", r"linear|matmul|^mm$|^bmm$|addmm|baddbmm|einsum|^embedding|^dot$"),
    ("dropout", r"dropout"),
    (
        "reshape",
        r"view|reshape|flatten|permute|transpose|squeeze|^t$|slice|chunk|split|expand|contiguous|^narrow"
        r"|movedim|unbind|^select$|pixel_|roll|repeat|^clone$|^to$|^float$|^half$|^type",
    ),
    ("join", r"^cat$|concat|stack"),
    ("padding", r"^pad$"),
    ("sampling", r"interpolate|upsample|grid_sample"),
    ("arithmetic", r"^(add|sub|mul|div|true_divide|floor_divide|pow|sqrt|rsqrt|exp|log|neg|abs|mean|sum|max|min|var)"),
)
KINDS = (*(kind for kind, _ in _KINDS), "other")
# Of what is computed inside recurrent and attention operations.
INNER_KINDS = {"gate", "state", "attention"}
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)

_NAMES = {"getitem": "slice", "iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div", "truediv": "div",
          "radd": "add", "rsub": "sub", "rmul": "mul", "rtruediv": "div", "rdiv": "div", "invert": "not"}  # fmt: skip


_MAKERS = {"zeros", "ones", "empty", "full", "arange", "linspace", "logspace", "eye", "tensor", "as_tensor",
           "from_numpy", "scalar_tensor", "range", "tril_indices", "triu_indices", "hann_window"}  # fmt: skip
_UNFILLED = {"empty_like", "new_empty", "empty_strided"}
# The attributes of a tensor that are operations; reading the others, `x.shape` say, computes nothing.
_COMPUTED = {"T", "mT", "H", "mH", "real", "imag", "data"}


# Functions that turn a tensor into a Python number.
ESCAPES = {"item", "tolist", "numpy", "bool", "float", "int", "index", "complex", "array", "equal", "allclose",
           "is_nonzero"}  # fmt: skip


# They change nothing that is computed, and may be called in a pass with gradients only.
_BOOKKEEPING = {"set_grad_enabled", "register_hook", "requires_grad", "retain_grad", "is_grad_enabled",
                "register_post_accumulate_grad_hook"}  # fmt: skip


@lru_cache(maxsize=4096)
def kind_of(op: str) -> str:
    """The kind of the operation `op` ("conv2d" → "convolution"); "other" where none fits."""
    return next((kind for kind, pattern in _COMPILED if pattern.search(op)), "other")


@dataclass(frozen=True, kw_only=True)
class Function:
    """Properties of a function of torch that do not depend on its arguments.

    Attributes
    ----------
    name, kind : str
        Its usual name: `Tensor.relu_` → "relu", `x + y` → "add", `x[…]` → "slice".
    computes : bool
        False for reading `x.shape`, or setting `x.grad`.
    sets : bool
        It returns nothing; its result is what it wrote into: `x[…] = y`.
    unfilled, makes : bool
        It returns uninitialised memory; it makes a constant if it is given no tensor.
    writes : tuple of int and str
        The positions and names of the arguments that it always writes into.
    """

    name: str
    kind: str
    computes: bool = True
    sets: bool = False
    unfilled: bool = False
    makes: bool = False
    writes: tuple[int | str, ...] = ()
    inplace: int | None = None  # the place of an argument that says whether it writes into its input
    max_norm: int | None = None  # of one that, where it is given, has an embedding's weights renormalised in place

    def overwritten(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The arguments that such a call writes into."""
        result: list[Any] = []
        if self.inplace is None and not self.writes and self.max_norm is None and not kwargs:
            return result
        for index in self.writes:
            if isinstance(index, str):
                result.append(kwargs.get(index))
            elif index < len(args):
                result.append(args[index])
        if kwargs:
            result.append(kwargs.get("out"))
        says = kwargs.get("inplace") if kwargs else None
        if says or (self.inplace is not None and len(args) > self.inplace and args[self.inplace] is True):
            result += [*args[:1], kwargs.get("input")]
        norm = self.max_norm
        if norm is not None and (args[norm] if norm < len(args) else kwargs.get("max_norm")) is not None:
            result += [*args[1:2], kwargs.get("weight")]
        return result


@lru_cache(maxsize=4096)
def function_of(func: Callable[..., Any]) -> Function:
    """The properties of `func`."""
    raw = getattr(func, "__name__", type(func).__name__)
    if raw in ("__get__", "__set__"):
        attribute = getattr(func, "__self__", func).__name__
        if raw == "__get__":
            return Function(name=attribute, kind=kind_of(attribute), computes=attribute in _COMPUTED)
        computes = attribute in ("data", "real", "imag")
        return Function(
            name=f"set_{attribute}", kind="other", computes=computes, sets=True, writes=(0,) if computes else ()
        )
    if isinstance(func, (OpOverload, OpOverloadPacket)):
        return _library_function(func)
    bare = raw.strip("_")
    if raw.startswith("__"):
        writes = raw == "__setitem__" or (raw.startswith("__i") and raw not in ("__invert__", "__index__", "__int__"))
    else:
        writes = raw.endswith("_")
    try:
        parameters = list(inspect.signature(func).parameters)
    except (ValueError, TypeError):
        parameters = []
    name = _NAMES.get(bare, bare)
    return Function(
        name=name,
        kind=kind_of(name),
        computes=name not in _BOOKKEEPING,
        sets=raw == "__setitem__",
        unfilled=raw in _UNFILLED,
        makes=raw in _MAKERS,
        writes=(0, "input") if writes else (),
        inplace=parameters.index("inplace") if "inplace" in parameters else None,
        max_norm=parameters.index("max_norm") if "max_norm" in parameters else None,
    )


def _library_function(func: OpOverload | OpOverloadPacket) -> Function:
    """A function of torch's library, or a custom one: its schema says what it writes into."""
    overloads = [func] if isinstance(func, OpOverload) else [getattr(func, name) for name in func.overloads()]
    library, _, name = overloads[0]._schema.name.partition("::")
    name = name.strip("_")
    kind = kind_of(name)
    if library == "quantized":  # a different function with the same name as one of torch's
        name = f"quantized_{name}"
    writes = {
        where
        for overload in overloads
        for index, argument in enumerate(overload._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
        for where in (index, argument.name)
    }
    return Function(name=name, kind=kind, unfilled=name in _UNFILLED, makes=name in _MAKERS, writes=tuple(writes))
