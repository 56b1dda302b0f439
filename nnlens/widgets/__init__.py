"""The views: one class per widget, which wires a lens to the built JavaScript."""

from .activations import ActivationsWidget
from .attribution import AttributionWidget
from .attribution_result import Attributions
from .examples import ExamplesWidget
from .explorer import Explorer
from .occlusion import OcclusionWidget
from .unit import UnitCard, UnitWidget

__all__ = [
    "ActivationsWidget",
    "AttributionWidget",
    "Attributions",
    "ExamplesWidget",
    "Explorer",
    "OcclusionWidget",
    "UnitCard",
    "UnitWidget",
]
