"""Recording one forward pass, with all operations or with some of them."""

from __future__ import annotations

import copy
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from nnlens.utils.nests import copied, tensors_in

from .as_written import as_written
from .borrow import BeforeWriting, Mode, borrow, lend
from .choice import Choice, Only
from .operations import ESCAPES, function_of
from .recording import Recording, assemble
from .tape import Event, ModuleCall, Tape, shape_of, showable


class ForwardError(RuntimeError):
    """The model's own forward failed; `recording` holds the operations that ran before it did."""

    def __init__(self, message: str, recording: Recording):
        super().__init__(message)
        self.recording = recording


class Meter(Protocol):
    """Measures operations: `begin` before each, `end` after it, with the events that it made."""

    def begin(self) -> None:
        """Called before an operation."""

    def end(self, events: list[Event]) -> None:
        """Called after an operation, with the events that it made."""


class Recorder:
    """Records passes of one model, one after the other.

    Parameters
    ----------
    model : torch.nn.Module
        Borrowed for each pass (see `borrow`), and untouched after it.
    only : str, module or several of them, optional
        Keep only these: names of operations ("features.3.add:2"), modules or their paths (their outputs), patterns
        ("encoder.*.norm?") and kinds ("convolution"). Everything by default.
    mode : "eval" or "as is"
    recycle : bool
        Each pass reuses the memory of the one before, whose values are lost: faster for a series of passes of which
        only the last one matters.

    With `with Recorder(…) as recorder:` the model is borrowed once for all passes of the block, which costs less. Each
    of them begins with the same buffers.

    Examples
    --------
    >>> recorder = Recorder(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()), only="activation")
    >>> recorder(torch.zeros(1, 2)).names
    ('1',)
    """

    def __init__(self, model: nn.Module, *, only: Only = None, mode: Mode = "eval", recycle: bool = False):
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
        self.model = unwrapped(model)
        if isinstance(self.model, torch.jit.ScriptModule):
            raise TypeError(
                "model must run in Python, got a torch.jit.ScriptModule, whose operations cannot be seen: record the "
                "module it was made from (a scripted part of a model is recorded as one operation)"
            )
        self.mode, self.recycle = mode, recycle
        self._paths = {module: path for path, module in self.model.named_modules() if path}
        # A module that is shared has several names; the first one is used.
        twice = self.model.named_modules(remove_duplicate=False)
        self._other_names = {path: self._paths[item] for path, item in twice if path and self._paths[item] != path}
        self._choice = Choice(only, self._paths, self._other_names)
        self._watched = [module for module, path in self._paths.items() if self._choice.within(path)]
        self._last: Recording | None = None
        self._block: ExitStack | None = None
        self._put_back: Callable[[BeforeWriting], None] | None = None

    def __enter__(self) -> Recorder:
        if self._block is not None:
            raise RuntimeError(
                "this recorder has borrowed the model already: leave the block before it is entered again"
            )
        with ExitStack() as block:
            self._put_back = block.enter_context(lend(self.model, mode=self.mode))
            block.enter_context(self._hooks())
            block.enter_context(as_written(self.model))
            self._block = block.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        block, self._block, self._put_back = self._block or ExitStack(), None, None
        block.close()

    def _hooks(self) -> AbstractContextManager[None]:
        # A scripted module takes no hooks of its own.
        scripted = any(isinstance(item, torch.jit.ScriptModule) for item in self._watched)
        return _hooks_everywhere() if self._choice.watched is None or scripted else _hooks_on(self._watched)

    @contextmanager
    def _borrowed(self, tape: Tape) -> Iterator[None]:
        """The model borrowed and listened to: for this pass, or already for those of a block."""
        if self._put_back is None:
            lent = borrow(self.model, mode=self.mode, before_writing=tape.before_overwriting)
            with lent, self._hooks(), as_written(self.model):
                yield
        else:
            try:
                yield
            finally:
                self._put_back(tape.before_overwriting)

    def __call__(self, *inputs: Any, **keywords: Any) -> Recording:
        """Run `model(*inputs, **keywords)` once, on copies of the inputs; see `record`."""
        return self.run(inputs, keywords)

    @torch.inference_mode(False)
    def run(
        self,
        inputs: Sequence[Any],
        keywords: Mapping[str, Any],
        *,
        meter: Meter | None = None,
        gradients: bool = False,
    ) -> Recording:
        """One pass; `meter` measures each operation.

        With `gradients` the values are differentiable with respect to the inputs, which are then not copied.
        """
        model, choice = self.model, self._choice
        for module in (model, *self._paths):
            if isinstance(module, LazyModuleMixin) and any(map(is_lazy, vars(module)["_parameters"].values())):
                where = self._paths.get(module, type(model).__name__)
                raise ValueError(f"the model's {where} is lazy and never ran: run the model once, then record")
        if not gradients:
            inputs, keywords = copied(tuple(inputs)), copied(dict(keywords))
        recycled = self._last.let_go() if self._last is not None else []
        self._last = None
        tape = Tape(
            paths=self._paths,
            other_names=self._other_names,
            root=ModuleCall(path="", module=model),
            choice=choice,
            recycled=recycled,
        )
        tape.receive((inputs, keywords))
        listener = _Listener(tape, meter)
        everywhere = choice.watched is None
        outer = getattr(_running, "listener", None)
        with self._borrowed(tape):
            _running.listener = listener
            try:
                with listener if everywhere else _Guard(tape), torch.set_grad_enabled(gradients):
                    output = model(*inputs, **keywords)
                    if everywhere:
                        tape.finish(tape.root, inputs, output)
            except Exception as error:
                message = _explain(error, tape)
                _unwind(listener)
                raise ForwardError(message, assemble(tape, None)) from error
            finally:
                _running.listener = outer
                _unwind(listener)
                tape.give_back()
        recording = assemble(tape, output)
        if self.recycle:
            self._last = recording
        return recording


