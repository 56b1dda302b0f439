"""Analyses: functions of a model and tensors that give frozen results. They know no widget and no picture."""

from .ablation import Ablation, ablation
from .activations import Activations, activations
from .back_projection import BackProjection, back_projection
from .connections import Connections, Part, connections
from .examples import DatasetExamples, examples, examples_steps
from .incremental import Incremental
from .layer_examples import Example, LayerExamples
from .layout import Grid
from .occluded import masked_scores, occluded_scores, size_curve
from .occlusion import occlusion, occlusion_series, occlusion_steps
from .occlusion_engine import prepare_passes
from .occlusion_map import Occlusion
from .prepared import Prepared
from .quantiles import QuantileSketch
from .receptive_field import ReceptiveField, receptive_field, seen_by, token_grids
from .scores import class_scores, is_distribution, probabilities
from .summary import Cost, Summary, summary
from .synthesis import Synthesis, synthesis, synthesis_steps
from .windows import Share

__all__ = [
    "Ablation",
    "Activations",
    "BackProjection",
    "Connections",
    "Cost",
    "DatasetExamples",
    "Example",
    "Grid",
    "Incremental",
    "LayerExamples",
    "Occlusion",
    "Part",
    "Prepared",
    "QuantileSketch",
    "ReceptiveField",
    "Share",
    "Summary",
    "Synthesis",
    "ablation",
    "activations",
    "back_projection",
    "class_scores",
    "connections",
    "examples",
    "examples_steps",
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
    "synthesis",
    "synthesis_steps",
    "token_grids",
]
