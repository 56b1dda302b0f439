"""Gradient descent at the edge of stability (Cohen et al., 2021, arXiv:2103.00065)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from nnlens.utils.language import _, number

from ..hessian import sharpest
from ..loss import Loss, separate


@dataclass(kw_only=True)
class EdgeOfStability:
    """The loss and the sharpness along gradient descent with a fixed rate.

    Attributes
    ----------
    steps, losses, sharpness : array (n,)
        The sharpness is the largest eigenvalue of the loss's Hessian.
    bound : float
        2(1 + momentum) ÷ rate: on a quadratic with a larger eigenvalue gradient descent diverges.
    """

    steps: np.ndarray
    losses: np.ndarray
    sharpness: np.ndarray
    bound: float

    @property
    def settled(self) -> float:
        """The mean of the last quarter of the sharpness ÷ the bound; near 1 at the edge of stability."""
        last = self.sharpness[-max(1, len(self.sharpness) // 4) :]
        return float(last.mean() / self.bound)

    def describe(self) -> str:
        """The run in words."""
        return _(
            "The sharpness goes from {first} to {last}; gradient descent is stable below {bound}. The loss goes from "
            "{before} to {after}.",
            first=number(f"{self.sharpness[0]:.3g}"),
            last=number(f"{self.sharpness[-1]:.3g}"),
            bound=number(f"{self.bound:.3g}"),
            before=number(f"{self.losses[0]:.3g}"),
            after=number(f"{self.losses[-1]:.3g}"),
        )


def edge_of_stability_steps(
    model: nn.Module, loss: Loss, *, rate: float, steps: int = 4000, every: int = 100, momentum: float = 0.0
) -> Iterator[EdgeOfStability]:
    """`edge_of_stability` as it is computed: after each measurement what is known so far."""
    if not rate > 0 or not 0 <= momentum < 1:
        raise ValueError(f"rate must be above 0 and momentum 0…1, got {rate} and {momentum}")
    if steps < 1 or every < 1:
        raise ValueError(f"steps and every must be at least 1, got {steps} and {every}")
    copied = separate(model)
    optimiser = torch.optim.SGD(copied.parameters(), lr=rate, momentum=momentum)
    rows: list[tuple[int, float, float]] = []
    for step in range(steps + 1):
        with torch.inference_mode(False), torch.enable_grad():
            value = loss(copied)
            if not bool(torch.isfinite(value)):
                raise ValueError(
                    f"rate must be smaller: at {rate} the loss is {float(value.detach())} after {step} steps"
                )
            if step % every == 0:
                rows.append((step, float(value.detach()), float(sharpest(copied, loss, tolerance=1e-4)[0])))
                columns = [np.array(column) for column in zip(*rows, strict=True)]
                yield EdgeOfStability(
                    steps=columns[0], losses=columns[1], sharpness=columns[2], bound=2 * (1 + momentum) / rate
                )
            if step < steps:
                optimiser.zero_grad()
                value.backward()
                optimiser.step()


def edge_of_stability(
    model: nn.Module, loss: Loss, *, rate: float, steps: int = 4000, every: int = 100, momentum: float = 0.0
) -> EdgeOfStability:
    """Train a copy of the model by gradient descent on the whole data set, and measure how sharp the loss becomes.

    It is observed, not proved, that the sharpness rises until it reaches 2 ÷ rate, and stays about there while the loss
    goes on falling, no longer at every step. In batches it settles lower.

    Parameters
    ----------
    loss : callable
        From a model to its loss over the whole data set; see `mean_loss`.
    rate : float
        The learning rate.
    steps, every : int
        How many steps, and after how many the sharpness is measured.
    momentum : float
        Of the heavy ball; the bound is then 2(1 + momentum) ÷ rate.

    Raises
    ------
    ValueError
        For settings that do not fit, and where the loss becomes infinite.
    """
    return list(edge_of_stability_steps(model, loss, rate=rate, steps=steps, every=every, momentum=momentum))[-1]
