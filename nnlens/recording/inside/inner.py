"""Values inside an operation that it does not return, recomputed from its arguments on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from torch import Tensor

from ..tape import Held

# Name of the part, its kind, its shape, and the way to compute it.
Inner = tuple[str, str, tuple[int, ...], Callable[[], Tensor]]


def given(argument: Any) -> Any:
    """The argument as it was passed to the operation."""
    if isinstance(argument, Held):
        if argument.value is None:
            raise ValueError("the operation's inputs are gone: a later pass of its Recorder reused their memory")
        return argument.value
    if isinstance(argument, tuple):
        return tuple(map(given, argument))
    return argument


def unchanged(compute: Callable[[], Any], arguments: Any) -> Callable[[], Any]:
    """`compute`, once, and only while the model's weights among the arguments are those of the pass."""
    weights = [(tensor, _version(tensor)) for tensor in _weights(arguments)]

    @cache
    def checked() -> Any:
        if any(_version(tensor) != version for tensor, version in weights):
            raise ValueError("the model's weights have changed since this pass: record again")
        return compute()

    return checked


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _weights(nest: Any) -> Iterator[Tensor]:
    if isinstance(nest, Tensor):
        yield nest
    elif isinstance(nest, (tuple, list)):
        for item in nest:
            yield from _weights(item)
    elif isinstance(nest, dict):
        yield from _weights(list(nest.values()))
