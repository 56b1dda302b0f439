"""How a model reads a text: along which axis, and whether from the left alone. Both are tried out."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from nnlens.recording import borrow
from nnlens.scores.meaning import Pick, pick_output

_PROBE = 6  # tokens


def reads_forward(model: nn.Module, ids: Int[Tensor, "..."], output: Pick = None, **keywords: Tensor) -> bool:
    """Whether what a model gives at a token depends on that token and those before it alone.

    The last token is replaced by another one, and nothing before it may change.

    Parameters
    ----------
    ids : int tensor (1, tokens) or (tokens, 1)
        As the model takes it; see `takes_steps_first`.
    """
    if ids.numel() < 2:
        return True
    other = ids.clone()
    other.view(-1)[-1] = _another(int(ids.view(-1)[-1]))
    one, two = (_along(_outputs(model, item, output, keywords), ids.numel()) for item in (ids, other))
    if one is None or two is None:
        return False
    known = one[torch.isfinite(one)]
    spread = float(known.std()) if known.numel() > 1 else 1.0
    return bool(torch.allclose(one[:-1], two[:-1], rtol=1e-4, atol=1e-4 * spread, equal_nan=True))


def takes_steps_first(model: nn.Module, token: int, output: Pick = None, **keywords: Tensor) -> bool:
    """Whether a model takes (tokens, 1), as recurrent layers without `batch_first` do, rather than (1, tokens).

    It does where what it gives for the last token depends on the first one only if the text is given so. Models that
    refuse both, or give scores of the whole text as one row, take (1, tokens).
    """
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    ids = torch.full((_PROBE,), token, dtype=torch.long, device=device)
    other = ids.clone()
    other[0] = _another(token)

    def connects(axis: int) -> bool:
        try:
            found = [
                _along(_outputs(model, item.unsqueeze(axis), output, keywords), _PROBE, axis) for item in (ids, other)
            ]
        except Exception:
            return False  # the pass on the text itself says what is wrong
        return found[0] is not None and found[1] is not None and not torch.equal(found[0][-1], found[1][-1])

    try:
        whole = _outputs(model, ids.unsqueeze(0), output, keywords)
    except Exception:
        return connects(1)
    if whole.ndim == 2:
        # Scores of the whole text: one row, unless each token was taken for a text of its own.
        return whole.shape[0] == _PROBE
    return not connects(0) and connects(1)


def _another(token: int) -> int:
    return token - 1 if token else 1


def _outputs(model: nn.Module, ids: Tensor, output: Pick, keywords: dict[str, Any]) -> Tensor:
    with borrow(model), torch.no_grad():
        return pick_output(model(ids, **keywords), output).float()


def _along(scores: Tensor, tokens: int, axis: int | None = None) -> Tensor | None:
    """The scores with the tokens as their first axis; None where there are none for each token."""
    if scores.ndim != 3:
        return None
    where = (0 if scores.shape[0] == tokens else 1) if axis is None else 1 - axis
    return scores.movedim(where, 0) if scores.shape[where] == tokens else None
