"""Directions in the space of a model's weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]


def filter_normalised(model: nn.Module, *, seed: int = 0) -> dict[str, Tensor]:
    """A random direction whose filters are as long as those of the model (Li et al., 2018, section 4).

    Scaling a layer before a rectifier by c and the next one by 1/c changes neither the network nor what is seen along
    this direction: that is what the lengths are for. Biases and the parameters of normalisations are left as they are
    (their components are 0), as in the published figures.

    Parameters
    ----------
    seed : int
        Of the random numbers: two directions with different seeds are nearly orthogonal.

    Returns
    -------
    dict of str to tensor
        A tensor for each parameter, by its name and of its shape.
    """
    generator = torch.Generator().manual_seed(seed)
    result = {}
    for name, weight in model.named_parameters():
        drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        if weight.ndim < 2:
            result[name] = torch.zeros_like(weight)
            continue
        rows = weight.detach().double().cpu().flatten(1)
        lengths = drawn.flatten(1).norm(dim=1, keepdim=True).clamp_min(1e-30)
        scaled = drawn.flatten(1) / lengths * rows.norm(dim=1, keepdim=True)
        result[name] = scaled.reshape(weight.shape).to(weight)
    return result


def difference(first: Weights, second: Weights) -> dict[str, Tensor]:
    """The direction from `first` to `second`: of the tensors of floating numbers that both have."""
    return {
        name: (second[name].to(tensor) - tensor).detach()
        for name, tensor in first.items()
        if name in second and tensor.is_floating_point()
    }


@torch.no_grad()
def moved(model: nn.Module, origin: Weights, steps: Mapping[int, float], directions: list[Weights]) -> None:
    """Set the model to `origin` plus steps along some of the directions, by their place in the list."""
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for name, start in origin.items():
        value = start
        for which, step in steps.items():
            if step and name in directions[which]:
                value = value + step * directions[which][name].to(value)
        own[name].copy_(value)
