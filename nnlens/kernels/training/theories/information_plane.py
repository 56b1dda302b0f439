"""The information plane of a layer, for several numbers of bins (Shwartz-Ziv & Tishby, 2017; Saxe et al., 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..loss import separate


@dataclass(frozen=True, kw_only=True)
class InformationPlane:
    """Information of one layer about the inputs and about the labels, in bits.

    Attributes
    ----------
    bins : array (n,)
        How many bins the range of the values was cut into.
    inputs : array (n,)
        I(X; T) of the binned values. It is their entropy, for the layer is a function of the input: it measures the
        bins as much as the network, and cannot be more than log₂ of the number of inputs.
    labels : array (n,)
        I(T; Y).
    most : float
        log₂ of the number of inputs.
    """

    bins: np.ndarray
    inputs: np.ndarray
    labels: np.ndarray
    most: float


def information_plane(values: Tensor, labels: Tensor, *, bins: tuple[int, ...] = (5, 10, 30, 100)) -> InformationPlane:
    """Bin the values of a layer and count, for several numbers of bins.

    "Compression" in this plane comes with functions that saturate and with the choice of the bins (Saxe et al.,
    2018): look at several.

    Parameters
    ----------
    values : tensor (n, units)
        Of one layer for each input.
    labels : tensor (n,)
        Classes.
    bins : tuple of int
        How many equal parts of the range from the smallest to the largest value.

    Raises
    ------
    ValueError
        For values and labels that do not fit, and fewer than two bins.
    """
    rows = values.detach().cpu().double().flatten(1).numpy()
    classes = labels.detach().cpu().numpy()
    if len(rows) != len(classes) or not len(rows):
        raise ValueError(f"labels must be one for each of the inputs, got {len(classes)} for {len(rows)}")
    if not len(bins) or min(bins) < 2:
        raise ValueError(f"bins must be at least 2, got {bins}")
    low, high = float(rows.min()), float(rows.max())
    found = []
    for count in bins:
        codes = np.clip(((rows - low) / ((high - low) or 1) * count).astype(int), 0, count - 1)
        names = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
        whole = _entropy(names)
        parts = sum((classes == label).mean() * _entropy(names[classes == label]) for label in np.unique(classes))
        found.append((whole, whole - float(parts)))
    inputs, about = np.array(found).T
    return InformationPlane(bins=np.array(bins), inputs=inputs, labels=about, most=float(np.log2(len(rows))))


def _entropy(names: np.ndarray) -> float:
    shares = np.unique(names, return_counts=True)[1] / len(names)
    return float(-(shares * np.log2(shares)).sum())


def hidden_values_steps(
    model: nn.Sequential, inputs: Tensor, labels: Tensor, *, layer: int, at: Sequence[int], rate: float = 0.01
) -> Iterator[tuple[int, Tensor]]:
    """Train a copy of a network on all examples with Adam, and give the values of a layer at some steps.

    Parameters
    ----------
    layer : int
        Which of the model's modules.
    at : sequence of int
        After how many steps the layer is read; ascending.

    Yields
    ------
    tuple of int and tensor (n, units)
    """
    if not len(at) or min(at) < 0 or list(at) != sorted(set(at)):
        raise ValueError(f"at must be ascending numbers of steps, got {list(at)}")
    copied = separate(model)
    assert isinstance(copied, nn.Sequential)
    optimiser = torch.optim.Adam(copied.parameters(), lr=rate)
    for step in range(at[-1] + 1):
        with torch.inference_mode(False), torch.enable_grad():
            values = copied[: layer + 1](inputs)
            if step in at:
                yield step, values.detach()
            optimiser.zero_grad()
            F.cross_entropy(copied[layer + 1 :](values), labels).backward()
            optimiser.step()
