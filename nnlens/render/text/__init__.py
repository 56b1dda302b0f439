"""The results of the kernels for texts as payloads and pictures."""

from .cells import cells_payload, context_payload, found_payload, gates_payload, trace_payload
from .logit_lens import logit_lens_payload, logit_lens_picture
from .pictures import cells_picture, text_picture
from .tokens import predictions_payload, text_payload

__all__ = [
    "cells_payload",
    "cells_picture",
    "context_payload",
    "found_payload",
    "gates_payload",
    "logit_lens_payload",
    "logit_lens_picture",
    "predictions_payload",
    "text_payload",
    "text_picture",
    "trace_payload",
]
