"""Linear pieces in a plane as a payload and as a picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from nnlens.kernels.functions import Regions
from nnlens.render.picture import encoded

from . import payloads

_SIDE = 480
_COLORS = ((147, 190, 232), (244, 190, 122), (166, 214, 166), (233, 160, 160), (200, 178, 226), (214, 196, 184))


def regions_payload(found: Regions) -> payloads.RegionsPayload:
    """The polygons in arrays, with the function on each."""
    sizes = [len(region.corners) for region in found.regions]
    return {
        "box": [list(side) for side in found.box],
        "corners": np.concatenate([region.corners for region in found.regions]).astype(np.float32).tobytes(),
        "starts": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32).tobytes(),
        "edges": np.array([edge for region in found.regions for edge in region.edges], np.int32).tobytes(),
        "weights": np.stack([region.weights for region in found.regions]).astype(np.float32).tobytes(),
        "bias": np.stack([region.bias for region in found.regions]).astype(np.float32).tobytes(),
        "outputs": len(found.regions[0].bias),
        "operations": list(found.operations),
        "about": found.describe(),
    }


def points_payload(
    places: np.ndarray, classes: np.ndarray, names: list[str], axes: tuple[str, str], pictures: list[Image.Image]
) -> payloads.PointsPayload:
    """Points (n, 2) with their classes (n,)."""
    return {
        "places": places.astype(np.float32).tobytes(),
        "classes": classes.astype(np.int32).tobytes(),
        "names": names,
        "axes": list(axes),
        "pictures": [
            {"data": encoded(picture), "width": picture.width, "height": picture.height} for picture in pictures
        ],
    }


def samples_payload(
    scores: Float[np.ndarray, "side side outputs"], box: tuple[tuple[float, float], tuple[float, float]]
) -> payloads.SamplesPayload:
    """The best class at the points of a grid, its lead over the second, and how steep that is."""
    if scores.shape[2] == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], 2)
    ordered = np.sort(scores, 2)
    leads = ordered[..., -1] - ordered[..., -2]
    side = len(scores)
    (left, right), (bottom, top) = box
    upwards, across = np.gradient(leads, (top - bottom) / side, (right - left) / side)
    return {
        "box": [list(ends) for ends in box],
        "side": side,
        "classes": scores.argmax(2).astype(np.int32).tobytes(),
        "leads": leads.astype(np.float32).tobytes(),
        "slopes": np.hypot(upwards, across).astype(np.float32).tobytes(),
        "outputs": scores.shape[2],
    }


def samples_image(samples: payloads.SamplesPayload) -> Image.Image:
    """The points of the grid, each in the colour of its class."""
    side = samples["side"]
    classes = np.frombuffer(samples["classes"], np.int32).reshape(side, side)[::-1]
    colors = np.array(_COLORS, np.uint8)[classes % len(_COLORS)]
    return Image.fromarray(colors).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)


def regions_image(found: Regions) -> Image.Image:
    """The pieces, each in the colour of the class at its middle, with their borders."""
    image = Image.new("RGB", (_SIDE, _SIDE), "white")
    pen = ImageDraw.Draw(image)
    (left, right), (bottom, top) = found.box
    for region in found.regions:
        scores = region.weights @ region.corners.mean(0) + region.bias
        best = int(scores[0] > 0) if len(scores) == 1 else int(scores.argmax())
        at = (region.corners - (left, bottom)) / (right - left, top - bottom) * (_SIDE - 1)
        outline = [(float(u), float(_SIDE - 1 - v)) for u, v in at]
        pen.polygon(outline, fill=_COLORS[best % len(_COLORS)], outline=(120, 120, 120))
    return image
