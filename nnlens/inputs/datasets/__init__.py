"""Data sets as ready inputs of a model by index."""

from .image_dataset import ImageDataset, first_value
from .laid_out_dataset import LaidOutDataset

__all__ = ["ImageDataset", "LaidOutDataset", "first_value"]
