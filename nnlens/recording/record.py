"""One forward pass with every operation kept."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from .borrow import Mode, borrow
from .operations import name_of, overwrites
from .recording import Operation, Recording, assemble


class ForwardError(RuntimeError):
    """The model's own forward failed; `recording` holds the operations that ran before it did."""

    def __init__(self, message: str, recording: Recording):
        super().__init__(message)
        self.recording = recording


@dataclass
class Call:
    """One call of a module while it runs: its path, and the path of calls around it."""

    path: str
    module: nn.Module
    parent: Call | None
    ops: int = 0  # operations directly in this call
    calls: int = 0  # module calls directly in this call


@dataclass
class Event:
    """One operation as it happened."""

    op: str
    call: Call
    value: Tensor
    output: int | None  # which of several outputs; None for the only one


@dataclass
class Tape:
    """What the running pass has written so far. It belongs to one thread."""

    paths: dict[nn.Module, str]
    root: Call
    events: list[Event] = field(default_factory=list)
    stack: list[Call] = field(default_factory=list)
    fired: set[str] = field(default_factory=set)
    produced: dict[str, Tensor] = field(default_factory=dict)  # module path → its output
    by_storage: dict[int, list[Event]] = field(default_factory=lambda: defaultdict(list))
    failed: str | None = None

    def keep(self, op: str, value: Tensor, output: int | None) -> None:
        event = Event(op, self.stack[-1], value, output)
        self.events.append(event)
        self.by_storage[_storage(value)].append(event)

    def save_before_overwriting(self, tensor: Tensor) -> None:
        for event in self.by_storage.pop(_storage(tensor), ()):
            event.value = event.value.clone()


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


_running = threading.local()
_hooks_lock = threading.Lock()
_hooks_users = 0
_hooks: list[Any] = []


def _before_module(module: nn.Module, args: Any) -> None:
    tape: Tape | None = getattr(_running, "tape", None)
    if tape is None or module not in tape.paths:
        return
    parent = tape.stack[-1]
    parent.calls += 1
    path = tape.paths[module]
    tape.stack.append(Call(path, module, parent))
    tape.fired.add(path)


def _after_module(module: nn.Module, args: Any, output: Any) -> None:
    tape: Tape | None = getattr(_running, "tape", None)
    if tape is None or module not in tape.paths:
        return
    # A call whose exception the user's forward caught is still on the stack: unwind to this one.
    while tape.stack[-1].module is not module:
        tape.stack.pop()
    call = tape.stack.pop()
    if isinstance(output, Tensor):
        tape.produced[call.path] = output


@contextmanager
def _module_hooks() -> Iterator[None]:
    """torch's global module hooks, so that nothing is ever attached to the model itself."""
    global _hooks_users
    with _hooks_lock:
        if _hooks_users == 0:
            _hooks[:] = [register_module_forward_pre_hook(_before_module), register_module_forward_hook(_after_module)]
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


class _Recorder(TorchFunctionMode):
    """Sees every call of torch from Python at its outermost level: `F.relu`, `x + y`, `x.relu_()`."""

    def __init__(self, tape: Tape):
        super().__init__()
        self.tape = tape

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in ("__get__", "__set__"):
            return func(*args, **kwargs)
        tape = self.tape
        if overwrites(func, args, kwargs):
            for tensor in _tensors((args[:1], kwargs.get("input"), kwargs.get("out"))):
                tape.save_before_overwriting(tensor)
        try:
            result = func(*args, **kwargs)
        except Exception:
            if tape.failed is None:
                shapes = " and ".join(str(tuple(tensor.shape)) for tensor in _tensors((args, kwargs)))
                where = tape.stack[-1].path
                tape.failed = f"{where + ' · ' if where else ''}{name_of(func)} on {shapes or 'no tensor'}"
            raise
        if isinstance(result, Tensor):
            outputs: list[tuple[int | None, Any]] = [(None, result)]
        elif isinstance(result, (tuple, list)):
            outputs = list(enumerate(_tensors(result)))
        else:
            return result
        kept = [(place, value) for place, value in outputs if isinstance(value, Tensor) and _worth_keeping(value)]
        if kept:
            tape.stack[-1].ops += 1
            for place, value in kept:
                tape.keep(name_of(func), value, place if len(kept) > 1 else None)
        return result


def _worth_keeping(value: Tensor) -> bool:
    return (value.is_floating_point() or value.is_complex()) and value.layout == torch.strided


def _tensors(nest: Any) -> Iterator[Tensor]:
    if isinstance(nest, Tensor):
        yield nest
    elif isinstance(nest, (tuple, list)):
        for item in nest:
            yield from _tensors(item)
    elif isinstance(nest, dict):
        for item in nest.values():
            yield from _tensors(item)


def _copied(nest: Any) -> Any:
    """`nest` with its tensors copied: a forward may write into what it is given."""
    if isinstance(nest, Tensor):
        return nest.clone()
    if type(nest) in (tuple, list):
        return type(nest)(map(_copied, nest))
    if type(nest) is dict:
        return {key: _copied(value) for key, value in nest.items()}
    return nest


def record(model: nn.Module, *inputs: Any, mode: Mode = "eval", **keywords: Any) -> Recording:
    """Run `model(*inputs, **keywords)` once and keep the output of every operation.

    Modules, functional calls, arithmetic and in-place operations are all recorded, each value as it was when
    it was computed. The model is borrowed (see `borrow`): nothing is attached to it and nothing is left; it
    works on copies of the inputs.

    Returns
    -------
    Recording
        The operations in their order, their values (on the model's device), and the model's output.

    Raises
    ------
    ForwardError
        If the forward raises; the message names the operation and its inputs' shapes, `.recording` holds
        what ran before. The model's own exception is its cause.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    >>> record(model, torch.zeros(1, 2)).names
    ('0', '1')
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    compiled = getattr(model, "_orig_mod", None)  # a torch.compile'd model: record the one inside
    if isinstance(compiled, nn.Module):
        model = compiled
    inputs, keywords = _copied(inputs), _copied(keywords)
    paths = {module: path for path, module in model.named_modules() if path}
    root = Call("", model, None)
    tape = Tape(paths=paths, root=root, stack=[root])
    outer = getattr(_running, "tape", None)
    with borrow(model, mode=mode), _module_hooks():
        _running.tape = tape
        try:
            with _Recorder(tape):
                output = model(*inputs, **keywords)
        except Exception as error:
            where = tape.failed or f"the forward of {tape.stack[-1].path or type(model).__name__}"
            raise ForwardError(
                f"the model raised at {where}: {type(error).__name__}: {error}", assemble(tape, None)
            ) from error
        finally:
            _running.tape = outer
    return assemble(tape, output)


__all__ = ["ForwardError", "Operation", "Recording", "record"]
