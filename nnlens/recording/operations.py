"""What an operation is called, what kind it is, and whether it overwrites its input."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
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


def kind_of(op: str) -> str:
    """The kind of the operation `op` ("conv2d" → "convolution"); "other" where none fits."""
    return next((kind for kind, pattern in _COMPILED if pattern.search(op)), "other")


def name_of(func: Callable[..., Any]) -> str:
    """The name that a person would give: `Tensor.relu_` → "relu", `x + y` → "add", `x[…]` → "slice"."""
    name = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":  # a computed attribute: `x.T`, `x.real`
        return str(func.__self__.__name__)  # type: ignore[attr-defined]
    bare = name.strip("_")
    return _NAMES.get(bare, bare)


_MAKERS = {"zeros", "ones", "empty", "full", "arange", "linspace", "logspace", "eye", "tensor", "as_tensor",
           "from_numpy", "scalar_tensor", "range", "tril_indices", "triu_indices", "hann_window"}  # fmt: skip


def makes_constants(func: Callable[..., Any], *, given: bool) -> bool:
    """Whether the function makes a tensor out of nothing: memory yet to be filled, or a constant.

    `given` says whether it was given a tensor.
    """
    name = getattr(func, "__name__", "")
    return name in ("empty_like", "new_empty", "empty_strided") or (name in _MAKERS and not given)


@lru_cache(maxsize=4096)
def _inplace_parameter(func: Callable[..., Any]) -> int | None:
    try:
        names = list(inspect.signature(func).parameters)
    except (ValueError, TypeError):
        return None
    return names.index("inplace") if "inplace" in names else None


def overwrites(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether this call announces that it writes into a tensor it was given."""
    raw = getattr(func, "__name__", "")
    if raw.startswith("__"):
        return raw == "__setitem__" or (raw.startswith("__i") and raw not in ("__invert__", "__index__", "__int__"))
    if raw.endswith("_") or kwargs.get("out") is not None or kwargs.get("inplace"):
        return True
    position = _inplace_parameter(func)
    return position is not None and len(args) > position and args[position] is True
