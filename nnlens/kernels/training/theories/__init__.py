"""Theories of learning as small experiments: what a theory says, beside what is measured.

>>> from nnlens.kernels.training import theories
>>> round(float(theories.neural_tangent_kernel(0.5)), 5)
0.94233
"""

from .double_descent import DoubleDescent, double_descent, expected_risk
from .edge_of_stability import EdgeOfStability, edge_of_stability, edge_of_stability_steps
from .information_plane import InformationPlane, information_plane
from .neural_collapse import NeuralCollapse, neural_collapse
from .tangent_kernel import TangentNetwork, finite_tangent_kernel, neural_tangent_kernel

__all__ = [
    "DoubleDescent",
    "EdgeOfStability",
    "InformationPlane",
    "NeuralCollapse",
    "TangentNetwork",
    "double_descent",
    "edge_of_stability",
    "edge_of_stability_steps",
    "expected_risk",
    "finite_tangent_kernel",
    "information_plane",
    "neural_collapse",
    "neural_tangent_kernel",
]
