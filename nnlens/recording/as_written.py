"""Running a model as it is written: checkpointed parts once, fused and compiled parts operation by operation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.utils.checkpoint as checkpoints
from torch import nn

_here = threading.local()
_lock = threading.Lock()
_users = 0
_own: dict[str, Any] = {}
# The two ways in which `torch.utils.checkpoint.checkpoint` runs a function.
_REENTRANT, _OTHER = "CheckpointFunction", "_checkpoint_without_reentrant_generator"


class _Reentrant:
    @staticmethod
    def apply(function: Callable[..., Any], preserve: Any, *args: Any) -> Any:
        if not getattr(_here, "inside", 0):
            return _own[_REENTRANT].apply(function, preserve, *args)
        return function(*args)


def _other(*args: Any, **keywords: Any) -> Any:
    if not getattr(_here, "inside", 0):
        return _own[_OTHER](*args, **keywords)
    return _nothing_around()


def _nothing_around() -> Iterator[None]:
    """What is done before the function runs, and after."""
    yield


@contextmanager
def without_checkpoints() -> Iterator[None]:
    """Within the block, and in this thread only, checkpointed functions just run.

    They compute the same. But a second run in the backward pass would not replace operations, and the reentrant kind
    has gradients for parameters only.
    """
    global _users
    with _lock:
        if _users == 0:
            for name, instead in ((_REENTRANT, _Reentrant), (_OTHER, _other)):
                if hasattr(checkpoints, name):
                    _own[name] = getattr(checkpoints, name)
                    setattr(checkpoints, name, instead)
        _users += 1
    _here.inside = getattr(_here, "inside", 0) + 1
    try:
        yield
    finally:
        _here.inside -= 1
        with _lock:
            _users -= 1
            if _users == 0:
                for name, own in _own.items():
                    setattr(checkpoints, name, own)
                _own.clear()


_fused_users, _fast_path = 0, True
_FUSED = nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder


@contextmanager
def as_written(model: nn.Module) -> Iterator[None]:
    """Run fused attention and compiled parts unfused, because nothing inside them could be recorded otherwise."""
    global _fused_users, _fast_path
    fused = compiled = False
    for item in model.modules():
        fused = fused or isinstance(item, _FUSED)
        compiled = compiled or item._compiled_call_impl is not None or "_orig_mod" in item._modules
    with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
        try:
            with _lock:
                if fused and _fused_users == 0:
                    _fast_path = torch.backends.mha.get_fastpath_enabled()
                    torch.backends.mha.set_fastpath_enabled(False)
                _fused_users += fused
            yield
        finally:
            with _lock:
                _fused_users -= fused
                if fused and _fused_users == 0:
                    torch.backends.mha.set_fastpath_enabled(_fast_path)
