"""Attribution: which places of an input a score hangs on, by many methods, each held against its definition."""

from .evidence import CHECKS, Evidence, Statement, evidence_cost, evidence_steps, yardstick_steps
from .faithfulness import Curves, Deletion, Faithfulness, Yardstick
from .functions import (
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
from .methods import METHODS, Method, attribution, attribution_steps
from .pointing import mass_inside, pointing_game
from .randomisation import Randomisation, randomisation_steps, randomised
from .result import Attribution
from .similarity import Alike, alike, edges, spearman, structural_similarity
from .stability import SeedSpread, Sensitivity, agreement, seed_spread_steps, sensitivity_steps
from .subject import Subject
from .superpixels import superpixels
from .surrogate import Surrogate
from .text import TextAttribution, lime_text

__all__ = [
    "CHECKS",
    "METHODS",
    "Alike",
    "Attribution",
    "Curves",
    "Deletion",
    "Evidence",
    "Faithfulness",
    "Method",
    "Randomisation",
    "SeedSpread",
    "Sensitivity",
    "Statement",
    "Subject",
    "Surrogate",
    "TextAttribution",
    "Yardstick",
    "agreement",
    "alike",
    "attention_rollout",
    "attribution",
    "attribution_steps",
    "deconvnet",
    "edges",
    "evidence_cost",
    "evidence_steps",
    "extremal_perturbation",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient",
    "guided_backprop",
    "guided_grad_cam",
    "input_x_gradient",
    "integrated_gradients",
    "kernel_shap",
    "lime",
    "lime_text",
    "mass_inside",
    "pointing_game",
    "randomisation_steps",
    "randomised",
    "rise",
    "seed_spread_steps",
    "sensitivity_steps",
    "smoothgrad",
    "spearman",
    "structural_similarity",
    "superpixels",
    "yardstick_steps",
]
