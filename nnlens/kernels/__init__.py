"""Analyses: functions of a model and tensors that give frozen results. They know no widget and no picture."""

from .activations import Activations, activations
from .back_projection import BackProjection, back_projection
from .incremental import Incremental
from .layout import Grid
from .occluded import masked_scores, occluded_scores, size_curve
from .occlusion import occlusion, occlusion_series, occlusion_steps
from .occlusion_engine import prepare_passes
from .occlusion_map import Occlusion
from .prepared import Prepared
from .receptive_field import ReceptiveField, receptive_field, seen_by, token_grids
from .scores import class_scores, is_distribution, probabilities
from .summary import Cost, Summary, summary
from .windows import Share

__all__ = [
    "Activations",
    "BackProjection",
    "Cost",
    "Grid",
    "Incremental",
    "Occlusion",
    "Prepared",
    "ReceptiveField",
    "Share",
    "Summary",
    "activations",
    "back_projection",
    "class_scores",
    "is_distribution",
    "masked_scores",
    "occluded_scores",
    "occlusion",
    "occlusion_series",
    "occlusion_steps",
    "prepare_passes",
    "probabilities",
    "receptive_field",
    "seen_by",
    "size_curve",
    "summary",
    "token_grids",
]
