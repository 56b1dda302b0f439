"""How small changes of an input grow from layer to layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.passes.tangents import tangent_pass
from nnlens.recording import borrow, record
from nnlens.scores.meaning import Pick
from nnlens.utils.language import _, number

from .passes import checked_input, classes_of


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Growth:
    """By what factor relative changes grow between the input and each layer.

    Attributes
    ----------
    layers : tuple of str
        The operations that depend on the input, in their order.
    factors : float64 array (directions, layers)
        (‖change of the layer‖ / ‖layer‖) ÷ (‖change of the input‖ / ‖input‖): 1 where the
        network only scales.
    """

    layers: tuple[str, ...]
    factors: Float[np.ndarray, "directions layers"]

    def describe(self) -> str:
        """In words: "at the last layer relative changes are 3.1 times as large (1.2 to 8.4 of 16 directions)"."""
        last = self.factors[:, -1]
        low, middle, high = (number(f"{value:.3g}") for value in np.quantile(last, (0, 0.5, 1)))
        return _(
            "at the last layer relative changes are {factor} times as large ({low} to {high} of {count} directions)",
            factor=middle,
            low=low,
            high=high,
            count=len(last),
        )

    def __repr__(self) -> str:
        return f"Growth({self.describe()})"


def growth(model: nn.Module, x: Float[Tensor, "1 ..."], directions: Float[Tensor, "k ..."]) -> Growth:
    """The relative growth of infinitely small changes: all directions through every layer's Jacobian in one pass.

    Parameters
    ----------
    directions : tensor (k, …)
        Their lengths do not count.

    Raises
    ------
    ValueError
        For what is not one input, and directions of another shape or of length 0.
    """
    point = checked_input(x)
    if directions.shape[1:] != point.shape[1:] or not bool(directions.flatten(1).any(1).all()):
        raise ValueError(
            f"directions must be (k, …) like x, {tuple(point.shape)}, and none of them 0, got {tuple(directions.shape)}"
        )
    length = float(point.norm()) or 1.0
    found: dict[str, np.ndarray] = {}

    def tell(name: str, value: Tensor, changes: Tensor) -> None:
        size = float(value.double().norm())
        if value.is_floating_point() and size > 0:
            found[name] = changes.flatten(1).double().norm(dim=1).cpu().numpy() / size

    # As long as the input, so that rounding counts alike for the values and their changes.
    sent = F.normalize(directions.to(point).flatten(1)).view_as(directions) * length
    tangent_pass(model, record(model, point), point, sent, tell)
    return Growth(layers=tuple(found), factors=np.stack(list(found.values()), 1))


def random_directions(x: Tensor, count: int, seed: int = 0) -> Float[Tensor, "count ..."]:
    """Directions of length 1, uniform over the sphere."""
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(count, *x.shape[1:], generator=generator)
    return F.normalize(made.flatten(1)).view_as(made)


def gradient_direction(model: nn.Module, x: Float[Tensor, "1 ..."], *, output: Pick = None) -> Float[Tensor, "1 ..."]:
    """The direction of length 1 in which the lead of the best class over the second falls fastest."""
    point = checked_input(x).clone().requires_grad_()
    with torch.inference_mode(False), borrow(model), torch.enable_grad():
        first, second = classes_of(model, point, output)[0].topk(2).values
        (gradient,) = torch.autograd.grad(second - first, point)
    length: Tensor = gradient.norm()
    if not bool(length > 0):
        raise ValueError("the scores do not depend on the input here: the gradient of the best class is 0")
    unit: Tensor = gradient / length
    return unit
