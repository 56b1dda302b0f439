"""Preparing a model for many passes, and reusing what was prepared before."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from nnlens.recording import ForwardError, Recording, borrow, draws, version_of
from nnlens.scores.detection import meaning_of
from nnlens.scores.meaning import Output, ScoreMeaning

from .onnx_runtime import OnnxPasses
from .prepared import Prepared
from .trust import Level

Engine = Literal["auto", "torch", "onnx"]


def prepare_passes(
    model: nn.Module,
    x: Tensor,
    output: Output = None,
    *,
    recording: Recording | None = None,
    like: Prepared | None = None,
    engine: Engine = "auto",
    transforms: bool = True,
) -> Prepared | None:
    """The model prepared for many passes on variations of `x`, see `Prepared`; None where it cannot be recorded.

    `engine` says what runs whole passes: "torch"; "onnx", that is ONNX Runtime (the extra `fast`), exported at once; or
    "auto", torch until ONNX Runtime is found to be faster, which is tried out beside work that takes long. Occlusion
    maps use ONNX Runtime where it is there and faster. With "onnx", raises ImportError without the extra, and
    ValueError if the model does not export or its scores are more than 1e-4 off.
    """
    if engine not in get_args(Engine):
        raise ValueError(f'engine must be "auto", "torch" or "onnx", got {engine!r}')
    try:
        prepared = Prepared(model, x, output=output, recording=recording, like=like, transforms=transforms)
    except (TypeError, ForwardError):
        return None
    recorded = prepared.recording
    if recorded.data_dependent:
        prepared.trust.fall_back(Level.SINGLE)  # a value that Python read from one image is not valid for a batch
    elif draws(prepared.model, lambda: prepared.model(prepared.x.clone())):
        prepared.trust.fall_back(Level.SINGLE)  # the same random numbers for each input
    elif "as_strided" in recorded.calls or any(source.shared for item in recorded for source in item.sources):
        prepared.trust.fall_back(Level.MODEL)  # aliased memory is left to the model
    prepared.may_switch = engine == "auto"
    if engine == "torch":
        prepared.onnx = None
    if engine == "onnx" and prepared.onnx is None:
        if recorded.data_dependent:
            raise ValueError("the model does not export to ONNX: its path depends on the values of its input")
        with borrow(model):
            prepared.onnx = OnnxPasses(prepared.model, prepared.x, prepared.meaning)
    return prepared


def current_passes(model: nn.Module, x: Tensor, output: Output, prepared: Prepared | None) -> Prepared | None:
    """`prepared` where it is of this model as it is now and of this input, otherwise the model prepared again."""
    if prepared is not None and (prepared.version, prepared.output) == (version_of(model), output):
        same = prepared.x.shape == x.shape and prepared.x.dtype == x.dtype
        if same and torch.equal(prepared.x, x):
            return prepared
    return prepare_passes(model, x, output)


def meaning_for(model: nn.Module, x: Tensor, output: Output, prepared: Prepared | None) -> ScoreMeaning:
    """What the model's scores mean; judged by their values alone where the model cannot be recorded."""
    if prepared is not None:
        return prepared.meaning
    if isinstance(output, ScoreMeaning):
        return output
    with borrow(model):
        return meaning_of(output, model(x.clone()))
