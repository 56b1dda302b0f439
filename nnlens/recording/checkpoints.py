"""Checkpointed parts of a model, which torch would run again in the backward pass: here they run once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch.utils.checkpoint as checkpoints

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
