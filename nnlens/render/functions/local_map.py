"""Local maps, how far they reach, and lines between two inputs as payloads."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from nnlens.inputs import Input
from nnlens.kernels.functions import Line, LocalMap, Validity
from nnlens.render.picture import color_map, encoded
from nnlens.render.units import signed_texture

from . import payloads

_SMALLEST_ERROR = 1e-6
_PICTURE = 160  # pixels


def local_map_payload(piece: LocalMap, x: Tensor, against: int | None, sign: int = 1) -> payloads.LocalMapPayload:
    """The weights of one output, or of the lead of the first of two over the second, with what they add up to."""
    weights, bias, value = piece.weights[0], float(piece.bias[0]), float(piece.value[0])
    if against is not None:
        weights, bias, value = weights - piece.weights[1], bias - float(piece.bias[1]), value - float(piece.value[1])
    weights, bias, value = sign * weights, sign * bias, sign * value
    planes = weights if weights.ndim == 3 else weights.reshape(1, 1, -1)
    return {
        "texture": signed_texture(planes, colours=len(planes) == 3),
        "value": value,
        "bias": bias,
        "length": float(np.linalg.norm(weights)),
        "input_length": float(x.double().norm()),
        "exact": piece.kind.exact,
        "why": piece.kind.why,
        "against": against,
        "about": piece.describe(),
    }


def reach_row(name: str, distance: float, layer: str, direction: Tensor, argument: Input) -> payloads.ReachRow:
    """How far it is along a direction, in three units."""
    length = float(argument.x.double().norm()) or 1.0
    step = direction.double().cpu() / float(direction.double().norm())
    levels: float | None = None
    if len(argument.scale.std) == step.shape[1]:
        std = step.new_tensor(argument.scale.std).view(1, -1, *[1] * (step.ndim - 2))
        levels = float((step * std).abs().max()) * 255 * distance
    finite = np.isfinite(distance)
    return {
        "name": name,
        "distance": distance if finite else None,
        "share": distance / length if finite else None,
        "levels": levels if finite else None,
        "layer": layer,
    }


def validity_payload(found: Validity) -> payloads.ValidityPayload:
    """The errors at growing distances; those that are 0 as a millionth, for a chart of logarithms."""
    errors = np.maximum(found.errors, _SMALLEST_ERROR)
    middle = float(np.sort(found.radii)[len(found.radii) // 2])
    return {
        "distances": found.distances.tolist(),
        "errors": [row.tolist() for row in errors],
        "smallest": _SMALLEST_ERROR,
        "limit": found.limit,
        "radius": middle if np.isfinite(middle) else None,
        "about": found.describe(),
    }


def line_payload(line: Line, classes: list[int], other: Input | None) -> payloads.LinePayload:
    """The scores of some classes along a line, and the largest of all at each place."""
    outputs = line.outputs
    if outputs.shape[1] == 1:
        outputs = np.concatenate([np.zeros_like(outputs), outputs], 1)
    shown = [index for index in classes if index < outputs.shape[1]]
    # Of lines with many pieces the page gets some hundred points.
    places = np.unique(np.linspace(0, len(line.at) - 1, min(len(line.at), 400)).round().astype(int))
    picture: Any = None
    if other is not None:
        small = other.shown.convert("RGB")
        small.thumbnail((_PICTURE, _PICTURE))
        picture = {"data": encoded(small), "width": small.width, "height": small.height}
    return {
        "at": line.at[places].tolist(),
        "best": outputs[places].argmax(1).tolist(),
        "classes": shown,
        "scores": [outputs[places, index].tolist() for index in shown],
        "pieces": line.pieces,
        "exact": line.exact,
        "about": line.describe(),
        "other": picture,
        "other_name": "" if other is None else other.name,
    }


def weights_image(piece: LocalMap) -> Image.Image:
    """The weights of the first output, summed over the channels."""
    weights = piece.weights[0]
    plane = weights.sum(0) if weights.ndim == 3 else weights.reshape(1, -1)
    largest = float(np.abs(plane).max()) or 1.0
    image = color_map(plane, -largest, largest)
    scale = max(1, 320 // max(image.size))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
