"""Analyses: functions of a model and tensors that return frozen results. They do not depend on widgets or pictures."""

from nnlens.geometry.axes import Grid
from nnlens.geometry.receptive_field import ReceptiveField, receptive_field, seen_by, token_grids
from nnlens.passes.prepare import prepare_passes
from nnlens.passes.prepared import Prepared
from nnlens.scores.class_map import class_map
from nnlens.scores.detection import detect_meaning, way_to_scores
from nnlens.scores.meaning import ScoreMeaning, class_scores, is_distribution

from .attribution.evidence.evidence import (
    CHECKS,
    Evidence,
    Finding,
    baseline_curves_steps,
    evidence_cost,
    evidence_steps,
)
from .attribution.evidence.faithfulness import BaselineCurves, Curves, Deletion, Faithfulness
from .attribution.evidence.pointing import mass_inside, pointing_game
from .attribution.evidence.randomisation import Randomisation, randomisation_steps, randomised_copy
from .attribution.evidence.similarity import MapSimilarity, edges, map_similarity, spearman, structural_similarity
from .attribution.evidence.stability import SeedSpread, Sensitivity, agreement, seed_spread_steps, sensitivity_steps
from .attribution.functions import (
    attention_rollout,
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
    rise,
    smoothgrad,
)
from .attribution.methods.text import TextAttribution, lime_text
from .attribution.registry import METHODS, Method, attribution, attribution_steps
from .attribution.result import Attribution
from .attribution.subject import Subject
from .attribution.superpixels import superpixels
from .attribution.surrogate import Surrogate
from .cost.summary import Cost, Summary, summary
from .embed import embed
from .occlusion.difference import occlusion_difference
from .occlusion.experiment import occlusion, occlusion_series, occlusion_steps
from .occlusion.occluded import channel_scores, masked_scores, occluded_scores, size_curve
from .occlusion.occlusion_map import Occlusion
from .occlusion.volume import VolumeOcclusion, volume_occlusion, volume_occlusion_steps
from .occlusion.windows.incremental import Incremental
from .occlusion.windows.plan import OperationPlan
from .units.ablation import Ablation, DatasetAblation, ablation, dataset_ablation_steps
from .units.activations import Activations, activations
from .units.back_projection import BackProjection, back_projection
from .units.connections import Connections, Contribution, connections
from .units.difference import ActivationDifference, activation_difference
from .units.examples.found import DatasetExamples
from .units.examples.layer_examples import Example, LayerExamples
from .units.examples.quantiles import QuantileSketch
from .units.examples.search import examples, examples_steps
from .units.synthesis import Synthesis, synthesis, synthesis_steps

__all__ = [
    "CHECKS",
    "METHODS",
    "Ablation",
    "ActivationDifference",
    "Activations",
    "Attribution",
    "BackProjection",
    "BaselineCurves",
    "Connections",
    "Contribution",
    "Cost",
    "Curves",
    "DatasetAblation",
    "DatasetExamples",
    "Deletion",
    "Evidence",
    "Example",
    "Faithfulness",
    "Finding",
    "Grid",
    "Incremental",
    "LayerExamples",
    "MapSimilarity",
    "Method",
    "Occlusion",
    "OperationPlan",
    "Prepared",
    "QuantileSketch",
    "Randomisation",
    "ReceptiveField",
    "ScoreMeaning",
    "SeedSpread",
    "Sensitivity",
    "Subject",
    "Summary",
    "Surrogate",
    "Synthesis",
    "TextAttribution",
    "VolumeOcclusion",
    "ablation",
    "activation_difference",
    "activations",
    "agreement",
    "attention_rollout",
    "attribution",
    "attribution_steps",
    "back_projection",
    "baseline_curves_steps",
    "channel_scores",
    "class_map",
    "class_scores",
    "connections",
    "dataset_ablation_steps",
    "deconvnet",
    "detect_meaning",
    "edges",
    "embed",
    "evidence_cost",
    "evidence_steps",
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
    "map_similarity",
    "masked_scores",
    "mass_inside",
    "occluded_scores",
    "occlusion",
    "occlusion_difference",
    "occlusion_series",
    "occlusion_steps",
    "pointing_game",
    "prepare_passes",
    "randomisation_steps",
    "randomised_copy",
    "receptive_field",
    "rise",
    "seed_spread_steps",
    "seen_by",
    "sensitivity_steps",
    "size_curve",
    "smoothgrad",
    "spearman",
    "structural_similarity",
    "summary",
    "superpixels",
    "synthesis",
    "synthesis_steps",
    "token_grids",
    "volume_occlusion",
    "volume_occlusion_steps",
    "way_to_scores",
]
