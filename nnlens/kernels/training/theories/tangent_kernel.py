"""The neural tangent kernel of wide networks with ReLU, and that of a network of any width."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn


def neural_tangent_kernel(cosine: float | np.ndarray, *, hidden: int = 1) -> np.ndarray:
    """The kernel of an infinitely wide network with ReLU for inputs of length 1 (Jacot et al., 2018).

    With κ₁(u) = (u (π − arccos u) + √(1 − u²)) ÷ π and κ₀(u) = (π − arccos u) ÷ π (Cho & Saul, 2009), weights of
    variance 2 and no biases: Σ ← κ₁(Σ), Θ ← κ₁(Σ) + Θ κ₀(Σ), from Σ = Θ = u.

    Parameters
    ----------
    cosine : float or array
        u, the cosine between two inputs.
    hidden : int
        How many hidden layers.

    Returns
    -------
    array of the shape of `cosine`
    """
    if hidden < 1:
        raise ValueError(f"hidden must be at least 1, got {hidden}")
    values = np.asarray(cosine, float)
    if (np.abs(values) > 1).any():
        raise ValueError(f"cosine must be −1…1, got {values.flat[int(np.abs(values).argmax())]}")
    covariance, kernel = values, values
    for _layer in range(hidden):
        angle = np.pi - np.arccos(np.clip(covariance, -1, 1))
        slope = angle / np.pi
        grown = (covariance * angle + np.sqrt(np.clip(1 - covariance**2, 0, None))) / np.pi
        covariance, kernel = grown, grown + kernel * slope
    return kernel


class TangentNetwork(nn.Module):
    """A network with ReLU whose kernel tends to `neural_tangent_kernel` as it becomes wider.

    Weights are drawn with variance 1, and each layer's result is scaled instead ("NTK parametrisation").

    Parameters
    ----------
    inputs, width, hidden : int
        How many inputs, units in each hidden layer, and hidden layers.
    seed : int
    """

    def __init__(self, inputs: int, width: int, *, hidden: int = 1, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sizes = [inputs, *[width] * hidden, 1]
        self.layers = nn.ParameterList(
            nn.Parameter(torch.randn(after, before, generator=generator)) for before, after in pairwise(sizes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """One number for each row of x (n, inputs)."""
        x = x @ self.layers[0].T
        for layer in list(self.layers)[1:]:
            x = torch.relu(x) @ layer.T * math.sqrt(2 / layer.shape[1])
        return x[:, 0]


def finite_tangent_kernel(model: nn.Module, x: Tensor, *, output: int = 0) -> Tensor:
    """The kernel of a network as it is: the scalar products of its gradients by the weights at pairs of inputs.

    Parameters
    ----------
    x : tensor (n, ...)
    output : int
        Of which output, where there are several.

    Returns
    -------
    tensor (n, n)
    """
    weights = {name: item.detach() for name, item in model.named_parameters()}
    buffers = dict(model.named_buffers())

    def one(values: dict[str, Tensor], row: Tensor) -> Tensor:
        result: Tensor = torch.func.functional_call(model, {**values, **buffers}, (row[None],))
        return result.reshape(-1)[output]

    with torch.inference_mode(False):
        slopes = torch.func.vmap(torch.func.grad(one), (None, 0))(weights, x)
    flat = torch.cat([slope.reshape(len(x), -1) for slope in slopes.values()], 1).detach()
    return flat @ flat.T
