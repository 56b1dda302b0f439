"""The logit lens as a payload and as a picture."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from nnlens.kernels.text import LogitLens
from nnlens.render.picture import color_map

from . import payloads


def logit_lens_payload(result: LogitLens, name: Callable[[int], str], *, k: int = 3) -> payloads.LogitLensPayload:
    """The k best predictions of each state, with each different one named once."""
    top, followed = result.top[..., :k], result.followed
    different, index = np.unique(np.concatenate([top.ravel(), followed.ravel()]), return_inverse=True)
    index = index.astype(np.int32)
    return {
        "layers": list(result.layers),
        "head": list(result.head),
        "positions": top.shape[1],
        "k": top.shape[2],
        "words": [name(int(token)) for token in different],
        "top": index[: top.size].tobytes(),
        "probability": result.probabilities[..., :k].astype(np.float32).tobytes(),
        "rank": result.ranks.astype(np.int32).tobytes(),
        "bits": result.divergences.astype(np.float32).tobytes(),
        "m": followed.shape[1],
        "followed": index[top.size :].tobytes(),
        "followed_rank": result.followed_ranks.astype(np.int32).tobytes(),
        "agreement": result.agreement.tolist(),
        "chance": [None if math.isnan(share) else float(share) for share in result.chance],
        "about": [result.describe(layer) for layer in result.layers],
        "error": result.error,
    }


def logit_lens_picture(result: LogitLens, most: int = 48) -> Image.Image:
    """The probability of the best prediction, states upwards, positions to the right."""
    values = result.probabilities[::-1, -most:, 0]
    scale = max(1, 560 // max(values.shape))
    return color_map(np.kron(values, np.ones((scale, scale), np.float32)), 0, 1)
