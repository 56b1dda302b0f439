"""The engine of whole passes, chosen by measured time: ONNX Runtime is prepared beside everything else."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import threading
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from weakref import WeakKeyDictionary

import torch
from torch import nn

from nnlens.inputs.varied import Varied
from nnlens.recording import borrow, draws
from nnlens.recording.record import copy_of
from nnlens.scores.meaning import ScoreMeaning

from .convolutions import channels_last
from .onnx_runtime import OnnxPasses
from .prepared import TRIALS, WHOLE, Prepared
from .trust import Level

LARGEST = 400 * 2**20  # bytes of weights: exporting takes several copies of them
QUICK = 0.008  # seconds
_ROUNDS = 3  # of timing both engines
_BATCH = 4

Key = tuple[int, tuple[int, ...], object]  # the model's version, the input's shape, which output is read
Passes = OnnxPasses | None  # None: they do not export, or are slower

_known: WeakKeyDictionary[nn.Module, dict[Key, Passes]] = WeakKeyDictionary()
_thread: threading.Thread | None = None
_lock = threading.Lock()


def has_fast_engine() -> bool:
    """Whether ONNX Runtime and what it needs are installed (the extra `fast`)."""
    return all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def _key(prepared: Prepared) -> Key:
    return prepared.version, tuple(prepared.x.shape[1:]), prepared.meaning.output


def may_be_faster(prepared: Prepared) -> bool:
    """Whether a prepared model is one that ONNX Runtime could run: in single precision, on the CPU, always the same."""
    model, recording = prepared.model, prepared.recording
    weights = [*model.parameters(), *model.buffers()]
    floating = [weight for weight in weights if weight.is_floating_point()]
    return (
        has_fast_engine()
        and prepared.may_switch
        and prepared.x.device.type == "cpu"
        and prepared.x.dtype == torch.float32
        and all(weight.dtype == torch.float32 and weight.device.type == "cpu" for weight in floating)
        and sum(weight.numel() * weight.element_size() for weight in weights) <= LARGEST
        # What is held, or what a function knows of one input, would be part of the exported model.
        and not isinstance(model, Varied)
        and not callable(prepared.meaning.output)
        and not recording.data_dependent
        and not draws(model)
        and prepared.trust.level <= Level.PREPARED
    )


def attach(prepared: Prepared) -> bool:
    """Give a prepared model the passes that are known for it; whether it has some now."""
    passes = _known.get(prepared.model, {}).get(_key(prepared))
    if passes is not None and prepared.onnx is None and prepared.may_switch:
        prepared.onnx = passes.reading(prepared.meaning)
    return prepared.onnx is not None


def is_decided(prepared: Prepared) -> bool:
    """Whether it is known which engine is the faster one."""
    return _key(prepared) in _known.get(prepared.model, {})


def is_quick(prepared: Prepared) -> bool:
    """Whether a pass takes so little time that nobody would feel a faster one."""
    with borrow(prepared.model):
        return min(_seconds(lambda: prepared(prepared.x)) for _round in range(_ROUNDS)) < QUICK


def beside(prepare: Callable[[], Callable[[], None]]) -> bool:
    """Run what `prepare` returns in a thread of its own; False, and nothing is called, where another is running."""
    global _thread
    with _lock:
        if _thread is not None and _thread.is_alive():
            return False
        _thread = threading.Thread(target=prepare(), name="nnlens-engine", daemon=True)
        _thread.start()
    return True


def export_beside(prepared: Prepared, then: Callable[[OnnxPasses | None], None]) -> bool:
    """Export a copy of the model in a thread of its own, then call `then` there; False where one is being exported.

    `then` is called with None where the model does not export.
    """
    return beside(lambda: partial(_export, copy_of(prepared.model), prepared.x, prepared.meaning, then))


def _export(
    model: nn.Module, x: torch.Tensor, meaning: ScoreMeaning, then: Callable[[OnnxPasses | None], None]
) -> None:
    passes: OnnxPasses | None = None
    try:
        passes = OnnxPasses(model, x, meaning)
        passes.beside = True
    except Exception:  # the exporter and the engine have errors of their own kinds; torch is there
        pass
    then(passes)


def decide(prepared: Prepared, passes: OnnxPasses | None) -> bool:
    """Time both engines in turn, remember the faster one, and attach it; whether it is ONNX Runtime."""
    key, faster = _key(prepared), False
    with contextlib.suppress(Exception):  # of the engine's own kinds: then it is not used
        faster = passes is not None and _is_faster(prepared, passes)
    _known.setdefault(prepared.model, {})[key] = passes if faster else None
    return attach(prepared)


def _is_faster(prepared: Prepared, passes: OnnxPasses) -> bool:
    batch = prepared.x.repeat(_BATCH, 1, 1, 1)
    there, here = [], []
    for _round in range(_ROUNDS):
        there.append(_seconds(lambda: passes(batch)))
        with borrow(prepared.model):
            here.append(_seconds(lambda: prepared(channels_last(batch))))
        passes(prepared.x)  # which notes how long one input takes
    faster = median(there) < median(here)
    if faster:
        prepared.paces[WHOLE] = [median(there) / _BATCH] * TRIALS
    return faster


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def wait_for_export() -> None:
    """Wait until no model is being exported."""
    thread = _thread
    if thread is not None:
        thread.join()


# A thread that is inside torch when Python ends crashes the process.
atexit.register(wait_for_export)
