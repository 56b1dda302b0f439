"""Copies of a network with other weights, to compare its sensitivity with: at initialisation, and scaled."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nnlens.recording.record import copy_of

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def at_initialisation(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy whose modules have drawn their parameters anew, each by its own `reset_parameters`.

    Parameters that belong to no such module stay. The random state of torch is left as it was.
    """
    made = _copied(model)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in made.modules():
            reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if callable(reset):
                reset()
    return made


def with_scaled_weights(model: nn.Module, factor: float) -> nn.Module:
    """A copy with the weights of linear layers and convolutions times a factor; biases and normalisation stay.

    Weights that several layers share are scaled once. A weight that is computed from other parameters (weight
    normalisation) is scaled by a further parametrization.

    Raises ValueError for a factor that is not above 0.
    """
    if not 0 < factor < math.inf:
        raise ValueError(f"factor must be above 0 and finite, got {factor}")
    made = _copied(model)
    scaled: set[int] = set()
    with torch.no_grad():
        for module in made.modules():
            if not isinstance(module, _WEIGHTED):
                continue
            if parametrize.is_parametrized(module, "weight"):
                parametrize.register_parametrization(module, "weight", _Times(factor), unsafe=True)
            elif id(module.weight) not in scaled:
                scaled.add(id(module.weight))
                module.weight.mul_(factor)
    return made


def weight_variance(model: nn.Module) -> float:
    """σw², the variance of a weight times the number of inputs: the geometric mean over linear layers and convolutions.

    NaN for a model without such layers.
    """
    found = []
    for module in model.modules():
        if isinstance(module, _WEIGHTED):
            weight = module.weight.detach().double()
            inputs = weight[0].numel()
            variance = float(weight.square().mean()) * inputs
            if variance > 0:
                found.append(math.log(variance))
    return math.exp(sum(found) / len(found)) if found else math.nan


class _Times(nn.Module):
    """A parametrization: the weight times a factor."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, weight: Tensor) -> Tensor:
        return self.factor * weight


def _copied(model: nn.Module) -> nn.Module:
    return copy_of(model).requires_grad_(False).eval()
