"""The loss on the straight line between two states of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from nnlens.utils.language import _, number

from ..loss import Loss, separate
from .directions import Weights, difference, moved


@dataclass(frozen=True, kw_only=True)
class Interpolation:
    """The loss between two states.

    Attributes
    ----------
    shares : array (n,)
        0 is the first state, 1 the second.
    values : array (n,)
        The loss.
    """

    shares: np.ndarray
    values: np.ndarray

    @property
    def barrier(self) -> float:
        """How far the loss rises above the straight line between its ends (Frankle et al., 2020); 0 without a rise."""
        line = self.values[0] + self.shares * (self.values[-1] - self.values[0])
        return float(np.maximum(self.values - line, 0).max())  # NaN where a loss is

    def describe(self) -> str:
        """The line in words."""
        return _(
            "The loss goes from {first} to {second}; between them it rises {barrier} above the straight line.",
            first=number(f"{self.values[0]:.3g}"),
            second=number(f"{self.values[-1]:.3g}"),
            barrier=number(f"{self.barrier:.3g}"),
        )


@torch.no_grad()
def interpolation(model: nn.Module, first: Weights, second: Weights, loss: Loss, *, points: int = 21) -> Interpolation:
    """The loss at states between two checkpoints, or two models of one kind (Goodfellow et al., 2015).

    Running statistics of normalisations are interpolated like weights; they need not be right between the ends, which
    may raise the loss there (Jordan et al., 2023).

    Parameters
    ----------
    model : torch.nn.Module
        Of the kind of both; it is copied.
    first, second : mappings of str to tensor
        State dicts.
    loss : callable
        From a model to its loss; see `mean_loss`.
    points : int
        How many states, with the ends.

    Raises
    ------
    ValueError
        For state dicts that do not fit the model.
    """
    if points < 2:
        raise ValueError(f"points must be at least 2, got {points}")
    copied = separate(model)
    for name, state in (("first", first), ("second", second)):
        try:
            copied.load_state_dict(dict(state))
        except RuntimeError as error:
            raise ValueError(f"{name} must be a state dict of this model: {error}") from error
    copied.load_state_dict(dict(first))
    kept = {**dict(copied.named_parameters()), **dict(copied.named_buffers())}
    way = {name: value for name, value in difference(first, second).items() if name in kept}
    origin = {name: kept[name].detach().clone() for name in way}
    shares = np.linspace(0, 1, points)
    values = []
    for share in shares:
        if share == 1:
            copied.load_state_dict(dict(second))  # exactly, with its whole numbers
        else:
            moved(copied, origin, {0: float(share)}, [way])
        values.append(float(loss(copied)))
    return Interpolation(shares=shares, values=np.array(values))
