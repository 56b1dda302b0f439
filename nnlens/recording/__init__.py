"""Recording a forward pass of any `torch.nn.Module`, and returning the model untouched."""

from .borrow import Mode, borrow, device_of, draw_alike, draws, dtypes_of
from .record import ForwardError, Recorder, record
from .recording import Operation, Recording
from .state import changed_by_a_pass, expect_changes, version_of
from .substitute import OtherPathError, Reached, Replacement, observed, substituting
from .tape import Source

__all__ = [
    "ForwardError",
    "Mode",
    "Operation",
    "OtherPathError",
    "Reached",
    "Recorder",
    "Recording",
    "Replacement",
    "Source",
    "borrow",
    "changed_by_a_pass",
    "device_of",
    "draw_alike",
    "draws",
    "dtypes_of",
    "expect_changes",
    "observed",
    "record",
    "substituting",
    "version_of",
]
