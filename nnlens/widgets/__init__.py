"""The views: one class per widget, which wires a lens to the built JavaScript."""

from .activations import ActivationsWidget
from .explorer import Explorer
from .occlusion import OcclusionWidget

__all__ = ["ActivationsWidget", "Explorer", "OcclusionWidget"]
