"""The class of every place, of a model that gives a score for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Integer

from .meaning import ScoreMeaning, pick_output


def class_map(output: Any, meaning: ScoreMeaning) -> Integer[np.ndarray, "rows columns"]:
    """The most probable class at each place of the first input's map of scores.

    Of a single score it is 1 where the model says yes.

    Parameters
    ----------
    output
        What the model returned.
    meaning : ScoreMeaning
        With `axes` of 2.

    Raises
    ------
    ValueError
        For scores that are not a map of rows and columns.
    """
    scores = pick_output(output, meaning.output).detach()
    if scores.ndim != 4:
        raise ValueError(f"output must be a map of scores (n, classes, rows, columns), got {tuple(scores.shape)}")
    if scores.shape[1] == 1:
        yes = scores[0, 0] > (0 if meaning.logits else 0.5)
        return yes.long().cpu().numpy()
    return scores[0].argmax(0).cpu().numpy()
