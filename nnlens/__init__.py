"""nnlens: look inside a neural network from a notebook."""

from . import inputs, kernels, zoo
from .evaluation import Report, evaluate
from .export import set_mode
from .lens import Lens
from .recording import ForwardError, Recorder, Recording, record
from .selection import Selection

__version__ = "0.1.0"
__all__ = [
    "ForwardError",
    "Lens",
    "Recorder",
    "Recording",
    "Report",
    "Selection",
    "evaluate",
    "inputs",
    "kernels",
    "record",
    "set_mode",
    "zoo",
]
