"""A text as the model's input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from nnlens.utils.language import _, plural

from .input import Input, any_input
from .text import Encoded

_TITLE = 40  # characters of a text that name it


def text_input(
    encoded: Encoded, model: nn.Module, device: torch.device, *, steps_first: bool = False, name: str | None = None
) -> Input:
    """The tokens of a text as the only input of a model, a batch of one.

    A model that writes a second text (an encoder with a decoder) is given the decoder's first token.

    Parameters
    ----------
    steps_first : bool
        Whether the model takes (tokens, 1) rather than (1, tokens).

    Raises
    ------
    ValueError
        For a text without tokens, and one with more tokens than the model has positions.
    """
    most = most_tokens(model)
    if most is not None and len(encoded) > most:
        raise ValueError(f"text must have at most {most} tokens for this model, got {len(encoded)}: give a part of it")
    if not len(encoded):
        raise ValueError(f"text must have at least one token, got none for {encoded.text[:_TITLE]!r}")
    ids = torch.tensor(encoded.ids, dtype=torch.long).unsqueeze(1 if steps_first else 0)
    keywords: dict[str, Any] = {}
    config = getattr(model, "config", None)
    if getattr(config, "is_encoder_decoder", False):
        first = getattr(config, "decoder_start_token_id", None)
        keywords["decoder_input_ids"] = torch.tensor([[0 if first is None else first]], dtype=torch.long)
    words = plural("a text of {count} token", "a text of {count} tokens", len(encoded))
    notes: tuple[str, ...] = ()
    if encoded.unknown:
        count = len(encoded.unknown)
        notes = (
            plural(
                "{count} token stands for what the tokenizer does not know",
                "{count} tokens stand for what the tokenizer does not know",
                count,
            ),
        )
    title = " ".join(encoded.text.split())
    title = title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"
    made = any_input((ids,), keywords, device)
    return replace(made, name=name or title or _("text"), shown_as=words, notes=notes, text=encoded)


def positions(model: nn.Module) -> int | None:
    """How many tokens a model was made for, where its configuration says so."""
    config = getattr(model, "config", None)
    for name in ("max_position_embeddings", "n_positions"):
        most = getattr(config, name, None)
        if isinstance(most, int) and not isinstance(most, bool) and most > 0:
            table = _table(model, most)
            # The first places of some tables are for padding.
            return most if table is None or table.padding_idx is None else most - table.padding_idx - 1
    return None


def most_tokens(model: nn.Module) -> int | None:
    """How many tokens a model can take: the `positions` that it looks up in a table. Others may be exceeded."""
    most = positions(model)
    return most if most is not None and _table(model, most) is not None else None


def _table(model: nn.Module, most: int) -> nn.Embedding | None:
    """The table of positions, which has as many rows, or a few more."""
    tables = (module for module in model.modules() if isinstance(module, nn.Embedding))
    return next((table for table in tables if most <= table.num_embeddings <= most + 8), None)
