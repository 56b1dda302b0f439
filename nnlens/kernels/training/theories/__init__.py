"""Theories of learning as small experiments: what a theory says, beside what is measured.

>>> from nnlens.kernels.training import theories
>>> round(float(theories.neural_tangent_kernel(0.5)), 5)
0.94233
"""

from .double_descent import DoubleDescent, double_descent, expected_risk, random_features
from .edge_of_chaos import EdgeOfChaos, LayerScale, edge_of_chaos, expected_correlations, layer_scales
from .edge_of_stability import EdgeOfStability, edge_of_stability, edge_of_stability_steps
from .information_plane import InformationPlane, hidden_values_steps, information_plane
from .neural_collapse import NeuralCollapse, neural_collapse, neural_collapse_steps
from .stability import class_mean_accuracy, shift_change
from .tangent_kernel import TangentNetwork, finite_tangent_kernel, kernel_change, neural_tangent_kernel

__all__ = [
    "DoubleDescent",
    "EdgeOfChaos",
    "EdgeOfStability",
    "InformationPlane",
    "LayerScale",
    "NeuralCollapse",
    "TangentNetwork",
    "class_mean_accuracy",
    "double_descent",
    "edge_of_chaos",
    "edge_of_stability",
    "edge_of_stability_steps",
    "expected_correlations",
    "expected_risk",
    "finite_tangent_kernel",
    "hidden_values_steps",
    "information_plane",
    "kernel_change",
    "layer_scales",
    "neural_collapse",
    "neural_collapse_steps",
    "neural_tangent_kernel",
    "random_features",
    "shift_change",
]
