"""The loss of a lens's model over a data set."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from nnlens.inputs.datasets import LabelledImages, evenly
from nnlens.kernels.training import MeanLoss, mean_loss
from nnlens.session.session import Session

LossKind = Literal["cross entropy", "binary cross entropy", "squared error"]


def dataset_loss(
    session: Session, data: Any, *, count: int, kind: str = "", in_memory: bool = True
) -> tuple[MeanLoss, LabelledImages | None]:
    """The mean loss over at most `count` examples of a data set, evenly spread, and the images, if it is of images.

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
        places = torch.tensor(evenly(len(inputs), count))
        inputs, targets = inputs[places.to(inputs.device)], targets[places.to(targets.device)]
        return mean_loss(inputs, targets, kind=kind, output=session.setup.pick), None
    found = session.setup.dataset(data).labelled(count, in_memory=in_memory)
    if found.classes is None:
        raise ValueError(
            "dataset must have the label of a class for each image, or be a pair of tensors (inputs, targets)"
        )
    return mean_loss(found.images, torch.tensor(found.classes), kind=kind, output=session.setup.pick), found
