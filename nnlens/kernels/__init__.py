"""Analyses: functions of a model and tensors that give frozen results. They know no widget and no picture."""

from .activations import Activations, activations
from .occlusion import Occlusion, occluded_scores, occlusion, occlusion_steps
from .scores import class_scores, is_distribution, probabilities

__all__ = [
    "Activations",
    "Occlusion",
    "activations",
    "class_scores",
    "is_distribution",
    "occluded_scores",
    "occlusion",
    "occlusion_steps",
    "probabilities",
]
