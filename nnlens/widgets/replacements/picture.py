"""The chart of replacements as a picture, for pages that run no scripts."""

from __future__ import annotations

from PIL import Image, ImageDraw

from nnlens.kernels.weights import METHODS
from nnlens.render.weights.payloads import SweepPayload

_SIDE = 320
_COLORS = ("#c2410c", "#2563eb", "#15803d", "#7c3aed", "#525252")


def sweep_image(sweep: SweepPayload) -> Image.Image:
    """Accuracy (or agreement) from bottom to top, the share of the network's FLOPs from left to right."""
    image = Image.new("RGB", (_SIDE, _SIDE), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((8, 8, _SIDE - 8, _SIDE - 8), outline="#999999")
    most = max([1.0, *(entry["flops"][1] / entry["flops"][0] for entry in sweep["results"] if entry["flops"])])
    for entry in sweep["results"]:
        share = entry["flops"][1] / entry["flops"][0] if entry["flops"] else 1.0
        good = entry["accuracy"] if entry["accuracy"] is not None else entry["agreement"] or 0.0
        x, y = 8 + share / most * (_SIDE - 16), _SIDE - 8 - good * (_SIDE - 16)
        color = _COLORS[[*METHODS].index(entry["method"])]  # type: ignore[arg-type]
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=color)
    return image
