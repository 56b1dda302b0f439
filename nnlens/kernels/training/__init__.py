"""Training: figures of layers, checkpoints, the loss around the weights, how alike two states of a model are.

>>> import torch
>>> from nnlens.kernels import training
>>> model = torch.nn.Linear(2, 1)
>>> loss = training.mean_loss(torch.eye(2), torch.ones(2, 1))
>>> training.landscape(model, loss, points=5).values.shape
(5,)
"""

from . import theories
from .alarms import Alarm
from .checkpoints import Checkpoints
from .figures import ActivationFigures, WeightFigures, activation_figures, weight_figures
from .film import Film, film_steps
from .hessian import hessian_eigenvalues, hessian_steps
from .history import History, Measurement
from .landscape.directions import filter_normalised
from .landscape.interpolation import Interpolation, interpolation
from .landscape.landscape import Landscape, landscape, landscape_steps
from .landscape.path import WeightPath, weight_path
from .loss import Loss, MeanLoss, mean_loss
from .optimiser_steps import OptimiserSteps
from .similarity import Similarity, changed_units, similarity

__all__ = [
    "ActivationFigures",
    "Alarm",
    "Checkpoints",
    "Film",
    "History",
    "Interpolation",
    "Landscape",
    "Loss",
    "MeanLoss",
    "Measurement",
    "OptimiserSteps",
    "Similarity",
    "WeightFigures",
    "WeightPath",
    "activation_figures",
    "changed_units",
    "film_steps",
    "filter_normalised",
    "hessian_eigenvalues",
    "hessian_steps",
    "interpolation",
    "landscape",
    "landscape_steps",
    "mean_loss",
    "similarity",
    "theories",
    "weight_figures",
    "weight_path",
]
