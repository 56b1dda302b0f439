"""The loss of a lens's model over a data set."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from nnlens.inputs.datasets import chosen
from nnlens.kernels.training import MeanLoss, mean_loss
from nnlens.session.session import Session

LossKind = Literal["cross entropy", "binary cross entropy", "squared error"]


def dataset_loss(
    session: Session, data: Any, *, count: int, kind: str = "", in_memory: bool = True
) -> tuple[MeanLoss, int]:
    """The mean loss over at most `count` examples of a data set, evenly spread, and how many these are.

    Parameters
    ----------
    data : pair of tensors, or what `Lens.dataset` takes
        Inputs and targets as `mean_loss` takes them; or images, each with the label of a class.
    kind : str
        As for `mean_loss`.
    in_memory : bool
        Whether images are read now, or each time they are used.

    Raises
    ------
    ValueError
        For images without labels, and targets that do not fit.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"count must be a whole number, 1 or more, got {count!r}")
    if kind not in ("", *get_args(LossKind)):
        raise ValueError(f"loss must be one of {', '.join(get_args(LossKind))}, got {kind!r}")
    if isinstance(data, (tuple, list)) and len(data) == 2 and all(isinstance(item, Tensor) for item in data):
        inputs, targets = data
        if len(inputs) != len(targets) or not len(inputs):
            raise ValueError(f"dataset must have a target for each input, got {len(inputs)} and {len(targets)}")
        places = torch.linspace(0, len(inputs) - 1, min(count, len(inputs))).round().long()
        inputs, targets = inputs[places.to(inputs.device)], targets[places.to(targets.device)]
        return mean_loss(inputs, targets, kind=kind, output=session.setup.pick), len(inputs)
    dataset = session.setup.dataset(data)
    images, labels = dataset.labelled(count) if in_memory else chosen(dataset, count)
    if labels is None:
        raise ValueError(
            "dataset must have the label of a class for each image, or be a pair of tensors (inputs, targets)"
        )
    return mean_loss(images, torch.tensor(labels), kind=kind, output=session.setup.pick), len(images)
