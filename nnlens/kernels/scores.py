"""From whatever a model returns to one row of class scores per input, and to probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

Pick = str | int | Callable[[Any], Tensor] | None
ScoreKind = Literal["probability", "logit"]


def pick_output(output: Any, pick: Pick = None) -> Tensor:
    """The tensor among a model's outputs that holds its scores.

    `pick` is a key, an index or a callable; without it the first of `logits`, `out` or the first tensor counts.
    """
    if callable(pick):
        chosen = pick(output)
    elif isinstance(pick, int) and isinstance(output, (tuple, list)):
        chosen = output[pick]
    elif isinstance(pick, str) and isinstance(output, Mapping):
        if pick not in output:
            raise ValueError(f"output must be one of the model's outputs {sorted(map(str, output))}, got {pick!r}")
        chosen = output[pick]
    elif isinstance(pick, str) and hasattr(output, pick):
        chosen = getattr(output, pick)
    elif pick is not None:
        raise ValueError(f"output={pick!r} does not fit a model that returns {type(output).__name__}")
    else:
        chosen = _first_tensor(output)
    if not isinstance(chosen, Tensor):
        raise TypeError(f"the scores must be a tensor, got {type(chosen).__name__}; choose one with output=…")
    return chosen


def _first_tensor(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output
    for name in ("logits", "out"):
        if isinstance(output, Mapping) and name in output:
            return output[name]
        if not isinstance(output, Mapping) and isinstance(getattr(output, name, None), Tensor):
            return getattr(output, name)
    items = output.values() if isinstance(output, Mapping) else output if isinstance(output, (tuple, list)) else ()
    return next((item for item in items if isinstance(item, Tensor)), output)


def class_scores(output: Any, pick: Pick = None) -> Tensor:
    """One row of scores per input, shape (n, classes), float32, as the model gave them.

    An output with further axes, a map of scores say, is averaged over them: (n, c, h, w) → (n, c). With a gradient
    where the output has one.
    """
    scores = pick_output(output, pick).float()
    if scores.ndim == 0:
        raise ValueError("the model's output must have a row per input, got a single number")
    if scores.ndim == 1:
        scores = scores[:, None]
    return scores.flatten(2).mean(2) if scores.ndim > 2 else scores


def is_distribution(scores: Tensor) -> bool:
    """Whether scores (…, classes) are probabilities already: two or more, none negative, adding up to one.

    The sum may be off by what half precision loses. Ask once, of the clean scores, and hold to the answer.
    """
    if scores.shape[-1] < 2:
        return False
    total = scores.sum(-1)
    return bool((scores >= 0).all() and torch.allclose(total, torch.ones_like(total), atol=4e-3))


def probabilities(scores: Tensor, *, distribution: bool | None = None) -> Tensor:
    """Softmax over the classes; the sigmoid for a single score; the scores themselves if they are a distribution."""
    if is_distribution(scores) if distribution is None else distribution:
        return scores
    return scores.sigmoid() if scores.shape[-1] == 1 else scores.softmax(-1)
