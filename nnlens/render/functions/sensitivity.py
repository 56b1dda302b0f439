"""Growth, stretch, nearest classes and surrogates as payloads."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from nnlens.inputs import Input
from nnlens.kernels.chaos import Adversarial, Exponents, Growth, Stretch
from nnlens.kernels.functions import SurrogateFits
from nnlens.render.payloads import RowPhoto
from nnlens.render.picture import encoded
from nnlens.render.units import signed_texture

from . import payloads

_PICTURE = 224  # pixels
_WIDTH, _HEIGHT = 480, 240


def growth_row(found: Growth, of: str, kind: str, layers: tuple[str, ...]) -> payloads.GrowthRow:
    """The middle and the range over the directions, at the layers of the model."""
    places = {name: place for place, name in enumerate(found.layers)}
    factors = np.stack(
        [found.factors[:, places[name]] if name in places else found.factors[:, 0] * 0 for name in layers], 1
    )
    return {
        "of": of,
        "kind": kind,
        "middle": np.median(factors, 0).tolist(),
        "low": factors.min(0).tolist(),
        "high": factors.max(0).tolist(),
    }


def stretch_row(found: Stretch, of: str) -> payloads.StretchRow:
    """Its exponents; None for a direction that collapsed."""
    return {"of": of, "exponents": [float(item) if math.isfinite(item) else None for item in found.exponents]}


def adversarial_payload(
    found: Adversarial, rows: list[payloads.ReachRow], argument: Input, shown: Image.Image | None
) -> payloads.AdversarialPayload:
    """The nearest image of another class that was found, and what was changed."""
    picture: RowPhoto | None = None
    difference = None
    if shown is not None:
        small = shown.convert("RGB")
        small.thumbnail((_PICTURE, _PICTURE))
        picture = {"data": encoded(small), "width": small.width, "height": small.height}
        change: Tensor = (found.x.cpu() - argument.x.cpu())[0].double()
        if len(argument.scale.std) == len(change):
            change = change * change.new_tensor(argument.scale.std).view(-1, 1, 1)
        difference = signed_texture(change.numpy(), colours=len(change) == 3)
    return {
        "rows": rows,
        "image": picture,
        "difference": difference,
        "before": found.before,
        "after": found.after,
        "about": found.describe(),
    }


def surrogates_payload(found: SurrogateFits, length: float, missing: list[str]) -> payloads.SurrogatesPayload:
    """The scores of each kind; below −1 as −1, for a chart."""
    return {
        "radii": found.radii.tolist(),
        "rows": [
            {
                "kind": kind,
                "scores": np.maximum(scores, -1).tolist(),
                "failure": float(radius) if math.isfinite(radius) else None,
            }
            for kind, scores, radius in zip(found.kinds, found.scores, found.failures, strict=True)
        ],
        "limit": found.limit,
        "length": length,
        "formula": found.formula,
        "missing": missing,
    }


def growth_image(growth: payloads.GrowthPayload) -> Image.Image:
    """The growth of random changes as a curve over the layers, on a logarithmic scale."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    curves = [np.log10(np.maximum(row["middle"], 1e-12)) for row in growth["rows"] if row["of"] == "model"]
    low, high = min(float(curve.min()) for curve in curves), max(float(curve.max()) for curve in curves)
    for curve, color in zip(curves, ("#4878a8", "#c2410c", "#15803d"), strict=False):
        span = max(1, len(curve) - 1)
        points = [
            (8 + place / span * (_WIDTH - 16), _HEIGHT - 8 - (value - low) / (high - low or 1) * (_HEIGHT - 16))
            for place, value in enumerate(curve)
        ]
        pen.line(points, fill=color, width=2)
    return image


def exponents_image(found: Exponents) -> Image.Image:
    """The exponents as bars up and down from 0."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    known = found.values[np.isfinite(found.values)]
    largest = float(np.abs(known).max(initial=1e-12))
    middle, step = _HEIGHT / 2, _WIDTH / len(found.values)
    for place, value in enumerate(found.values):
        end = middle - (value if np.isfinite(value) else -largest) / largest * (middle - 8)
        box = (place * step + 2, min(middle, end), (place + 1) * step - 2, max(middle, end))
        pen.rectangle(box, fill="#4878a8" if np.isfinite(value) else "#cccccc")
    pen.line([(0, middle), (_WIDTH, middle)], fill="#666666")
    return image
