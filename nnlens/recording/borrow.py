"""Borrowing a model: it is returned unchanged, whatever happens."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from operator import is_
from typing import Any, Literal
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.inputs.varied import whole_model

from .as_written import without_checkpoints
from .attributes import attribute_tables, contents

Mode = Literal["eval", "as is"]
BeforeWriting = Callable[[list[Tensor]], object]

# Models of which passes draw random numbers.
_drawing: WeakSet[nn.Module] = WeakSet()
# Models of which the latest passes, so many, have changed Python's random state only. Other threads may have done that:
# clients of a network take their waiting times from it.
_suspected: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()
IN_A_ROW = 3  # passes that have changed it, after which it was the model
# `here`: whether no user code, which might draw random numbers itself, runs while this thread works.
alone = threading.local()
_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_locks_lock = threading.Lock()


def lock_of(model: nn.Module) -> threading.RLock:
    """The lock that a pass of this model holds; the same whichever of its inputs is varied."""
    with _locks_lock:
        return _locks.setdefault(whole_model(model), threading.RLock())


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's first parameter or buffer; the CPU for a model that has neither."""
    first = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device


def dtypes_of(model: nn.Module) -> tuple[torch.dtype, ...]:
    """The dtypes of the model's floating parameters, that of the first one first; torch's default without any."""
    result = dict.fromkeys(parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
    return tuple(result) or (torch.get_default_dtype(),)


def draws(model: nn.Module, run: Callable[[], Any] | None = None) -> bool:
    """Whether passes of the model are known to draw random numbers.

    `run` runs the model; it is called until there is no doubt left.
    """
    for _pass in range(IN_A_ROW):
        if run is not None and model in _suspected:
            with borrow(model):
                run()
    return model in _drawing


def draw_alike() -> None:
    """Let the next pass draw the same random numbers as any other pass after this call.

    Only inside `borrow`, which restores the random state.
    """
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


class _Generators:
    """The random state of the process: torch's on every device in use, Python's and NumPy's."""

    def __init__(self) -> None:
        self.before = self._read()

    @staticmethod
    def _read() -> tuple[list[Tensor], Any, Any]:
        tensors = [torch.get_rng_state()]
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            tensors += torch.cuda.get_rng_state_all()
        if torch.backends.mps.is_available():
            tensors.append(torch.mps.get_rng_state())
        return tensors, random.getstate(), np.random.get_state(legacy=False)

    def restore(self, model: nn.Module) -> None:
        tensors, python, numpy = self.before
        now, python_now, numpy_now = self._read()
        same_numpy = np.array_equal(numpy["state"]["key"], numpy_now["state"]["key"])
        same_numpy = same_numpy and numpy["state"]["pos"] == numpy_now["state"]["pos"]
        others = not (all(map(torch.equal, tensors, now)) and same_numpy)
        if not others and python == python_now:
            _suspected.pop(model, None)
            return
        sure = threading.current_thread() is threading.main_thread() or getattr(alone, "here", False)
        if not sure and model not in _drawing:
            return  # another thread may have drawn them
        seen = IN_A_ROW if others else _suspected.get(model, 0) + 1
        if seen < IN_A_ROW and model not in _drawing:
            _suspected[model] = seen
        else:
            _suspected.pop(model, None)
            _drawing.add(model)
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(tensors[0])
        if len(tensors) > 1 and torch.backends.mps.is_available():
            torch.mps.set_rng_state(tensors[-1])
        elif len(tensors) > 1:
            torch.cuda.set_rng_state_all(tensors[1:])


class _Switches:
    """The settings of torch that a forward may change: those of the thread, and those of the whole process."""

    def __init__(self, device: str) -> None:
        self.device = device = device if torch.amp.is_autocast_available(device) else "cpu"
        self.gradients = torch.is_grad_enabled()
        self.autocast = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
        self.caching = torch.is_autocast_cache_enabled()
        self.default_dtype = torch.get_default_dtype()
        self.deterministic = torch.are_deterministic_algorithms_enabled()
        self.warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        self.cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic

    def restore(self) -> None:
        now = _Switches(self.device)
        if now.gradients != self.gradients:
            torch.set_grad_enabled(self.gradients)
        if now.autocast != self.autocast:
            torch.set_autocast_enabled(self.device, self.autocast[0])
            torch.set_autocast_dtype(self.device, self.autocast[1])
        if now.caching != self.caching:
            torch.set_autocast_cache_enabled(self.caching)
        # A thread other than the main one cannot know who changed these.
        if threading.current_thread() is not threading.main_thread():
            return
        if now.default_dtype != self.default_dtype:
            torch.set_default_dtype(self.default_dtype)
        if (now.deterministic, now.warn_only) != (self.deterministic, self.warn_only):
            torch.use_deterministic_algorithms(self.deterministic, warn_only=self.warn_only)
        if now.cudnn != self.cudnn:
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = self.cudnn


class _Modules:
    """All that is attached to a model: flags, attributes, hooks, parameters and their gradients, buffers."""

    # Whole lists at once, not module by module: a network has hundreds of modules, and borrowing must be cheap.
    def __init__(self, model: nn.Module) -> None:
        modules = list(model.modules())
        # A scripted module's flag can only be assigned, and nothing else of it can change.
        self.scripted = [(item, item.training) for item in modules if isinstance(item, torch.jit.ScriptModule)]
        if self.scripted:
            modules = [item for item in modules if not isinstance(item, torch.jit.ScriptModule)]
        self.attributes: list[dict[str, Any]] = list(map(vars, modules))
        self.training = [module.training for module in modules]
        # What the attributes contain too: a forward may replace a buffer, add a hook, keep its outputs in a list, or
        # count in an object.
        every = attribute_tables(modules)
        values, tables = list(contents(every)), [table for table in every if type(table) is not tuple]
        self.empty = [table for table in tables if not table]
        self.tables = [table for table in tables if table]
        self.before = [table.copy() for table in self.tables]
        kinds = set(map(type, values))  # rare ones are looked for only where there are any
        arrays = [value for value in values if type(value) is np.ndarray] if np.ndarray in kinds else []
        self.arrays = [(array, array.copy()) for array in arrays if array.dtype != object]
        generators = [value for value in values if type(value) is torch.Generator] if torch.Generator in kinds else []
        self.generators = [(generator, generator.get_state()) for generator in generators]
        parameters = {
            id(value): value for value in _values(module._parameters for module in modules) if value is not None
        }
        parameters |= {
            id(parameter): parameter for module, _ in self.scripted for parameter in module.parameters(recurse=False)
        }
        self.parameters = [
            (parameter, parameter.data, parameter.requires_grad, parameter.grad) for parameter in parameters.values()
        ]
        for tensor, _, _, gradient in self.parameters:
            if gradient is not None:
                tensor.grad = None  # a forward that adds to `.grad` adds to a copy
        held = chain(
            _values(module._buffers for module in modules),
            [value for value in values if type(value) is Tensor] if Tensor in kinds else [],
            (buffer for module, _ in self.scripted for buffer in module.buffers(recurse=False)),
        )
        buffers = {id(item): item for item in held if item is not None and not item.is_meta}
        alike: dict[Any, list[Tensor]] = {}
        self.sparse: list[tuple[Tensor, Tensor]] = []
        for tensor in buffers.values():
            if tensor.is_sparse:
                self.sparse.append((tensor, tensor.detach().clone()))
            elif tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_nested:
                alike.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        self.buffers = list(map(_Copies, alike.values()))

    def set_eval(self) -> None:
        for attributes in self.attributes:
            # The flag, not .eval(): users override .train() with side effects of their own.
            attributes["training"] = False
        for module, _ in self.scripted:
            module.training = False

    def restore(self, before_writing: BeforeWriting) -> None:
        for attributes, training in zip(self.attributes, self.training, strict=True):
            attributes["training"] = training
        # Usually nothing has changed: compare all of them at once first.
        if not _same(self.tables, self.before):
            for table, before in zip(self.tables, self.before, strict=True):
                if not _same([table], [before]):
                    table.clear()
                    (table.extend if isinstance(table, (list, deque)) else table.update)(before)
        for table in self.empty if any(self.empty) else ():
            table.clear()
        for array, numbers in self.arrays:
            if array.shape == numbers.shape and array.flags.writeable:
                np.copyto(array, numbers)
        for module, training in self.scripted:
            module.training = training
        for generator, state in self.generators:
            generator.set_state(state)
        with torch.no_grad():
            self._restore_tensors(before_writing)

    def _restore_tensors(self, before_writing: BeforeWriting) -> None:
        for tensor, value, wanted, gradient in self.parameters:
            if tensor.data_ptr() != value.data_ptr() or tensor.shape != value.shape:
                tensor.data = value
            if tensor.requires_grad != wanted:
                tensor.requires_grad_(wanted)
            if tensor.grad is not gradient:
                tensor.grad = gradient
        self.restore_buffers(before_writing)

    def restore_buffers(self, before_writing: BeforeWriting) -> None:
        """Restore the values of all buffers, and of tensors that are attributes."""
        with torch.no_grad():
            for copies in self.buffers:
                copies.restore(before_writing)
            for tensor, value in self.sparse:
                tensor.copy_(value)


def _values(tables: Iterable[dict[str, Any]]) -> Iterator[Any]:
    return chain.from_iterable([table.values() for table in tables])


def _same(tables: list[Any], before: list[Any]) -> bool:
    """Whether the tables contain the same objects as before, by the same names."""
    if list(map(len, tables)) != list(map(len, before)):
        return False
    names = all(map(is_, chain.from_iterable(tables), chain.from_iterable(before)))
    return names and all(map(is_, contents(tables), contents(before)))


class _Copies:
    """The values of tensors of one dtype and device, joined: a network has hundreds of small buffers."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors
        self.shapes = [tensor.shape for tensor in tensors]
        self.values = self._read()

    def _read(self) -> Tensor:
        with torch.no_grad():
            return torch.cat([tensor if tensor.ndim == 1 else tensor.reshape(-1) for tensor in self.tensors])

    def restore(self, before_writing: BeforeWriting) -> None:
        shapes = [tensor.shape for tensor in self.tensors]
        if shapes == self.shapes and _bits(self.values).equal(_bits(self._read())):
            return
        before_writing(self.tensors)
        parts = self.values.split([shape.numel() for shape in self.shapes])
        for tensor, shape, part in zip(self.tensors, self.shapes, parts, strict=True):
            if tensor.shape != shape:
                tensor.data = part.reshape(shape).clone()
            elif not _bits(tensor.reshape(-1)).equal(_bits(part)):
                tensor.copy_(part.reshape(shape))


def _bits(values: Tensor) -> Tensor:
    """Bit for bit: a NaN is equal to itself, and −0 is not 0."""
    return values.contiguous().view(torch.uint8)


@contextmanager
def borrow(
    model: nn.Module, *, mode: Mode = "eval", before_writing: BeforeWriting = lambda _: None
) -> Iterator[nn.Module]:
    """Use `model` within the block, in eval mode and without gradients, and restore it afterwards.

    After success, an error or an interrupt these are restored: every submodule's training flag, hooks,
    attributes and the lists, dictionaries and sets among them; the values of all buffers and of tensors that are
    attributes; every parameter's tensor, `requires_grad` and `.grad`; the random state of torch (all devices and
    generators that are attributes), Python and NumPy; gradient mode, autocast, default dtype and the deterministic
    flags. A forward that writes into its own parameters in place is undone where it is recorded (see `record`),
    not by `borrow` alone, which would have to copy all weights; the contents of other objects are not restored either.

    Two threads borrow one model in turn: each sees the flags that it set. Threads other than the main one do not change
    the default dtype and the deterministic flags, which belong to the whole process. They restore the random state if
    the model is known to draw random numbers, and always if no user code runs at the same time (`alone`), as in the
    worker of the views.

    Parameters
    ----------
    mode : "eval" or "as is"
        "as is" leaves the training flags alone (dropout is then active; buffers are still restored).
    before_writing : callable
        Called with the model's tensors whose values are about to be restored.
    """
    with lend(model, mode=mode, before_writing=before_writing):
        yield model


@contextmanager
def lend(
    model: nn.Module, *, mode: Mode = "eval", before_writing: BeforeWriting = lambda _: None
) -> Iterator[Callable[[BeforeWriting], None]]:
    """`borrow` for several passes: what it gives restores the values of all buffers, for the next pass.

    Everything else is restored at the end of the block.
    """
    if mode not in ("eval", "as is"):
        raise ValueError(f'mode must be "eval" or "as is", got {mode!r}')
    with lock_of(model):
        switches, generators, modules = _Switches(device_of(model).type), _Generators(), _Modules(model)
        try:
            if mode == "eval":
                modules.set_eval()
            with torch.inference_mode(False), torch.no_grad(), without_checkpoints():
                yield modules.restore_buffers
        finally:
            modules.restore(before_writing)
            generators.restore(model)
            switches.restore()
