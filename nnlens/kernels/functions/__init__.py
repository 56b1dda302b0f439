"""The network as a function: the linear piece that is valid at an input, and how far it reaches.

>>> import torch
>>> from nnlens.kernels import functions
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)).double()
>>> x = torch.tensor([[0.5, -0.25]], dtype=torch.float64)
>>> piece = functions.local_map(model, x)
>>> bool(abs(piece.at(x) - piece.value).max() < 1e-9)
True
"""

from .border import Border, border
from .local_map import LocalMap, local_map
from .pieces import Kind, NotPiecewiseLinearError, kind_of
from .regions import Region, Regions, TooManyRegionsError, near_box, regions
from .samples import plane_scores

__all__ = [
    "Border",
    "Kind",
    "LocalMap",
    "NotPiecewiseLinearError",
    "Region",
    "Regions",
    "TooManyRegionsError",
    "border",
    "kind_of",
    "local_map",
    "near_box",
    "plane_scores",
    "regions",
]
