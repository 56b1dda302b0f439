"""What single heads add to the output of attention, and what a model loses without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.passes.replay import replay
from nnlens.recording import Operation, Recording, borrow, observed, substituting
from nnlens.recording.record import unwrapped

from .attention import head_operation

Removal = Literal["zero", "mean"]
_PROJECTION = 11  # the place of `out_proj_weight` among the arguments of `multi_head_attention_forward`


def head_outputs(
    recording: Recording, layer: str, x: Tensor
) -> tuple[Float[np.ndarray, "heads queries width"], Float[np.ndarray, " width"]]:
    """What each head adds to the output of its attention, and the bias: they sum to that output.

    Everything between the heads and the output projection is linear, so that each head's part is computed by running
    it on that head alone.

    Parameters
    ----------
    recording : Recording
        A whole pass on `x`, the model's input.
    layer : str
        One of `attention_layers`.

    Raises
    ------
    ValueError
        For a layer whose heads are not returned one by one (a fused module of torch), or have no output projection.
    """
    operation, separate = head_operation(recording, layer)
    if not separate:
        raise ValueError(f"layer must return its heads one by one, got {layer!r}, a fused module of torch")
    value = recording[operation.name].detach()
    chain = _to_projection(recording, operation)

    def projected(heads: Tensor) -> Tensor:
        values = {operation.name: heads}
        for later in chain:
            values[later.name] = replay(later, recording, x, values)
        return values[chain[-1].name].reshape(-1, chain[-1].shape[-1])

    with torch.no_grad():
        bias = projected(torch.zeros_like(value))[0]
        parts = []
        for head in range(value.shape[-3]):
            alone = torch.zeros_like(value)
            alone[..., head, :, :] = value[..., head, :, :]
            parts.append(projected(alone) - bias)
    return torch.stack(parts).float().cpu().numpy(), bias.float().cpu().numpy()


def _to_projection(recording: Recording, operation: Operation) -> list[Operation]:
    """The operations from the heads to the output projection, which is the last of them."""
    carried, chain = {operation.name}, []
    for later in list(recording)[list(recording.names).index(operation.name) + 1 :]:
        if not carried & set(later.inputs) or later.function is None:
            continue
        chain.append(later)
        carried.add(later.name)
        if later.kind == "linear" or later.op in ("linear", "addmm", "matmul"):
            return chain
        if later.kind not in ("reshape", "dropout"):
            break
    raise ValueError(f"layer must end in an output projection, got {operation.name!r} without one")


def logits_without(
    model: nn.Module,
    recording: Recording,
    call: tuple[tuple[Any, ...], Mapping[str, Any]],
    layer: str,
    head: int,
    *,
    removal: Removal = "zero",
) -> object:
    """What the model returns without one head.

    Parameters
    ----------
    recording : Recording
        A whole pass on `call`, the arguments and keywords of the model.
    layer, head : str and int
        One of `attention_layers`.
    removal : "zero" or "mean"
        What the head's output is replaced with: 0, or its own mean over the queries, which keeps what the head adds
        everywhere. The two can differ much. In a fused module of torch heads can only be set to 0.

    Raises
    ------
    ValueError
        For a head that is not there, and a removal that the layer does not allow.
    """
    if removal not in ("zero", "mean"):
        raise ValueError(f'removal must be "zero" or "mean", got {removal!r}')
    operation, separate = head_operation(recording, layer)
    heads = recording.operation(layer).shape[-3]
    if not 0 <= head < heads:
        raise ValueError(f"head must be 0…{heads - 1} in {layer!r}, got {head}")
    if not separate and removal != "zero":
        raise ValueError(f'removal must be "zero" for a fused module of torch ({layer!r}), got {removal!r}')

    def without(value: Tensor) -> Tensor:
        own = value.clone()
        part = own[..., head, :, :]
        part[...] = part.mean(-2, keepdim=True) if removal == "mean" else 0
        return own

    def unprojected(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> object:
        """A fused module with the part of its output projection that reads the head set to 0."""
        weight = (keywords["out_proj_weight"] if "out_proj_weight" in keywords else args[_PROJECTION]).clone()
        width = weight.shape[1] // heads
        weight[:, head * width : (head + 1) * width] = 0
        if "out_proj_weight" in keywords:
            return function(*args, **{**keywords, "out_proj_weight": weight})
        return function(*args[:_PROJECTION], weight, *args[_PROJECTION + 1 :], **keywords)

    model, (args, keywords) = unwrapped(model), call
    assert operation.number is not None  # it ran
    change = observed(operation, without) if separate else unprojected
    result: object = None
    with borrow(model), torch.no_grad(), substituting(model, recording.calls, {operation.number: change}):
        result = model(*args, **keywords)
    return result


def head_effects(
    model: nn.Module,
    recording: Recording,
    call: tuple[tuple[Any, ...], Mapping[str, Any]],
    layer: str,
    loss: Callable[[Any], float],
    *,
    removal: Removal = "zero",
) -> Iterator[tuple[int, float]]:
    """Each head of a layer with how much a loss grows without it: one pass for each.

    Parameters
    ----------
    loss : callable
        From what the model returns to a number.
    """
    clean = loss(recording.output)
    for head in range(recording.operation(layer).shape[-3]):
        returned = logits_without(model, recording, call, layer, head, removal=removal)
        yield head, loss(returned) - clean
