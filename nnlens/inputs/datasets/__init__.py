"""Data sets as ready inputs of a model by index."""

from .image_dataset import ChosenImages, ImageDataset, LabelledImages, evenly, first_value
from .laid_out_dataset import LaidOutDataset

__all__ = ["ChosenImages", "ImageDataset", "LabelledImages", "LaidOutDataset", "evenly", "first_value"]
