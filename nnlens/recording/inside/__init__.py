"""What recurrent and attention operations compute inside, recomputed from their arguments."""

from .attention import attention_weights, sdpa_weights
from .inner import Inner
from .recurrent import Change, Driven, driven, recurrent_states, run_changed

__all__ = [
    "Change",
    "Driven",
    "Inner",
    "attention_weights",
    "driven",
    "recurrent_states",
    "run_changed",
    "sdpa_weights",
]
