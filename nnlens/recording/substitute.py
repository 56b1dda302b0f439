"""A pass of a model in which some of its operations are done in another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from .operations import function_of
from .record import as_written

Replacement = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


class OtherPathError(RuntimeError):
    """The forward made other calls than the recorded pass did."""


class _Substituting(TorchFunctionMode):
    def __init__(self, calls: tuple[str, ...], replacements: Mapping[int, Replacement]):
        super().__init__()
        self.calls, self.replacements = calls, replacements
        self.number = 0
        self.lost = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        function = function_of(func)
        if not function.computes:
            return func(*args, **kwargs)
        number = self.number
        self.number += 1
        if self.lost or number >= len(self.calls) or function.name != self.calls[number]:
            self.lost = True
            raise OtherPathError(f"the forward called {function.name} where the recorded pass did not")
        replacement = self.replacements.get(number)
        return func(*args, **kwargs) if replacement is None else replacement(func, args, kwargs)


@contextmanager
def substituting(model: nn.Module, calls: tuple[str, ...], replacements: Mapping[int, Replacement]) -> Iterator[None]:
    """Within the block one forward of `model` (borrowed already) has its n-th call of torch done by `replacements[n]`.

    `calls` and their numbers are those of a `Recording`; a replacement is given the function, its arguments and its
    keywords. The model's own Python runs: modules, hooks, control flow.

    Raises
    ------
    OtherPathError
        If the forward does not make the very calls that were recorded.
    """
    mode = _Substituting(calls, replacements)
    with as_written(model), mode:
        yield
    if mode.lost or mode.number != len(calls):
        raise OtherPathError(f"the forward made {mode.number} calls, the recorded pass {len(calls)}")
