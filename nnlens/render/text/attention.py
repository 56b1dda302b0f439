"""The attention of a pass as payloads and as a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from nnlens.kernels.text import Attention, attention, attention_layers, strongest
from nnlens.recording import Recording
from nnlens.render.picture import color_map

from . import payloads

MOST_WEIGHTS = 4_000_000  # that are sent of a layer: of longer texts the largest of each row
KEPT = 16  # of a row


def layer_choices(recording: Recording) -> list[payloads.AttentionLayer]:
    """The layers with attention."""
    made: list[payloads.AttentionLayer] = []
    for name in attention_layers(recording):
        operation = recording.operation(name)
        *_rest, heads, queries, keys = operation.shape
        made.append(
            {
                "layer": name,
                "module": operation.module,
                "heads": heads,
                "queries": queries,
                "keys": keys,
                "cross": queries != keys,
            }
        )
    return made


def encoded_weights(weights: np.ndarray) -> bytes:
    """Weights of 0…1 as bytes: small ones are kept apart by their square roots."""
    codes: np.ndarray = np.rint(255 * np.sqrt(np.clip(weights, 0, 1))).astype(np.uint8)
    return codes.tobytes()


def attention_payload(
    recording: Recording,
    layer: str,
    *,
    query_names: list[str] | None,
    key_names: list[str] | None,
    grid: tuple[int, int] | None = None,
    most: int = MOST_WEIGHTS,
    kept: int = KEPT,
) -> payloads.AttentionWeights:
    """All weights of a layer if they are few, else the largest of each row."""
    operation = recording.operation(layer)
    *_rest, heads, queries, keys = operation.shape
    made: payloads.AttentionWeights = {
        "layer": layer,
        "module": operation.module,
        "heads": heads,
        "queries": queries,
        "keys": keys,
        "cross": queries != keys,
        "causal": False,
        "k": keys,
        "index": None,
        "data": b"",
        "patterns": [],
        "entropy": [],
        "query_names": query_names,
        "key_names": key_names,
        "grid": grid,
        "extra": 0 if grid is None else keys - grid[0] * grid[1],
    }
    if heads * queries * keys > most or keys > 65_535:
        index, weights = strongest(recording, layer, kept)
        made |= {"k": weights.shape[2], "index": index.astype(np.uint16).tobytes(), "data": encoded_weights(weights)}
        return made
    found = attention(recording, layer)
    made["patterns"] = [
        {"name": name, "values": values.tolist(), "even": even}
        for name, (values, even) in found.patterns().items()
        if grid is None or name != "previous token"  # patches have more than one neighbour
    ]
    made |= {
        "cross": found.cross,
        "causal": found.causal,
        "data": encoded_weights(found.weights),
        "entropy": found.entropy().tolist(),
    }
    return made


def heads_picture(found: Attention) -> Image.Image:
    """The heads of a layer as tiles."""
    heads, queries, keys = found.weights.shape
    step = max(1, max(queries, keys) // 96)
    tiles = np.sqrt(found.weights[:, ::step, ::step])
    across = max(1, round(heads**0.5))
    down = -(-heads // across)
    sheet = np.zeros((down * (tiles.shape[1] + 1), across * (tiles.shape[2] + 1)), np.float32)
    for head in range(heads):
        top, left = head // across * (tiles.shape[1] + 1), head % across * (tiles.shape[2] + 1)
        sheet[top : top + tiles.shape[1], left : left + tiles.shape[2]] = tiles[head]
    return color_map(sheet, 0, 1)
