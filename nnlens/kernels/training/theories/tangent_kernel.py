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


def kernel_change(
    inputs: Tensor, answers: Tensor, width: int, *, hidden: int = 1, steps: int = 200, rate: float = 0.2, seed: int = 0
) -> float:
    """How far the kernel of a `TangentNetwork` moves while it is trained: ‖Θ after − Θ before‖ ÷ ‖Θ before‖.

    In the limit of infinite width it does not move, which makes training linear (Jacot et al., 2018). Gradient descent
    on half the mean squared error, at the same rate for all widths.

    Parameters
    ----------
    inputs, answers : tensor (n, d) and (n,)
        What is learned.
    width, hidden : int
        Of the network.
    steps : int
        Of gradient descent.
    rate : float
        The learning rate.
    """
    model = TangentNetwork(inputs.shape[1], width, hidden=hidden, seed=seed)
    before = finite_tangent_kernel(model, inputs)
    with torch.inference_mode(False), torch.enable_grad():
        start = model(inputs).detach()  # what it says before training is taken off, so that all widths begin alike
        optimiser = torch.optim.SGD(model.parameters(), lr=rate)
        for _step in range(steps):
            optimiser.zero_grad()
            (0.5 * (model(inputs) - start - answers).square().mean()).backward()
            optimiser.step()
    after = finite_tangent_kernel(model, inputs)
    return float((after - before).norm() / before.norm())
