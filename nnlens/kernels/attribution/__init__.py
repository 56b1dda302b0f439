"""Attribution: which places of an input a score hangs on, by many methods, each held against its definition."""

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
from .result import Attribution
from .subject import Subject
from .superpixels import superpixels
from .surrogate import Surrogate
from .text import TextAttribution, lime_text

__all__ = [
    "METHODS",
    "Attribution",
    "Method",
    "Subject",
    "Surrogate",
    "TextAttribution",
    "attention_rollout",
    "attribution",
    "attribution_steps",
    "deconvnet",
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
    "rise",
    "smoothgrad",
    "superpixels",
]
