"""What an operation is called, what kind it is, and whether it overwrites its input."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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


@lru_cache(maxsize=4096)
def kind_of(op: str) -> str:
    """The kind of the operation `op` ("conv2d" → "convolution"); "other" where none fits."""
    return next((kind for kind, pattern in _COMPILED if pattern.search(op)), "other")


@dataclass(frozen=True)
class Function:
    """What there is to know about a function of torch, whatever it is called with.

    Attributes
    ----------
    name, kind : str
        What a person would call it: `Tensor.relu_` → "relu", `x + y` → "add", `x[…]` → "slice".
    computes : bool
        Not so for reading `x.shape`, or setting `x.grad`.
    sets : bool
        It gives nothing back; its result is what it wrote into: `x[…] = y`.
    unfilled, makes : bool
        It gives memory yet to be filled; it makes a constant if it is given no tensor.
    """

    name: str
    kind: str
    computes: bool
    sets: bool
    unfilled: bool
    makes: bool
    _writes: bool
    _inplace: int | None

    def overwrites(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether such a call announces that it writes into a tensor it was given."""
        if self._writes or (kwargs and (kwargs.get("out") is not None or kwargs.get("inplace"))):
            return True
        return self._inplace is not None and len(args) > self._inplace and args[self._inplace] is True


@lru_cache(maxsize=4096)
def function_of(func: Callable[..., Any]) -> Function:
    """What there is to know about `func`."""
    raw = getattr(func, "__name__", type(func).__name__)
    if raw in ("__get__", "__set__"):
        name = getattr(func, "__self__", func).__name__
        return Function(name, kind_of(name), raw == "__get__" and name in _COMPUTED, False, False, False, False, None)
    name = _NAMES.get(raw.strip("_"), raw.strip("_"))
    if raw.startswith("__"):
        writes = raw == "__setitem__" or (raw.startswith("__i") and raw not in ("__invert__", "__index__", "__int__"))
    else:
        writes = raw.endswith("_")
    try:
        parameters = list(inspect.signature(func).parameters)
    except (ValueError, TypeError):
        parameters = []
    inplace = parameters.index("inplace") if "inplace" in parameters else None
    made = raw in _UNFILLED, raw in _MAKERS
    return Function(name, kind_of(name), True, raw == "__setitem__", *made, writes, inplace)
