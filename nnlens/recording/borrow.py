"""Borrowing a model: whatever happens inside, it goes back as it came."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from weakref import WeakKeyDictionary, WeakSet

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
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def dtype_of(model: nn.Module) -> torch.dtype:
    """The dtype of the model's first floating parameter; torch's default where there is none."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            return parameter.dtype
    return torch.get_default_dtype()


def _random_state(device: torch.device) -> list[Tensor]:
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _restore_random_state(model: nn.Module, device: torch.device, before: list[Tensor]) -> None:
    drew = not all(map(torch.equal, before, _random_state(device)))
    if threading.current_thread() is threading.main_thread():
        (_quiet.discard if drew else _quiet.add)(model)
    elif model in _quiet:
        return
    if drew:
        torch.set_rng_state(before[0])
        for state in before[1:]:
            torch.cuda.set_rng_state(state, device)


def _same(now: dict[str, Tensor | None], before: dict[str, Tensor | None]) -> bool:
    return now.keys() == before.keys() and all(now[name] is before[name] for name in before)


def version_of(model: nn.Module) -> int:
    """A number that changes when a parameter or buffer is replaced or edited in place (not through `.data`)."""
    return hash(tuple((id(tensor), tensor._version) for tensor in (*model.parameters(), *model.buffers())))


@contextmanager
def borrow(model: nn.Module, *, mode: Mode = "eval") -> Iterator[nn.Module]:
    """Lend `model` to the block, in eval mode and without gradients, and give it back untouched.

    The training flag of every submodule, the values of all buffers, the random state of the CPU and of
    the model's device, and the gradient mode are restored after success, error and interrupt alike. Two threads
    borrow one model in turn: each sees the flags that it set. The random state belongs to the whole process: a
    thread beside the main one leaves it alone where the model is known to draw nothing, for restoring it would
    undo what the main thread draws or seeds meanwhile.

    Parameters
    ----------
    mode : "eval" or "as is"
        "as is" leaves the training flags alone (dropout then drops; buffers still come back).
    """
    if mode not in ("eval", "as is"):
        raise ValueError(f'mode must be "eval" or "as is", got {mode!r}')
    with _lock_of(model):
        flags = [(module, module.training) for module in model.modules()]
        # The dictionaries too: a forward may write `self.seen = self.seen + 1`.
        registered = [(module, dict(module._buffers)) for module, _ in flags]
        buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
        device = device_of(model)
        random = _random_state(device)
        try:
            if mode == "eval":
                for module, _ in flags:
                    # The flag, not .eval(): users override .train() with side effects of their own.
                    module.training = False
            with torch.no_grad():
                yield model
        finally:
            _restore_random_state(model, device, random)
            for module, training in flags:
                module.training = training
            for module, names in registered:
                if not _same(module._buffers, names):
                    module._buffers.clear()
                    module._buffers.update(names)
            with torch.no_grad():
                for buffer, before in buffers:
                    if not torch.equal(buffer, before):
                        buffer.copy_(before)
