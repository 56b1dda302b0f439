"""Analyses: functions of a model and tensors that give frozen results. They know no widget and no picture."""

from .ablation import Ablation, ablation
from .activations import Activations, activations
from .attribution import (
    METHODS,
    Attribution,
    Method,
    Subject,
    Surrogate,
    TextAttribution,
    attention_rollout,
    attribution,
    attribution_steps,
    deconvnet,
    extremal_perturbation,
    grad_cam,
    grad_cam_plus_plus,
    gradient,
    guided_backprop,
    guided_grad_cam,
    input_x_gradient,
    integrated_gradients,
    kernel_shap,
    lime,
    lime_text,
    rise,
    smoothgrad,
    superpixels,
)
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
    "METHODS",
    "Ablation",
    "Activations",
    "Attribution",
    "BackProjection",
    "Connections",
    "Cost",
    "DatasetExamples",
    "Example",
    "Grid",
    "Incremental",
    "LayerExamples",
    "Method",
    "Occlusion",
    "Part",
    "Prepared",
    "QuantileSketch",
    "ReceptiveField",
    "Share",
    "Subject",
    "Summary",
    "Surrogate",
    "Synthesis",
    "TextAttribution",
    "ablation",
    "activations",
    "attention_rollout",
    "attribution",
    "attribution_steps",
    "back_projection",
    "class_scores",
    "connections",
    "deconvnet",
    "examples",
    "examples_steps",
    "extremal_perturbation",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient",
    "guided_backprop",
    "guided_grad_cam",
    "input_x_gradient",
    "integrated_gradients",
    "is_distribution",
    "kernel_shap",
    "lime",
    "lime_text",
    "masked_scores",
    "occluded_scores",
    "occlusion",
    "occlusion_series",
    "occlusion_steps",
    "prepare_passes",
    "probabilities",
    "receptive_field",
    "rise",
    "seen_by",
    "size_curve",
    "smoothgrad",
    "summary",
    "superpixels",
    "synthesis",
    "synthesis_steps",
    "token_grids",
]
