"""Inputs: images in any form are converted to the model's input and to the picture that is shown."""

from .as_image import AXES, AsImage
from .input import Input, any_input, model_input, prepare, redrawn
from .opening import Opened, open_image, read_image, to_rgb
from .preprocessing import Normalisation, Preprocess, Resize, as_preprocess, probe_normalisation

__all__ = [
    "AXES",
    "AsImage",
    "Input",
    "Normalisation",
    "Opened",
    "Preprocess",
    "Resize",
    "any_input",
    "as_preprocess",
    "model_input",
    "open_image",
    "prepare",
    "probe_normalisation",
    "read_image",
    "redrawn",
    "to_rgb",
]
