"""The entry point of nnlens: a model with its preprocessing and labels."""

from .callbacks import lightning_callback, transformers_callback
from .compare import compare
from .lens import Lens
from .theory import theory
from .watch import Watch

__all__ = ["Lens", "Watch", "compare", "lightning_callback", "theory", "transformers_callback"]
