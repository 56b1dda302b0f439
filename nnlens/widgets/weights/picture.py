"""A layer's charts as a picture, for pages that run no scripts."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from nnlens.kernels.weights import Comparison
from nnlens.render import Panel
from nnlens.render.weights import weight_row
from nnlens.render.weights.payloads import Distribution
from nnlens.utils.language import _

_WIDTH, _HEIGHT = 260, 160
_OWN, _OTHER = (194, 65, 12), (120, 125, 135)


def row_panels(comparison: Comparison) -> list[Panel]:
    """The distributions of weights and norms, and the singular values, beside the reference."""
    row, name = weight_row(comparison), comparison.statistics.weight.name
    panels = []
    for title, chart in ((_("weights"), row["weights"]), (_("norms of filters"), row["norms"])):
        if chart is not None:
            panels.append(Panel(title=f"{name} · {title}", image=_bars(chart)))
    if (singular := row["singular"]) is not None:
        lines = [(singular["random"], _OTHER), (singular["values"], _OWN)]
        panels.append(Panel(title=_("singular values; grey: random"), image=_lines(lines)))
    return panels


def _canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    return image, ImageDraw.Draw(image)


def _bars(chart: Distribution) -> Image.Image:
    image, pen = _canvas()
    shares = np.array(chart["shares"])
    other = None if chart["reference"] is None else np.array(chart["reference"])
    highest = max(shares.max(), 0 if other is None else other.max()) or 1
    step = _WIDTH / len(shares)
    for index, share in enumerate(shares):
        top = _HEIGHT - share / highest * (_HEIGHT - 4)
        pen.rectangle((index * step, top, (index + 1) * step - 1, _HEIGHT), fill=_OWN)
    if other is not None:
        points = [
            ((index + 0.5) * step, _HEIGHT - share / highest * (_HEIGHT - 4)) for index, share in enumerate(other)
        ]
        pen.line(points, fill=_OTHER, width=2)
    return image


def _lines(lines: list[tuple[list[float], tuple[int, int, int]]]) -> Image.Image:
    image, pen = _canvas()
    highest = max(max(values) for values, _color in lines) or 1
    for values, color in lines:
        step = _WIDTH / max(1, len(values) - 1)
        points = [(index * step, _HEIGHT - value / highest * (_HEIGHT - 4)) for index, value in enumerate(values)]
        pen.line(points if len(points) > 1 else points * 2, fill=color, width=2)
    return image
