"""A session that explains what a model makes of a text, token by token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nnlens.inputs import Input
from nnlens.inputs.input import any_input
from nnlens.inputs.text import Codec
from nnlens.kernels.text import EmbeddedText, embedded, predicts_tokens, token_table
from nnlens.recording import device_of
from nnlens.recording.record import unwrapped
from nnlens.scores.meaning import pick_output
from nnlens.session.session import Session
from nnlens.session.setup import ModelSetup
from nnlens.utils.language import _


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
    scores = pick_output(sample.recording.output, setup.pick)
    positions = scores.shape[0 if setup.steps_first else 1] if scores.ndim == 3 else len(encoded)
    if token is not None and (isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < positions):
        raise ValueError(f"token must be 0…{positions - 1}, got {token!r}")
    model = unwrapped(setup.model)
    table = token_table(model, sample.recording)
    own = EmbeddedText(model, value.x, table, token=-1 if token is None else token, output=setup.pick, **value.call[1])
    own.training = model.training  # of the wrapper alone: the model's own flags stay as they are
    labels: Any = setup.labels
    if labels is None and predicts_tokens(model, sample.recording, scores.shape[-1]):
        labels = [_name(setup.codec, place) for place in range(scores.shape[-1])]
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

    def renewed(before: Input) -> Input:
        """The same text with the embeddings that the model has now."""
        recording = session.samples.of(value, scores=False).recording
        x, neutral = embedded(model, recording, value.x, table)
        return replace(before, x=x, grey=neutral)

    x, neutral = embedded(model, sample.recording, value.x, table)
    what = _("the text as tokens; hidden ones have the mean embedding of the vocabulary")
    image = replace(
        any_input((x,), {}, device_of(model)),
        name=value.name,
        shown_as=what,
        grey=neutral,
        given=None,
        text=encoded,
        renewed=renewed,
    )
    return Session(made), image


def _name(codec: Codec, token: int) -> str:
    """What a token that the model may predict is called."""
    try:
        piece = codec.piece(token)
    except Exception:
        return str(token)  # a place of the output that stands for no token
    return piece.replace("\n", "↵").replace("\t", "⇥").replace(" ", "·") or "∅"
