"""The parts of the unit card, each a view's traits and their wiring."""

from .ablation import AblationPart
from .connections import ConnectionsPart
from .examples import ExamplesPart
from .pixels import PixelsPart
from .synthesis import SynthesisPart

__all__ = ["AblationPart", "ConnectionsPart", "ExamplesPart", "PixelsPart", "SynthesisPart"]
