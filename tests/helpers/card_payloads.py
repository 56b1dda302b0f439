"""Reading the payloads of the unit card."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def codes(payload: dict) -> np.ndarray:
    planes = np.frombuffer(payload["data"], np.int8).astype(np.float32) / 127 * payload["largest"]
    return planes.reshape(payload["planes"], payload["rows"], payload["columns"])


def step(payload: dict) -> float:
    """Half a step of the 8-bit codes."""
    return max(1e-9, payload["largest"] / 250)


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
