"""Seeing what a pass does: the calls of torch's functions, and those of modules."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from nnlens.utils.nests import tensors_in

from .operations import ESCAPES, function_of
from .tape import Event, ModuleCall, Tape, shape_of, showable


class Meter(Protocol):
    """Measures operations: `begin` before each, `end` after it, with the events that it made."""

    def begin(self) -> None:
        """Called before an operation."""

    def end(self, events: list[Event]) -> None:
        """Called after an operation, with the events that it made."""


class Listener(TorchFunctionMode):
    """Sees every call of torch from Python at its outermost level: `F.relu`, `x + y`, `x.relu_()`."""

    def __init__(self, tape: Tape, meter: Meter | None):
        super().__init__()
        self.tape = tape
        self.meter = meter

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        function = function_of(func)
        if not function.computes:
            return func(*args, **kwargs)
        tape, meter = self.tape, self.meter
        tape.calls.append(function.name)
        overwritten = function.overwritten(args, kwargs)
        if overwritten:
            tape.before_overwriting(overwritten)
        tape.make_room()
        if meter is not None:
            meter.begin()
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            shapes = " and ".join(str(shape_of(tensor)) for tensor in tensors_in((args, kwargs)))
            where = f"{tape.stack[-1].path} · " if tape.stack[-1].path else ""
            tape.failed = error, f"{where}{function.name} on {shapes or 'no tensor'}"
            raise
        made = args[0] if function.sets else result
        outputs: list[tuple[int | None, Tensor]]
        if isinstance(made, Tensor):
            outputs = [(None, made)] if showable(made) else []
        else:
            outputs = [(index, tensor) for index, tensor in enumerate(tensors_in(made)) if showable(tensor)]
            if len(outputs) == 1:
                outputs = [(None, outputs[0][1])]
        if not outputs and function.name in ESCAPES and not isinstance(result, Tensor):
            tape.data_dependent = tape.data_dependent or any(
                tape.event_of(item) is not None for item in tensors_in(args)
            )
        # A constant that a forward makes, such as `torch.zeros(…)`, is not a step from the input to the output.
        constant = function.unfilled or (function.makes and next(tensors_in((args, kwargs)), None) is None)
        if outputs and not constant:
            events = tape.write(function.name, function.kind, outputs, args, kwargs, func)
            if meter is not None:
                meter.end(events)
        return result


class Guard(TorchFunctionMode):
    """Sees only what is about to be overwritten, in the parts that are not recorded."""

    def __init__(self, tape: Tape):
        super().__init__()
        self.tape = tape

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        overwritten = function_of(func).overwritten(args, kwargs)
        if overwritten and self.tape.before_overwriting(overwritten):
            self.tape.copied = True
        return func(*args, **kwargs)


running = threading.local()
_hooks_lock = threading.Lock()
_hooks_users = 0
_hooks: list[Any] = []


def _before_module(module: nn.Module, args: Any) -> None:
    listener: Listener | None = getattr(running, "listener", None)
    path = None if listener is None else listener.tape.paths.get(module)
    if listener is None or path is None:
        return
    tape = listener.tape
    tape.fired[path] += 1
    # A module whose weight is computed in the pass, as by weight norm, still counts as one operation.
    if ".parametrizations." not in path:
        tape.stack[-1].calls += 1
    if isinstance(module, torch.jit.ScriptModule):
        tape.before_overwriting(args)  # it may overwrite them, unnoticed
    watched = tape.choice.listens_in(path)
    tape.stack.append(ModuleCall(path=path, module=module, number=tape.fired[path], watched=watched))
    if watched:
        listener.__enter__()  # type: ignore[no-untyped-call]


def _after_module(module: nn.Module, args: Any, output: Any) -> None:
    listener: Listener | None = getattr(running, "listener", None)
    if listener is None or module not in listener.tape.paths:
        return
    tape = listener.tape
    if tape.stack[-1].module is not module:
        if not any(call.module is module for call in tape.stack):
            return
        while tape.stack[-1].module is not module:
            _leave(listener)
    if output is None:
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and (tape.failed is None or tape.failed[0] is not error):
            tape.failed = error, f"the forward of {tape.stack[-1].path}"
    else:
        with torch._C.DisableTorchFunction():
            tape.finish(tape.stack[-1], args, output)
    _leave(listener)


def _leave(listener: Listener) -> None:
    if listener.tape.stack.pop().watched:
        listener.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        if listener.tape.copies:
            listener.tape.copy_all()


def unwind(listener: Listener) -> None:
    """End all calls of modules that are still open."""
    while listener.tape.stack:
        _leave(listener)


@contextmanager
def hooks_everywhere() -> Iterator[None]:
    """Torch's global module hooks: a whole pass attaches nothing to the model itself."""
    global _hooks_users
    with _hooks_lock:
        if _hooks_users == 0:
            # Always called, also after an exception that the model's code catches.
            after = register_module_forward_hook(_after_module, always_call=True)
            _hooks[:] = [register_module_forward_pre_hook(_before_module), after]
        _hooks_users += 1
    try:
        yield
    finally:
        with _hooks_lock:
            _hooks_users -= 1
            if _hooks_users == 0:
                for hook in _hooks:
                    hook.remove()
                _hooks.clear()


@contextmanager
def hooks_on(modules: list[nn.Module]) -> Iterator[None]:
    """Hooks on the modules whose part of the pass is recorded: the others must cost nothing."""
    handles = []
    try:
        for module in modules:
            handles.append(module.register_forward_pre_hook(_before_module, prepend=True))
            handles.append(module.register_forward_hook(_after_module, prepend=True, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
