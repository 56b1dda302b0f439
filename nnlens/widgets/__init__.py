"""The views: each is a folder, named as the method of `Lens` that opens it."""

from .activations.view import ActivationsWidget
from .attribution.view import AttributionWidget
from .compare.view import CompareWidget
from .examples.view import ExamplesWidget
from .explorer.view import Explorer
from .occlusion.view import OcclusionWidget
from .unit.view import UnitWidget

__all__ = [
    "ActivationsWidget",
    "AttributionWidget",
    "CompareWidget",
    "ExamplesWidget",
    "Explorer",
    "OcclusionWidget",
    "UnitWidget",
]
