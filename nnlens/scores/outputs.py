"""Scores from outputs that are none: embeddings, reconstructions, boxes. Each function makes an `output` for `Lens`."""

from .boxes import Detection, box_scores, boxes, detections
from .neighbours import neighbours
from .reconstruction import reconstruction_error
from .similarity import similarity

__all__ = ["Detection", "box_scores", "boxes", "detections", "neighbours", "reconstruction_error", "similarity"]
