"""What a model predicts at each token of a text, and how probable it found what the text has there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nnlens.inputs.text import Encoded
from nnlens.recording import Recording
from nnlens.scores.meaning import Pick, pick_output
from nnlens.utils.language import _, number


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Predictions:
    """The most probable tokens (or classes) at each place of a text.

    Attributes
    ----------
    top : int array (tokens, k)
        The k of the highest probability, the highest first, with their `probabilities` (float32, the same shape).
    next : bool
        Whether the model predicts the next token at each place; else it predicts the token of the place, or a class.
    own : float32 array (tokens,)
        The probability of the token that the text has there; NaN at the last place where the next one is predicted,
        and where classes are predicted.
    """

    top: Int[np.ndarray, "tokens k"]
    probabilities: Float[np.ndarray, "tokens k"]
    next: bool
    own: Float[np.ndarray, " tokens"]

    def __len__(self) -> int:
        return len(self.top)

    @property
    def loss(self) -> float:
        """The mean of −ln `own`, in nats per token; NaN where nothing is known."""
        known = self.own[np.isfinite(self.own)]
        return float(-np.log(np.maximum(known, 1e-30)).mean()) if len(known) else math.nan

    def describe(self) -> str:
        """In words: "loss 1.23 nats (1.77 bits) per token over 99 predictions"."""
        if math.isnan(self.loss):
            return _("a prediction for each of {count} tokens", count=len(self))
        return _(
            "loss {nats} nats ({bits} bits) per token over {count} predictions",
            nats=number(f"{self.loss:.3g}"),
            bits=number(f"{self.loss / math.log(2):.3g}"),
            count=int(np.isfinite(self.own).sum()),
        )

    def __repr__(self) -> str:
        return f"Predictions({self.describe()})"


def predictions(
    logits: Float[Tensor, "tokens vocabulary"], encoded: Encoded, *, k: int = 3, next_token: bool | None = True
) -> Predictions:
    """Read the predictions from the logits of a pass on a text.

    Parameters
    ----------
    logits : tensor (tokens, vocabulary)
        See `token_logits`.
    next_token : bool or None
        Whether a row predicts the token after its own (see `reads_forward`); None where the columns are classes.

    Raises
    ------
    ValueError
        For logits of another number of tokens.
    """
    if logits.ndim != 2 or len(logits) != len(encoded):
        raise ValueError(f"logits must be ({len(encoded)}, vocabulary), got the shape {tuple(logits.shape)}")
    shares = logits.detach().float().softmax(1)
    best = shares.topk(min(k, shares.shape[1]), 1)
    own = torch.full((len(encoded),), math.nan)
    ids = torch.tensor(encoded.ids)
    if next_token:
        own[:-1] = shares[:-1].cpu().gather(1, ids[1:, None])[:, 0]
    elif next_token is not None:
        own = shares.cpu().gather(1, ids[:, None])[:, 0]
    return Predictions(
        top=best.indices.cpu().numpy(),
        probabilities=best.values.cpu().numpy(),
        next=bool(next_token),
        own=own.numpy(),
    )


def token_logits(recording: Recording, encoded: Encoded, output: Pick = None) -> Tensor:
    """The logits (tokens, vocabulary or classes) that a pass on a text returned.

    Raises
    ------
    ValueError
        For a model that gives no scores for each token.
    """
    scores = pick_output(recording.output, output)
    if scores.ndim == 3 and 1 in scores.shape[:2] and len(encoded) in scores.shape[:2]:
        return scores.reshape(-1, scores.shape[2])
    raise ValueError(
        f"the model must give scores for each of the {len(encoded)} tokens, got the shape {tuple(scores.shape)}"
    )
