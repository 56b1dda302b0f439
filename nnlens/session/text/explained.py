"""A session that explains what a model makes of a text, token by token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from nnlens.inputs import Input
from nnlens.inputs.input import any_input
from nnlens.inputs.text import Encoded
from nnlens.kernels.text import EmbeddedText, embedded, grid_of, predicts_tokens, token_table
from nnlens.recording import device_of
from nnlens.scores.meaning import pick_output
from nnlens.session.session import Session
from nnlens.session.setup import ModelSetup
from nnlens.utils.language import _

_CELL = (76, 26)  # pixels of a token in the picture


def explained(session: Session, text: Any, token: int | None = None) -> tuple[Session, Input]:
    """A session whose model takes the embeddings of a text, and the text as its input.

    Parameters
    ----------
    token : int, optional
        Of a model that gives scores for each token, whose are explained; the last one by default.

    Raises
    ------
    ValueError
        For a token that is not there, and a model without an embedding of tokens.
    """
    setup = session.setup
    value = setup.text_input(text)
    sample = session.samples.of(value, scores=False)
    encoded = value.text
    assert encoded is not None  # it is a text
    assert setup.codec is not None  # which encoded it
    if token is not None and (isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < len(encoded)):
        raise ValueError(f"token must be 0…{len(encoded) - 1}, got {token!r}")
    chosen = len(encoded) - 1 if token is None else token
    model, table = setup.model, token_table(setup.model, sample.recording)
    own = EmbeddedText(model, value.x, table, token=chosen, output=setup.pick, **value.call[1]).eval()
    own.train(model.training)
    width = pick_output(sample.recording.output, setup.pick).shape[-1]
    labels: Any = setup.labels
    if labels is None and predicts_tokens(model, width):
        labels = [_visible(setup.codec.piece(place)) for place in range(width)]
    made = ModelSetup(
        own,
        preprocess=None,
        labels=labels,
        output=None,
        task=setup.task,
        logits=setup.logits,
        unit=setup.unit,
        bands=None,
        tokenizer=setup.codec,
    )
    x, neutral = embedded(model, sample.recording, value.x, table)
    shown = _picture(encoded, chosen if sample.meaning is None else None)
    base = any_input((x,), {}, device_of(model))
    what = _("the text as tokens; hidden ones have the mean embedding of the vocabulary")
    image = replace(base, name=value.name, shown=shown, shown_as=what, grey=neutral, given=None, text=encoded)
    return Session(made), image


def _visible(piece: str) -> str:
    return piece.replace("\n", "↵").replace("\t", "⇥").replace(" ", "·") or "∅"


def _picture(encoded: Encoded, chosen: int | None) -> Image.Image:
    """The tokens as cells of a grid; the chosen one is underlined."""
    rows, columns = grid_of(len(encoded))
    wide, high = _CELL
    picture = Image.new("RGB", (columns * wide, rows * high), (255, 255, 255))
    painter, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    for place, piece in enumerate(encoded.pieces()):
        left, top = place % columns * wide, place // columns * high
        painter.rectangle((left, top, left + wide - 1, top + high - 1), outline=(222, 222, 226))
        words = _visible(piece)
        while painter.textlength(words, font) > wide - 6 and len(words) > 1:
            words = words[:-1]
        painter.text((left + (wide - painter.textlength(words, font)) / 2, top + 4), words, (20, 20, 24), font)
        if place == chosen:
            painter.line((left + 4, top + high - 4, left + wide - 5, top + high - 4), (20, 20, 24), 2)
    return picture
