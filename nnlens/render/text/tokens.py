"""A text with its tokens, and the predictions at each, as payloads."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from nnlens.inputs.text import Codec, Encoded
from nnlens.kernels.text import Predictions

from . import payloads


def text_payload(encoded: Encoded, codec: Codec, notes: tuple[str, ...] = ()) -> payloads.TextPayload:
    """The text and where its tokens are."""
    places = utf16_places(encoded.text)
    spans = np.array(encoded.spans, np.int64).reshape(-1, 2)
    # Characters between tokens, which some tokenizers leave out, are shown with the token before them.
    real = [place for place, (start, end) in enumerate(encoded.spans) if end > start]
    for place, later in pairwise(real):
        spans[place, 1] = max(spans[place, 1], spans[later, 0])
    if real:
        spans[real[0], 0], spans[real[-1], 1] = 0, len(encoded.text)
    names = {}
    for place, (start, end) in enumerate(encoded.spans):
        shared = place and encoded.spans[place - 1] == (start, end)
        if start == end or shared:
            names[str(place)] = codec.piece(encoded.ids[place])
    return {
        "text": encoded.text,
        "tokens": len(encoded),
        "starts": places[spans[:, 0]].tobytes(),
        "ends": places[spans[:, 1]].tobytes(),
        "unknown": np.array(encoded.unknown, np.int32).tobytes(),
        "names": names,
        "notes": list(notes),
    }


def utf16_places(text: str) -> np.ndarray:
    """Where each character begins, and the last one ends, as JavaScript counts: those beyond U+FFFF are two."""
    places: np.ndarray = np.cumsum([0, *(1 + (ord(character) > 0xFFFF) for character in text)]).astype(np.int32)
    return places


def predictions_payload(result: Predictions, name: Callable[[int], str]) -> payloads.TokenPredictions:
    """The predictions, with each different one named once."""
    different, index = np.unique(result.top, return_inverse=True)
    return {
        "words": [name(int(token)) for token in different],
        "index": index.astype(np.int32).tobytes(),
        "k": result.top.shape[1],
        "probability": result.probabilities.astype(np.float32).tobytes(),
        "own": result.own.astype(np.float32).tobytes(),
        "next": result.next,
        "about": result.describe(),
    }
