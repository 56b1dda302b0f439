"""The network as a chaotic system: how small differences grow over depth and time, and what theory says of it.

>>> import torch
>>> from nnlens.kernels import chaos
>>> found = chaos.lyapunov(lambda x, _step: 4 * x * (1 - x), torch.tensor([0.3]), steps=2000, transient=50)
>>> bool(abs(found.values[0] - 0.693) < 0.02)
True
"""

from .changed import at_initialisation, weight_variance, with_scaled_weights
from .decision import Adversarial, decision_distance, deepfool
from .growth import Growth, gradient_direction, growth, random_directions
from .lyapunov import Exponents, lyapunov
from .mean_field import MeanField, critical_weight_variance, gaussian_exponents, mean_field
from .recurrent import recurrent_exponents, recurrent_layers
from .stretch import Stretch, stretch

__all__ = [
    "Adversarial",
    "Exponents",
    "Growth",
    "MeanField",
    "Stretch",
    "at_initialisation",
    "critical_weight_variance",
    "decision_distance",
    "deepfool",
    "gaussian_exponents",
    "gradient_direction",
    "growth",
    "lyapunov",
    "mean_field",
    "random_directions",
    "recurrent_exponents",
    "recurrent_layers",
    "stretch",
    "weight_variance",
    "with_scaled_weights",
]
