"""nnlens: look inside a neural network from a notebook."""

from . import inputs, kernels, zoo
from .export import set_mode
from .lens import Lens, Watch, compare, lightning_callback, theory, transformers_callback
from .recording import ForwardError, Recorder, Recording, record
from .render import show_in_notebooks
from .scores import outputs
from .session.evaluation import evaluate
from .session.report import Report
from .session.selection import Selection
from .utils.language import set_language

__version__ = "0.1.0"
show_in_notebooks()


def __dir__() -> list[str]:
    """The public names: what tab completion lists."""
    return [*__all__, "__version__"]


__all__ = [
    "ForwardError",
    "Lens",
    "Recorder",
    "Recording",
    "Report",
    "Selection",
    "Watch",
    "compare",
    "evaluate",
    "inputs",
    "kernels",
    "lightning_callback",
    "outputs",
    "record",
    "set_language",
    "set_mode",
    "theory",
    "transformers_callback",
    "zoo",
]
