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
from .facet import Facet, nearest_facet
from .line import Line, line_pieces, line_samples
from .local_map import LocalMap, local_map
from .pieces import Kind, NotPiecewiseLinearError, kind_of
from .regions import Region, Regions, TooManyRegionsError, near_box, regions
from .samples import plane_scores
from .surrogate import SurrogateFits, installed_surrogates, surrogate_steps
from .validity import Validity, validity

__all__ = [
    "Border",
    "Facet",
    "Kind",
    "Line",
    "LocalMap",
    "NotPiecewiseLinearError",
    "Region",
    "Regions",
    "SurrogateFits",
    "TooManyRegionsError",
    "Validity",
    "border",
    "installed_surrogates",
    "kind_of",
    "line_pieces",
    "line_samples",
    "local_map",
    "near_box",
    "nearest_facet",
    "plane_scores",
    "regions",
    "surrogate_steps",
    "validity",
]
