"""How features change when an image is shifted, and how many examples they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Features = Callable[[Tensor], Tensor]


@torch.no_grad()
def shift_change(features: Features, images: Tensor, shifts: Sequence[int]) -> np.ndarray:
    """How far features move when the images are shifted to the right: ‖Φ(shifted) − Φ(x)‖ ÷ ‖Φ(x)‖.

    For the scattering transform it is bounded by a constant times shift ÷ 2^J (Mallat, 2012, theorem 2.10); for pixels
    it is large as soon as the shift is that of an edge.

    Parameters
    ----------
    features : callable
        From images (n, c, h, w) to (n, ...).
    images : tensor (n, c, h, w)
        What leaves them at the right comes in at the left: they should be 0 there.
    shifts : sequence of int
        In pixels.

    Returns
    -------
    array (shifts,)
        The mean over the images.
    """
    plain = features(images).flatten(1)
    lengths = plain.norm(dim=1).clamp_min(1e-30)
    found = [
        float(((features(images.roll(shift, -1)).flatten(1) - plain).norm(dim=1) / lengths).mean()) for shift in shifts
    ]
    return np.array(found)


@torch.no_grad()
def class_mean_accuracy(features: Tensor, labels: Tensor, others: Tensor, other_labels: Tensor) -> float:
    """The share of other examples whose class has the nearest mean of features.

    Parameters
    ----------
    features, others : tensor (n, d) and (m, d)
        Of the examples that the means are of, and of those that are tested.
    labels, other_labels : tensor (n,) and (m,)
        Classes; one without an example is never the nearest.
    """
    classes = labels.unique()
    means = torch.stack([features[labels == label].mean(0) for label in classes])
    return float((classes[torch.cdist(others, means).argmin(1)] == other_labels).double().mean())
