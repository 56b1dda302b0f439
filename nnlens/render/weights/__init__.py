"""The results of the weights' kernels as payloads."""

from .figures import filters_figure, sweep_figure, weights_figure
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
    "filters_figure",
    "heads_payload",
    "measure_words",
    "sweep_figure",
    "sweep_payload",
    "sweep_words",
    "tuning_payload",
    "weight_entries",
    "weight_row",
    "weights_figure",
]
