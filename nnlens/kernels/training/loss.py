"""The loss of a model over a data set, as the kernels of this folder take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nnlens.inputs.datasets import evenly
from nnlens.inputs.datasets.marks import mark_of, memory_mark
from nnlens.recording.record import copy_of
from nnlens.scale import words_of
from nnlens.scores.meaning import Pick, pick_output
from nnlens.utils.errors import reason

# From a model to its loss, a tensor of no axes: a sum or mean that does not depend on the order of a data set.
Loss = Callable[[nn.Module], Tensor]
_BATCH = 256


def mean_loss(
    inputs: Tensor | Sequence[Tensor], targets: Tensor, *, kind: str = "", output: Pick = None, batch: int = _BATCH
) -> MeanLoss:
    """The mean loss over inputs and their targets.

    Parameters
    ----------
    inputs : tensor (n, ...), or sequence of tensors
        As the model takes them. Of a sequence, a data set that is read by index, each is one input.
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
    return MeanLoss(inputs=inputs, targets=targets, kind=kind, output=output, batch=batch)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MeanLoss:
    """The mean loss over inputs and their targets, see `mean_loss`."""

    inputs: Tensor | Sequence[Tensor]
    targets: Tensor
    kind: str
    output: Pick
    batch: int

    def __len__(self) -> int:
        return len(self.inputs)

    def __call__(self, model: nn.Module) -> Tensor:
        """A tensor of no axes. Of a data set the inputs count that can be read: ValueError where none can be."""
        if not isinstance(self.inputs, Tensor):
            return self.readable()[0](model)
        like = next(model.parameters(), self.inputs)
        total = torch.zeros((), dtype=like.dtype, device=like.device)
        for start in range(0, len(self), self.batch):
            stop = start + self.batch
            x, y = self.inputs[start:stop].to(like.device), self.targets[start:stop].to(like.device)
            x = x.to(like.dtype) if x.is_floating_point() else x
            total = total + _loss(pick_output(model(x), self.output), y, self.kind) * len(x)
        return total / len(self)

    def readable(self, count: int | None = None) -> tuple[MeanLoss, dict[int, str]]:
        """The same in memory, of the examples that can be read, and why others cannot.

        Of a data set at most `count` examples are taken, evenly spread. Raises ValueError where none can be read.
        """
        if isinstance(self.inputs, Tensor):
            return self, {}
        whole, problems = self.part(range(len(self)) if count is None else evenly(len(self), count))
        if not len(whole):
            raise ValueError(f"inputs must be readable, but none of {len(self)} is: {next(iter(problems.values()))}")
        return whole, problems

    def part(self, items: Sequence[int]) -> tuple[MeanLoss, dict[int, str]]:
        """The mean loss over some of the examples, in memory, and why others cannot be read."""
        if isinstance(self.inputs, Tensor):
            own = torch.tensor(items)
            return replace(self, inputs=self.inputs[own.to(self.inputs.device)], targets=self.targets[own]), {}
        found, problems = dict[int, Tensor](), dict[int, str]()
        for item in items:
            try:
                found[item] = self.inputs[item].detach()
            except Exception as error:
                problems[item] = reason(error)
        inputs = torch.stack(list(found.values())) if found else torch.empty(0)
        return replace(self, inputs=inputs, targets=self.targets[list(found)]), problems

    def key(self) -> str:
        """An identifier of what is computed, without the examples."""
        return f"{self.kind} {words_of(self.output)}"

    def mark(self, start: int, stop: int) -> str:
        """An identifier of some of the examples, see `inputs.datasets.marks`."""
        return f"{memory_mark([self.targets[start:stop]])} {mark_of(self.inputs, start, stop)}"


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
