"""The views: each is a folder, named as the method of `Lens` that opens it."""

from .activations.view import ActivationsWidget
from .attention.view import AttentionWidget
from .attribution.view import AttributionWidget
from .cells.view import CellsWidget
from .compare.view import CompareWidget
from .examples.view import ExamplesWidget
from .explorer.view import Explorer
from .exponents.view import ExponentsWidget
from .filters.view import FiltersWidget
from .formula.view import FormulaWidget
from .landscape.view import LandscapeWidget
from .local_map.view import LocalMapWidget
from .logit_lens.view import LogitLensWidget
from .occlusion.view import OcclusionWidget
from .regions.view import RegionsWidget
from .replacements.view import ReplacementsWidget
from .sensitivity.view import SensitivityWidget
from .similarity.view import SimilarityWidget
from .theory.view import TheoryWidget
from .training.view import TrainingWidget
from .unit.view import UnitWidget
from .weights.view import WeightsWidget

__all__ = [
    "ActivationsWidget",
    "AttentionWidget",
    "AttributionWidget",
    "CellsWidget",
    "CompareWidget",
    "ExamplesWidget",
    "Explorer",
    "ExponentsWidget",
    "FiltersWidget",
    "FormulaWidget",
    "LandscapeWidget",
    "LocalMapWidget",
    "LogitLensWidget",
    "OcclusionWidget",
    "RegionsWidget",
    "ReplacementsWidget",
    "SensitivityWidget",
    "SimilarityWidget",
    "TheoryWidget",
    "TrainingWidget",
    "UnitWidget",
    "WeightsWidget",
]