def record(model: nn.Module, *inputs: Any, only: Only = None, mode: Mode = "eval", **keywords: Any) -> Recording:
    """Run `model(*inputs, **keywords)` once and keep the output of every operation, or of those in `only`.

    Modules, functional calls, arithmetic and in-place operations are all recorded, each value as it was when
    it was computed. The model is borrowed (see `borrow`): it is returned without any trace of the recorder; it works on
    copies of the inputs. For `only` and `mode` see `Recorder`.

    Returns
    -------
    Recording
        The operations in their order, their values (on the model's device), and the model's output.

    Raises
    ------
    ForwardError
        If the forward raises; the message names the operation, its inputs' shapes and the line of the model's
        code, `.recording` holds what ran before. The model's own exception is its cause.
    ValueError
        If something in `only` did not run in the pass (with the nearest names).

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    >>> record(model, torch.zeros(1, 2)).names
    ('0', '1')
    """
    return Recorder(model, only=only, mode=mode)(*inputs, **keywords)


class _Listener(TorchFunctionMode):
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


class _Guard(TorchFunctionMode):
    """Sees only what is about to be overwritten, in the parts that are not recorded."""

    def __init__(self, tape: Tape):
        super().__init__()
        self.tape = tape

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        overwritten = function_of(func).overwritten(args, kwargs)
        if overwritten:
            self.tape.before_overwriting(overwritten)
        return func(*args, **kwargs)


_running = threading.local()
_hooks_lock = threading.Lock()
_hooks_users = 0
_hooks: list[Any] = []


def _before_module(module: nn.Module, args: Any) -> None:
    listener: _Listener | None = getattr(_running, "listener", None)
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
    listener: _Listener | None = getattr(_running, "listener", None)
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


def _leave(listener: _Listener) -> None:
    if listener.tape.stack.pop().watched:
        listener.__exit__(None, None, None)  # type: ignore[no-untyped-call]


def _unwind(listener: _Listener) -> None:
    while listener.tape.stack:
        _leave(listener)


@contextmanager
def _hooks_everywhere() -> Iterator[None]:
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
def _hooks_on(modules: list[nn.Module]) -> Iterator[None]:
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


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside `torch.compile`, `DataParallel` and `DistributedDataParallel`."""
    while True:
        if isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod  # type: ignore[assignment]
        elif isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        else:
            return model


def copy_of(model: nn.Module) -> nn.Module:
    """A copy to be changed at will, while the model itself may be in use."""
    with borrow(model):
        return copy.deepcopy(unwrapped(model))


def _explain(error: Exception, tape: Tape) -> str:
    where = f"the forward of {type(tape.root.module).__name__}"
    if tape.failed is not None and tape.failed[0] is error:
        where = tape.failed[1]
    ours = Path(torch.__file__).parent, Path(__file__).parent
    lines = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(folder in Path(frame.filename).parents for folder in ours)
    ]
    line = f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno}: {lines[-1].line})" if lines else ""
    return f"the model raised at {where}{line}: {type(error).__name__}: {error}"
