"""The loss of a model over a data set, as the kernels of this folder take it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nnlens.recording.record import copy_of
from nnlens.scores.meaning import Pick, pick_output

# From a model to its loss, a tensor of no axes: a sum or mean that does not depend on the order of a data set.
Loss = Callable[[nn.Module], Tensor]
_BATCH = 256


def mean_loss(inputs: Tensor, targets: Tensor, *, kind: str = "", output: Pick = None, batch: int = _BATCH) -> Loss:
    """The mean loss over inputs and their targets.

    Parameters
    ----------
    inputs : tensor (n, ...)
        As the model takes them.
    targets : tensor
        Classes (n,) of whole numbers, or values of the shape of the model's output.
    kind : "cross entropy", "binary cross entropy" or "squared error", optional
        By default cross entropy where the targets are whole numbers (binary where the model has one output), and else
        the squared error, a mean over all outputs.
    output : optional
        Which of several outputs is meant; see `Lens`.
    batch : int
        How many inputs are passed at once.

    Raises
    ------
    ValueError
        For targets that do not fit the inputs.
    """
    if kind not in ("", "cross entropy", "binary cross entropy", "squared error"):
        raise ValueError(f'kind must be "cross entropy", "binary cross entropy" or "squared error", got {kind!r}')
    if len(inputs) != len(targets) or not len(inputs):
        raise ValueError(f"targets must be one for each of the inputs, got {len(targets)} for {len(inputs)}")

    def loss(model: nn.Module) -> Tensor:
        like = next(model.parameters(), inputs)
        total = torch.zeros((), dtype=like.dtype, device=like.device)
        for start in range(0, len(inputs), batch):
            x, y = inputs[start : start + batch].to(like.device), targets[start : start + batch].to(like.device)
            x = x.to(like.dtype) if x.is_floating_point() else x
            total = total + _loss(pick_output(model(x), output), y, kind) * len(x)
        return total / len(inputs)

    return loss


def _loss(scores: Tensor, targets: Tensor, kind: str) -> Tensor:
    whole = not targets.is_floating_point() and targets.ndim == 1
    single = scores.ndim == 1 or scores.shape[-1] == 1
    if not kind:
        kind = ("binary cross entropy" if single else "cross entropy") if whole else "squared error"
    if kind == "cross entropy":
        classes = scores.shape[1] if scores.ndim > 1 else 1
        if whole and not 0 <= int(targets.min()) <= int(targets.max()) < classes:
            found = f"{int(targets.min())}…{int(targets.max())}"
            raise ValueError(f"targets must be classes 0…{classes - 1} for a model of {classes} outputs, got {found}")
        return F.cross_entropy(scores, targets.long() if whole else targets)
    if targets.numel() != scores.numel():
        shapes = f"{tuple(scores.shape)}, got {tuple(targets.shape)}"
        raise ValueError(f"targets must have as many numbers as the model's output, whose shape is {shapes}")
    targets = targets.to(scores.dtype).reshape(scores.shape)
    if kind == "binary cross entropy":
        if not 0 <= float(targets.min()) <= float(targets.max()) <= 1:
            raise ValueError(
                "targets must be 0…1 for a model of one output, or quantities with the loss 'squared error', got "
                f"{float(targets.min()):g}…{float(targets.max()):g}"
            )
        return F.binary_cross_entropy_with_logits(scores, targets)
    return F.mse_loss(scores, targets)


def separate(model: nn.Module) -> nn.Module:
    """A copy of the model in eval mode, to be changed at will: the model itself may be in use, or be trained.

    Its frozen weights stay frozen, unless all are.
    """
    copied: nn.Module = copy_of(model).eval()
    if not any(item.requires_grad for item in copied.parameters()):
        copied.requires_grad_(True)
    return copied
