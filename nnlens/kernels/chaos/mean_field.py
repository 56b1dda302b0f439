"""What theory says of very wide random networks: where signals settle, and whether differences grow over depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnlens.utils.language import _, number

Activation = Literal["tanh", "relu"]
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(201)
_WEIGHTS = _WEIGHTS / math.sqrt(2 * math.pi)


@dataclass(frozen=True, kw_only=True)
class MeanField:
    """A random network of infinite width in the limit of many layers.

    Attributes
    ----------
    length : float
        q*, the variance of a unit's input after many layers; infinite or 0 where it grows or shrinks for ever.
    growth : float
        χ, the factor by which the squared distance of two near inputs grows from layer to layer.
    """

    length: float
    growth: float

    @property
    def exponent(self) -> float:
        """½ ln χ: the Lyapunov exponent per layer."""
        return 0.5 * math.log(self.growth) if self.growth > 0 else -math.inf

    @property
    def depth(self) -> float:
        """1 / |ln χ|: over how many layers a signal or a gradient is carried (Schoenholz et al. 2017, equation 10)."""
        return math.inf if self.growth == 1 else 1 / abs(math.log(self.growth)) if self.growth > 0 else 0.0

    def describe(self) -> str:
        """In words: "chaos: differences grow by 1.07 per layer, over a depth of 7.8 layers"."""
        words = {"factor": number(f"{math.sqrt(self.growth):.3g}"), "depth": number(f"{self.depth:.2g}")}
        if self.growth > 1:
            return _("chaos: differences grow {factor} times per layer; depth scale {depth} layers", **words)
        return _("order: differences shrink to {factor} per layer; depth scale {depth} layers", **words)


def mean_field(activation: Activation, weight_variance: float, bias_variance: float) -> MeanField:
    """The fixed point of a wide network with weights of variance σw² / width and biases of variance σb².

    Poole et al. 2016 (arXiv:1606.05340), equations 3 and 7: q* = σw² ∫ φ(√q* z)² Dz + σb², χ = σw² ∫ φ′(√q* z)² Dz
    over the normal distribution, with Gauss–Hermite quadrature at 201 points.

    Raises
    ------
    ValueError
        For another activation, and for variances below 0.
    """
    if activation not in ("tanh", "relu"):
        raise ValueError(f'activation must be "tanh" or "relu", got {activation!r}')
    if not weight_variance > 0 or not bias_variance >= 0:
        raise ValueError(
            f"weight_variance must be above 0 and bias_variance at least 0, got {weight_variance} and {bias_variance}"
        )
    if activation == "relu":
        half = weight_variance / 2  # ∫ φ² Dz = q / 2 and ∫ φ′² Dz = 1 / 2
        if half < 1:
            return MeanField(length=bias_variance / (1 - half), growth=half)
        steady = half == 1 and bias_variance == 0
        return MeanField(length=math.nan if steady else math.inf, growth=half)
    length = _fixed_length(weight_variance, bias_variance)
    slope = 1 - np.tanh(math.sqrt(length) * _NODES) ** 2
    return MeanField(length=length, growth=float(weight_variance * (_WEIGHTS @ slope**2)))


def _fixed_length(weight_variance: float, bias_variance: float) -> float:
    """q* of tanh by bisection: the right side minus q falls through 0 once."""

    def excess(length: float) -> float:
        mean = float(_WEIGHTS @ np.tanh(math.sqrt(length) * _NODES) ** 2)
        return weight_variance * mean + bias_variance - length

    low, high = 0.0, weight_variance + bias_variance
    if bias_variance == 0:
        low = 1e-12
        if excess(low) <= 0:
            return 0.0
    for _step in range(200):
        middle = (low + high) / 2
        if excess(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def critical_weight_variance(activation: Activation, bias_variance: float) -> float:
    """The σw² at which χ is 1, between order and chaos (Schoenholz et al. 2017, arXiv:1611.01232, figure 1).

    For ReLU it is 2 whatever the biases, and a steady length has the network there without biases only.
    """
    if activation == "relu":
        return 2.0
    low, high = 1e-6, 2.0
    while mean_field(activation, high, bias_variance).growth < 1:
        high *= 2
    for _step in range(60):
        middle = (low + high) / 2
        if mean_field(activation, middle, bias_variance).growth < 1:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def gaussian_exponents(width: int, scale: float) -> np.ndarray:
    """The Lyapunov exponents of products of Gaussian matrices (width × width, entries of variance scale² / width).

    A deep linear network at initialisation: λ_k = ½ [ln(2 scale² / N) + ψ((N − k + 1) / 2)] (Newman 1986,
    doi:10.1007/BF01464284), ψ the digamma function. (width,), the largest first.
    """
    import torch

    halves = torch.arange(width, 0, -1, dtype=torch.float64) / 2
    return np.asarray(0.5 * (math.log(2 * scale**2 / width) + torch.digamma(halves).numpy()))
