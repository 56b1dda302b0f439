"""The results of the weights' kernels as payloads."""

from .filters import (
    bank_payload,
    detail_payload,
    expanded_payload,
    heads_payload,
    tuning_payload,
    weight_entries,
)
from .statistics import failed_weight_row, measure_words, sweep_payload, sweep_words, weight_row

__all__ = [
    "bank_payload",
    "detail_payload",
    "expanded_payload",
    "failed_weight_row",
    "heads_payload",
    "measure_words",
    "sweep_payload",
    "sweep_words",
    "tuning_payload",
    "weight_entries",
    "weight_row",
]
