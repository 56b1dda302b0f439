"""Recording one forward pass, with all operations or with some of them."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from nnlens.utils.nests import copied

from .as_written import as_written
from .borrow import BeforeWriting, Mode, borrow, lend
from .choice import Choice, Only
from .listening import Guard, Listener, Meter, hooks_everywhere, hooks_on, running, unwind
from .recording import Recording, assemble
from .tape import ModuleCall, Tape


class ForwardError(RuntimeError):
    """The model's own forward failed; `recording` holds the operations that ran before it did."""

    def __init__(self, message: str, recording: Recording):
        super().__init__(message)
        self.recording = recording


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

    With `only`, the first pass watches all operations, because a later one may overwrite a value that is kept. The
    next passes do not; if such a value was overwritten all the same, the pass is repeated and watched. A model whose
    forward writes into its own parameters, but did not do so in the first pass, is then left changed.

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
        # Whether a pass watches what is overwritten outside of the part that is recorded; the first one tells.
        self._guards: bool | None = None
        self._copies = False  # whether a pass that does not watch copies its values at once

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
        return hooks_everywhere() if self._choice.watched is None or scripted else hooks_on(self._watched)

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
        for module in (self.model, *self._paths):
            if isinstance(module, LazyModuleMixin) and any(map(is_lazy, vars(module)["_parameters"].values())):
                where = self._paths.get(module, type(self.model).__name__)
                raise ValueError(f"the model's {where} is lazy and never ran: run the model once, then record")
        if self._guards is False and not gradients:
            recording = self._pass(inputs, keywords, meter, gradients, guards=False)
            if recording is not None:
                return recording
            self._guards = True
        recording = self._pass(inputs, keywords, meter, gradients, guards=True)
        assert recording is not None
        return recording

    def _pass(
        self, inputs: Sequence[Any], keywords: Mapping[str, Any], meter: Meter | None, gradients: bool, *, guards: bool
    ) -> Recording | None:
        """One pass; None if it did not watch, and a value was overwritten."""
        model, choice = self.model, self._choice
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
            copies=self._copies and not guards,
        )
        tape.receive((inputs, keywords))
        listener = Listener(tape, meter)
        everywhere = choice.watched is None
        outer = getattr(running, "listener", None)
        mode = listener if everywhere else Guard(tape) if guards else nullcontext()
        with self._borrowed(tape):
            running.listener = listener
            try:
                with mode, torch.set_grad_enabled(gradients):
                    output = model(*inputs, **keywords)
                    if everywhere:
                        tape.finish(tape.root, inputs, output)
            except Exception as error:
                message = _explain(error, tape)
                unwind(listener)
                raise ForwardError(message, assemble(tape, None)) from error
            finally:
                running.listener = outer
                unwind(listener)
                tape.give_back()
        if not guards and tape.overwritten:
            return None
        if self._guards is None and not everywhere:
            self._guards, self._copies = bool(tape.written) or tape.uncertain, tape.copied
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
