"""Networks that read: which cells follow a property of the text, and what each depth would predict.

>>> import numpy as np
>>> from nnlens.kernels import text
>>> words = "f(a) + g(b, c) * h(d) " * 100
>>> cells = np.random.default_rng(0).normal(size=(len(words), 8))
>>> cells[:, 3] += 4 * text.inside_brackets(words)
>>> int(text.rank_cells(cells, text.inside_brackets(words)).order[0])
3
"""

from .attention import Attention, attention, attention_layers, induction_ids, induction_scores, rollout, strongest
from .cells import Cells, cell_layers, cells, usual_cell_layer
from .changed import cell_gradients
from .contexts import PART, contexts_steps
from .direction import reads_forward, takes_steps_first
from .embedded import TEXT_METHODS, EmbeddedText, embedded, predicts_tokens, token_table, word_labels
from .found_contexts import Contexts
from .heads import head_effects, head_outputs, logits_without
from .holding import Holding, holding, output_holding, written_steps
from .logit_lens import LogitLens, logit_lens
from .predictions import Predictions, predictions, token_logits
from .properties import (
    PROPERTIES,
    indentation,
    inside_brackets,
    inside_indentation,
    inside_quotes,
    inside_url,
    matches,
    nesting_depth,
    of_tokens,
    position_in_line,
    position_in_word,
)
from .ranking import BLOCK, CellRanking, best_by_chance, rank_cells

__all__ = [
    "BLOCK",
    "PART",
    "PROPERTIES",
    "TEXT_METHODS",
    "Attention",
    "CellRanking",
    "Cells",
    "Contexts",
    "EmbeddedText",
    "Holding",
    "LogitLens",
    "Predictions",
    "attention",
    "attention_layers",
    "best_by_chance",
    "cell_gradients",
    "cell_layers",
    "cells",
    "contexts_steps",
    "embedded",
    "head_effects",
    "head_outputs",
    "holding",
    "indentation",
    "induction_ids",
    "induction_scores",
    "inside_brackets",
    "inside_indentation",
    "inside_quotes",
    "inside_url",
    "logit_lens",
    "logits_without",
    "matches",
    "nesting_depth",
    "of_tokens",
    "output_holding",
    "position_in_line",
    "position_in_word",
    "predictions",
    "predicts_tokens",
    "rank_cells",
    "reads_forward",
    "rollout",
    "strongest",
    "takes_steps_first",
    "token_logits",
    "token_table",
    "usual_cell_layer",
    "word_labels",
    "written_steps",
]
