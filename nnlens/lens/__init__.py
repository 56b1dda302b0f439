"""The entry point of nnlens: a model with its preprocessing and labels."""

from .compare import compare
from .lens import Lens

__all__ = ["Lens", "compare"]
