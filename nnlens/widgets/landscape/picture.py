"""The loss in a plane as a picture, for pages that run no scripts."""

from __future__ import annotations

import numpy as np
from PIL import Image

from nnlens.render.picture import color_map

_SIDE = 320


def plane_image(values: np.ndarray) -> Image.Image:
    """The logarithm of the loss, low in blue; the second direction goes upwards."""
    known = np.where(np.isfinite(values), values, np.nan)
    least = float(np.nanmin(known)) if np.isfinite(known).any() else 0.0
    logs = np.log10(np.maximum(known, 1e-12)) if least > 0 else known
    low, high = float(np.nanmin(logs)), float(np.nanmax(logs))
    shares = (logs - low) / ((high - low) or 1)
    picture = color_map(shares.T[::-1].astype(np.float32), 0.0, 1.0)
    return picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
