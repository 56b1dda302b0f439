"""The entry point of nnlens: a model with its preprocessing and labels."""

from .lens import Lens, compare

__all__ = ["Lens", "compare"]
