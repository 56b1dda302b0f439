"""Recording a forward pass of any `torch.nn.Module`, and giving the model back untouched."""

from .borrow import Mode, borrow, device_of, dtype_of, version_of
from .record import ForwardError, Recorder, record
from .recording import Operation, Recording
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
    "device_of",
    "dtype_of",
    "observed",
    "record",
    "substituting",
    "version_of",
]
