"""A pass in which the values of one layer are changed before they are used, also inside recurrent layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.recording import Operation, Recording, Replacement, borrow, observed, substituting
from nnlens.recording.inside import Change, run_changed
from nnlens.recording.record import unwrapped


def changed_call(
    recording: Recording, operation: Operation, at: Callable[[int, Tensor], Tensor]
) -> dict[int, Replacement]:
    """The replacement of the call of torch that makes a layer's values, for `substituting`.

    Parameters
    ----------
    at : callable
        From a step and the values to new values. Inside recurrent layers it is called at each step with (batch, units),
        for other layers once, with step 0 and the whole value.

    Raises
    ------
    ValueError
        For a part of a single recurrent cell, or of another operation that torch does not run by itself.
    """
    if operation.number is not None and operation.kind not in ("gate", "state"):
        return {operation.number: observed(operation, lambda made: at(0, made))}
    beside = [op for op in recording if op.module == operation.module and op.number is not None]
    before = [op for op in beside if op.kind == "recurrent"]
    part, mark, place = operation.name.rpartition(".")[2].rpartition("_l")
    if not before or not mark:
        raise ValueError(f"layer must be an operation, or a part of a whole recurrent layer, got {operation.name!r}")
    parent, change = before[-1], Change(part, f"_l{place}", at)

    def run(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> object:
        return run_changed(parent.op, args, change)

    assert parent.number is not None  # it ran
    return {parent.number: run}


def cell_gradients(
    model: nn.Module,
    recording: Recording,
    call: tuple[tuple[Any, ...], Mapping[str, Any]],
    layer: str,
    score: Callable[[Any], Tensor],
) -> Float[np.ndarray, "tokens cells"]:
    """The gradient of a score with respect to the values of a layer at each token.

    Inside recurrent layers it is that with respect to a state or gate of one step, which the later steps depend on.

    Parameters
    ----------
    recording : Recording
        A whole pass on `call`, the arguments and keywords of the model: one text.
    layer : str
        A layer with a value of each cell for each token.
    score : callable
        From what the model returns to one number.

    Raises
    ------
    ValueError
        For a score that does not depend on the layer.
    """
    operation = recording.operation(layer)
    inside = operation.kind in ("gate", "state")
    cells, tokens = operation.shape[-1], int(np.prod(operation.shape[:-1]))
    value = recording[operation.name]
    shape = (tokens, cells) if inside else tuple(value.shape)
    args, keywords = call
    model, found = unwrapped(model), None
    with torch.inference_mode(False), borrow(model), torch.enable_grad():
        added = torch.zeros(shape, dtype=value.dtype, device=value.device, requires_grad=True)
        change = changed_call(recording, operation, lambda step, made: made + (added[step] if inside else added))
        returned: Any = None
        # cuDNN has no gradient of recurrent layers in eval mode.
        with torch.backends.cudnn.flags(enabled=False), substituting(model, recording.calls, change):
            returned = model(*args, **keywords)
        (found,) = torch.autograd.grad(score(returned), added, allow_unused=True)
    if found is None:
        raise ValueError(f"score must depend on the layer {layer!r}")
    return found.reshape(tokens, cells).float().cpu().numpy()
