"""The weights of a network: filters, their distributions and spectra, and simpler ones in their place.

>>> import torch
>>> from nnlens.kernels import weights
>>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 5), torch.nn.ReLU(), torch.nn.Conv2d(16, 8, 3))
>>> [weight.name for weight in weights.find(model)]
['0', '2']
>>> weights.compare_with_initial(weights.find_one(model, "0"), draws=3).numbers["energy above random"].outside
False
"""

from .comparison import Compared, Comparison, compare, compare_with_initial, compare_with_initial_steps
from .gabor import Gabor, fit_gabor, noise_fit
from .heads import Heads, attention_modules, heads
from .initial import initial_weight
from .layers import layer_of_weight, weight_of_layer
from .measures import measures
from .moments import Moments, moments
from .orientation import Orientation, Uniformity, orientation, uniformity
from .replacement.factors import METHODS, Factors, full_rank
from .replacement.replacing import Replacement, methods_for, replace
from .replacement.sweep import Sweep, sweep, sweep_steps
from .responses.expanded import Expanded, expanded_weights, expanded_weights_steps
from .responses.gratings import Tuning, grating, gratings, gratings_steps
from .similarity import chain, cosines, dead_filters, duplicates
from .spectrum import (
    Spectrum,
    marchenko_pastur_density,
    marchenko_pastur_quantiles,
    singular_values,
    spectrum,
)
from .statistics import ORDERS, FilterStatistics
from .tail import Tail, fit_tail
from .weight import Found, Weight, find, find_one

__all__ = [
    "METHODS",
    "ORDERS",
    "Compared",
    "Comparison",
    "Expanded",
    "Factors",
    "FilterStatistics",
    "Found",
    "Gabor",
    "Heads",
    "Moments",
    "Orientation",
    "Replacement",
    "Spectrum",
    "Sweep",
    "Tail",
    "Tuning",
    "Uniformity",
    "Weight",
    "attention_modules",
    "chain",
    "compare",
    "compare_with_initial",
    "compare_with_initial_steps",
    "cosines",
    "dead_filters",
    "duplicates",
    "expanded_weights",
    "expanded_weights_steps",
    "find",
    "find_one",
    "fit_gabor",
    "fit_tail",
    "full_rank",
    "grating",
    "gratings",
    "gratings_steps",
    "heads",
    "initial_weight",
    "layer_of_weight",
    "marchenko_pastur_density",
    "marchenko_pastur_quantiles",
    "measures",
    "methods_for",
    "moments",
    "noise_fit",
    "orientation",
    "replace",
    "singular_values",
    "spectrum",
    "sweep",
    "sweep_steps",
    "uniformity",
    "weight_of_layer",
]
