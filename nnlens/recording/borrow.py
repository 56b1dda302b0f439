"""Borrowing a model: whatever happens inside, it goes back as it came."""

from __future__ import annotations

import random
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from operator import is_
from typing import Any, Literal
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import torch
from torch import Tensor, nn

Mode = Literal["eval", "as is"]

# Models whose last pass on the main thread drew no random number.
_quiet: WeakSet[nn.Module] = WeakSet()
_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_locks_lock = threading.Lock()


def _lock_of(model: nn.Module) -> threading.RLock:
    with _locks_lock:
        return _locks.setdefault(model, threading.RLock())


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's first parameter or buffer; the CPU for a model that has neither."""
    first = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device


def dtype_of(model: nn.Module) -> torch.dtype:
    """The dtype of the model's first floating parameter; torch's default where there is none."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            return parameter.dtype
    return torch.get_default_dtype()


def version_of(model: nn.Module) -> int:
    """A number that changes when a parameter or buffer is replaced or edited in place (not through `.data`)."""
    tensors = (*model.parameters(), *model.buffers())
    return hash(tuple((id(tensor), 0 if tensor.is_inference() else tensor._version) for tensor in tensors))


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
        drew = not (all(map(torch.equal, tensors, now)) and python == python_now and same_numpy)
        if threading.current_thread() is threading.main_thread():
            (_quiet.discard if drew else _quiet.add)(model)
        elif model in _quiet:
            return
        if drew:
            random.setstate(python)
            np.random.set_state(numpy)
            torch.set_rng_state(tensors[0])
            if len(tensors) > 1 and torch.backends.mps.is_available():
                torch.mps.set_rng_state(tensors[-1])
            elif len(tensors) > 1:
                torch.cuda.set_rng_state_all(tensors[1:])


class _Switches:
    """The settings of torch that a forward may turn: those of the thread, and those of the whole process."""

    def __init__(self, device: str) -> None:
        self.device = device
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
        # A thread beside the main one cannot know who turned these.
        if threading.current_thread() is not threading.main_thread():
            return
        if now.default_dtype != self.default_dtype:
            torch.set_default_dtype(self.default_dtype)
        if (now.deterministic, now.warn_only) != (self.deterministic, self.warn_only):
            torch.use_deterministic_algorithms(self.deterministic, warn_only=self.warn_only)
        if now.cudnn != self.cudnn:
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = self.cudnn


_CONTAINERS = {dict, OrderedDict, list}


class _Modules:
    """All that is attached to a model: flags, attributes, hooks, parameters and their gradients, buffers."""

    # Whole lists at once, not module by module: a network has hundreds of modules, and a borrow must cost nothing.
    def __init__(self, model: nn.Module) -> None:
        modules = list(model.modules())
        self.attributes: list[dict[str, Any]] = list(map(vars, modules))
        self.training = [module.training for module in modules]
        # What the attributes contain too: a forward may replace a buffer, add a hook, or keep its outputs in a list.
        tables = [value for value in _values(self.attributes) if type(value) in _CONTAINERS]
        self.empty = [table for table in tables if not table]
        self.tables = [*self.attributes, *(table for table in tables if table)]
        self.before = [table.copy() for table in self.tables]
        parameters = {id(tensor): tensor for tensor in _values(module._parameters for module in modules)}
        self.parameters = [
            (tensor, tensor.requires_grad, tensor.grad) for tensor in parameters.values() if tensor is not None
        ]
        for tensor, _, gradient in self.parameters:
            if gradient is not None:
                tensor.grad = None  # a forward that adds to `.grad` adds to one of its own
        alike: dict[Any, dict[int, Tensor]] = {}
        for tensor in _values(module._buffers for module in modules):
            if tensor is not None and tensor.layout == torch.strided and not tensor.is_quantized:
                alike.setdefault((tensor.dtype, tensor.device), {})[id(tensor)] = tensor
        self.buffers = [_Copies(list(group.values())) for group in alike.values()]

    def restore(self) -> None:
        for attributes, training in zip(self.attributes, self.training, strict=True):
            attributes["training"] = training
        # Nearly always nothing has changed: one look at all of them first.
        if not _same(self.tables, self.before):
            for table, before in zip(self.tables, self.before, strict=True):
                if not _same([table], [before]):
                    table.clear()
                    (table.extend if isinstance(table, list) else table.update)(before)
        if any(self.empty):
            for table in self.empty:
                table.clear()
        for tensor, wanted, gradient in self.parameters:
            if tensor.requires_grad != wanted:
                tensor.requires_grad_(wanted)
            if tensor.grad is not gradient:
                tensor.grad = gradient
        with torch.no_grad():
            for copies in self.buffers:
                copies.restore()


def _values(tables: Iterable[dict[str, Any]]) -> Iterator[Any]:
    return chain.from_iterable([table.values() for table in tables])


def _same(tables: list[Any], before: list[Any]) -> bool:
    """Whether the tables hold the very objects that they held before."""
    if list(map(len, tables)) != list(map(len, before)):
        return False
    now, then = ([one if type(one) is list else one.values() for one in tables] for tables in (tables, before))
    return all(map(is_, chain.from_iterable(now), chain.from_iterable(then)))


class _Copies:
    """The values of tensors of one dtype and device, joined: a network has hundreds of small buffers."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors
        self.shapes = [tensor.shape for tensor in tensors]
        self.values = self._read()

    def _read(self) -> Tensor:
        with torch.no_grad():
            return torch.cat([tensor if tensor.ndim == 1 else tensor.reshape(-1) for tensor in self.tensors])

    def restore(self) -> None:
        alike = all(tensor.shape == shape for tensor, shape in zip(self.tensors, self.shapes, strict=True))
        if alike and torch.equal(self.values, self._read()):
            return
        parts = self.values.split([shape.numel() for shape in self.shapes])
        for tensor, shape, part in zip(self.tensors, self.shapes, parts, strict=True):
            if tensor.shape != shape:
                tensor.data = part.reshape(shape).clone()
            elif not torch.equal(tensor, part.reshape(shape)):
                tensor.copy_(part.reshape(shape))


@contextmanager
def borrow(model: nn.Module, *, mode: Mode = "eval") -> Iterator[nn.Module]:
    """Lend `model` to the block, in eval mode and without gradients, and give it back untouched.

    After success, error and interrupt alike these are what they were: every submodule's training flag,
    attributes, hooks and the tensors it holds; the values of all buffers; every parameter's `requires_grad` and
    `.grad`; the random state of torch (all devices), Python and NumPy; gradient mode, autocast, default dtype
    and the deterministic flags.

    Two threads borrow one model in turn: each sees the flags that it set. What belongs to the whole process
    (default dtype, deterministic flags, random state) a thread beside the main one leaves alone, for restoring it
    would undo what the main thread does meanwhile; the random state it restores where the model is known to draw.

    Parameters
    ----------
    mode : "eval" or "as is"
        "as is" leaves the training flags alone (dropout then drops; buffers still come back).
    """
    if mode not in ("eval", "as is"):
        raise ValueError(f'mode must be "eval" or "as is", got {mode!r}')
    with _lock_of(model):
        switches, generators, modules = _Switches(device_of(model).type), _Generators(), _Modules(model)
        try:
            if mode == "eval":
                for attributes in modules.attributes:
                    # The flag, not .eval(): users override .train() with side effects of their own.
                    attributes["training"] = False
            with torch.no_grad():
                yield model
        finally:
            modules.restore()
            generators.restore(model)
            switches.restore()
