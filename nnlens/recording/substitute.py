"""A pass of a model with some of its operations replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .as_written import as_written
from .operations import function_of
from .recording import Operation

Replacement = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


# Calls that return their input, by which torch attaches hooks in passes with gradients.
_EXTRA = {"view_as", "alias"}


class OtherPathError(RuntimeError):
    """The forward made other calls than the recorded pass did."""


class Reached(BaseException):
    """Raised by a replacement when the rest of the forward need not run."""


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
        expected = self.calls[number] if number < len(self.calls) else ""
        if function.name in _EXTRA and function.name != expected:
            return func(*args, **kwargs)
        self.number += 1
        if self.lost or function.name != expected:
            self.lost = True
            raise OtherPathError(f"the forward called {function.name} where the recorded pass did not")
        replacement = self.replacements.get(number)
        return func(*args, **kwargs) if replacement is None else replacement(func, args, kwargs)


@contextmanager
def substituting(model: nn.Module, calls: tuple[str, ...], replacements: Mapping[int, Replacement]) -> Iterator[None]:
    """Within the block, the n-th call of torch in one forward of `model` (already borrowed) is `replacements[n]`.

    `calls` and their numbers are those of a `Recording`; a replacement is given the function, its arguments and its
    keywords. The model's own Python runs: modules, hooks, control flow. A replacement that raises `Reached` ends the
    forward, and the block with it.

    Raises
    ------
    OtherPathError
        If the forward does not make exactly the calls that were recorded.
    """
    mode = _Substituting(calls, replacements)
    try:
        with as_written(model), mode:
            yield
    except Reached:
        return
    if mode.lost or mode.number != len(calls):
        raise OtherPathError(f"the forward made {mode.number} calls, the recorded pass {len(calls)}")


def observed(
    operation: Operation, tell: Callable[[Tensor], Tensor | None], replacement: Replacement | None = None
) -> Replacement:
    """A replacement that runs the call (or another `replacement`) and passes the result to `tell`.

    `tell` sees it before later in-place operations overwrite it.

    If `tell` returns something, it replaces the result.
    """
    index = int(operation.name.rpartition("[")[2][:-1]) if operation.name.endswith("]") else 0

    def run(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        about = function_of(function)
        into = next((item for item in about.overwritten(args, keywords) if isinstance(item, Tensor)), None)
        copied = False
        if into is not None and torch.is_grad_enabled():
            copied = True
            # On a copy: the gradient needs the result, which is about to be overwritten.
            copy = into.clone()
            args = tuple(copy if arg is into else arg for arg in args)
            keywords = {name: copy if item is into else item for name, item in keywords.items()}
        argument = function(*args, **keywords) if replacement is None else replacement(function, args, keywords)
        made = args[0] if about.sets else argument
        several = isinstance(made, (tuple, list))
        value = made[index] if several else made
        other = tell(value)
        if into is not None and (copied or value is into):
            if copied or other is not None:
                into.copy_(value if other is None else other)  # other references to the tensor must see the result
            return None if about.sets else into
        if other is None:
            return argument
        if not several:
            return other
        many = [other if number == index else item for number, item in enumerate(made)]
        return type(made)(many) if type(made) in (tuple, list) else tuple(many)

    return run
