"""The unit card's results as payloads for the browser."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from nnlens.inputs.trace import row_picture
from nnlens.kernels import Ablation, BackProjection, Connections, Contribution, Synthesis

from . import payloads, unit_payloads
from .picture import encoded
from .textures import reduce_maps

_ROW = (320, 160)  # pixels of the picture of a signal

PARTS = 8  # units below and above that are listed
KERNELS = 1024  # units below whose weights are shown, at most


def signed_codes(values: np.ndarray) -> tuple[bytes, float]:
    """Numbers as int8 from −127 to 127, and the magnitude that 127 stands for."""
    known = np.nan_to_num(values, posinf=0, neginf=0)
    largest = float(np.abs(known).max(initial=0))
    return np.rint(known / (largest or 1) * 127).astype(np.int8).tobytes(), largest


def signed_texture(planes: np.ndarray, *, colours: bool = False, most_side: int = 512) -> payloads.Texture:
    """Planes (n, h, w) of signed numbers in 8 bits; `colours`: they are the channels of an image.

    Sides of more than `most_side` are reduced by a whole `step`.
    """
    step = -(-max(planes.shape[1:]) // most_side)
    planes = reduce_maps(planes, step)
    data, largest = signed_codes(planes)
    return {
        "planes": planes.shape[0],
        "colours": colours,
        "rows": planes.shape[1],
        "columns": planes.shape[2],
        "step": step,
        "largest": largest,
        "data": data,
    }


def back_projection_texture(back_projection: BackProjection) -> unit_payloads.ProjectedTexture:
    """A back-projection in 8 bits: the channels of an image with one or three, otherwise their sum and norm."""
    values = (
        back_projection.values
        if back_projection.values.ndim == 3
        else back_projection.values.reshape(back_projection.values.shape[0], 1, -1)
    )
    colours = values.shape[0] in (1, 3)
    norm = np.sqrt((values**2).sum(0))
    planes = values if colours else np.stack([values.sum(0), norm])
    return {
        **signed_texture(planes, colours=colours),
        "value": back_projection.value,
        "position": back_projection.position,
        "words": back_projection.describe(),
    }


def colours_of(values: np.ndarray, largest: float | None = None) -> Image.Image:
    """Signed values of an image's channels (c, h, w) as a picture around mid-grey."""
    if values.shape[0] not in (1, 3):
        values = values.sum(0, keepdims=True)
    known = np.nan_to_num(values, posinf=0, neginf=0)
    largest = largest or float(np.abs(known).max(initial=0)) or 1.0
    pixels = np.clip(127.5 + 127.5 * known / largest, 0, 255).round().astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).convert("RGB")


def _parts(parts: tuple[Contribution, ...]) -> list[unit_payloads.UnitValue]:
    return [{"layer": part.layer, "unit": part.unit, "value": part.value} for part in parts[:PARTS] if part.value]


def connections_payload(connections: Connections) -> unit_payloads.ConnectionsPayload:
    """The connections of a unit: the contributions to its value, the units that read it, its kernels in 8 bits."""
    kernels: unit_payloads.Kernels | None = None
    if connections.kernels is not None:
        shown = connections.kernels[:KERNELS]
        data, largest = signed_codes(shown)
        kernels = {
            "units": shown.shape[0],
            "rows": shown.shape[1],
            "columns": shown.shape[2],
            "read": connections.read,
            "of": len(connections.kernels),
            "largest": largest,
            "data": data,
        }
    shown_parts = _parts(connections.inputs)
    return {
        "layer": connections.layer,
        "unit": connections.unit,
        "position": connections.position,
        "operation": connections.operation,
        "label": connections.label,
        "total": connections.total,
        "before_activation": connections.before_activation,
        "rest": connections.rest,
        "linear": connections.linear,
        "inputs": shown_parts,
        "others": sum(part.value for part in connections.inputs) - sum(part["value"] for part in shown_parts),
        "more": len(connections.inputs) - len(shown_parts),
        "outputs": _parts(connections.outputs),
        "kernels": kernels,
        "words": connections.describe(),
    }


def ablation_payload(ablation: Ablation, shown: list[int], most: int) -> dict[str, Any]:
    """The scores of one image with and without a unit: of the shown classes, and of the best without it."""
    before, after = (rows[0] for rows in ablation.probabilities())
    best = [*shown, *np.argsort(-after, kind="stable")[:3].tolist()]
    classes = list(dict.fromkeys(int(index) for index in best))[:most]
    return {
        "replacement": str(ablation.replacement),
        "classes": classes,
        "clean": before[classes].tolist(),
        "probability": after[classes].tolist(),
        "top_class_changed": bool(ablation.top_class_changed()[0]),
    }


def synthesis_frame(synthesis: Synthesis, *, bars: bool = False) -> unit_payloads.SynthesisFrame:
    """Synthesised inputs as pictures, with their activations."""
    return {
        "pictures": [encoded(picture_of(pixels, bars=bars), exact=64) for pixels in synthesis.pixels],
        "values": synthesis.values.tolist(),
        "peaks": synthesis.peaks.tolist(),
        "objective": synthesis.objective,
        "recipe": synthesis.recipe,
        "negative": synthesis.negative,
        "seed": synthesis.seed,
        "step": synthesis.step,
        "steps": synthesis.steps,
    }


def picture_of(pixels: np.ndarray, *, bars: bool = False) -> Image.Image:
    """(c, h, w) numbers in 0…1 as a picture; unless there are one or three channels, their mean.

    A signal, (c, 1, length) or (c, length), is drawn as lines, or as `bars`.
    """
    pixels = pixels if pixels.ndim == 3 else pixels[:, None]
    if pixels.shape[1] == 1 < pixels.shape[2]:
        return row_picture(np.nan_to_num(pixels[:, 0]), _ROW, bars=bars)
    if pixels.shape[0] not in (1, 3):
        pixels = pixels.mean(0, keepdims=True)
    bytes_ = (np.clip(np.nan_to_num(pixels), 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(bytes_.squeeze(2) if bytes_.shape[2] == 1 else bytes_).convert("RGB")
