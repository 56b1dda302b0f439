"""Results as payloads for the browser."""

from __future__ import annotations

import numpy as np

from nnlens.kernels import Activations, Occlusion, occlusion_difference

from . import payloads

# Codes of a texture: 0…252 are values from the tile's lowest to its highest, the rest are marks.
LEVELS = 252
NAN, NEGATIVE, POSITIVE = 253, 254, 255


def quantise(maps: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(units, h, w) values as uint8 codes: 0…252 from `low` to `high` of the unit; NaN and ±∞ have their own."""
    span = np.where(high > low, high - low, 1)[:, None, None]
    scaled = (maps - low[:, None, None]) / span * LEVELS
    known = np.isfinite(scaled)
    if known.all():
        result: np.ndarray = np.clip(np.rint(scaled), 0, LEVELS).astype(np.uint8)
        return result
    codes = np.clip(np.rint(np.where(known, scaled, 0)), 0, LEVELS).astype(np.uint8)
    codes[np.isnan(maps)] = NAN
    codes[np.isneginf(maps)] = NEGATIVE
    codes[np.isposinf(maps)] = POSITIVE
    return codes


def reduce_maps(maps: np.ndarray, step: int) -> np.ndarray:
    """Each `step` × `step` cell reduced to its value of largest magnitude, so that no peak is lost."""
    if step == 1:
        return maps
    units, height, width = maps.shape
    rows, columns = -(-height // step), -(-width // step)
    padded = np.pad(maps, ((0, 0), (0, rows * step - height), (0, columns * step - width)), mode="edge")
    cells = padded.reshape(units, rows, step, columns, step).transpose(0, 1, 3, 2, 4)
    cells = cells.reshape(units, rows, columns, step * step)
    high, low = cells.max(3), cells.min(3)
    result: np.ndarray = np.where(high >= -low, high, low)
    return result


def mosaic_texture(activations: Activations, *, most_values: int = 400_000, most_side: int = 112) -> payloads.Mosaic:
    """All units of a layer as 8-bit tiles with each unit's range and statistics.

    Tiles of more than `most_side` pixels, or of more than `most_values` in all, are reduced by a whole `step`.
    """
    units, height, width = activations.values.shape
    step = 1
    while max(-(-height // step), -(-width // step)) > most_side or (
        units * -(-height // step) * -(-width // step) > most_values and max(height, width) > 8 * step
    ):
        step += 1
    tiles = quantise(reduce_maps(activations.values, step), activations.minimum, activations.maximum)
    return {
        "layer": activations.layer,
        "label": activations.label,
        "kind": activations.kind,
        "shape": list(activations.shape),
        "layout": activations.layout,
        "tokens": activations.tokens,
        "grid": None if activations.grid is None else list(activations.grid),
        "units": units,
        "height": height,
        "width": width,
        "step": step,
        "rows": tiles.shape[1],
        "columns": tiles.shape[2],
        "low": activations.minimum.tobytes(),
        "high": activations.maximum.tobytes(),
        "mean": activations.mean.tobytes(),
        "zeros": activations.zeros.tobytes(),
        "peak": activations.peak.astype(np.int32).tobytes(),
        "sparsity": activations.sparsity,
        "not_finite": activations.not_finite,
        "data": tiles.tobytes(),
    }


def unit_texture(activations: Activations, unit: int, *, most_values: int = 250_000) -> payloads.UnitMap:
    """One unit's map with its exact values (float32); a map of more than `most_values` is reduced by a whole `step`."""
    _, height, width = activations.values.shape
    step = 1
    while -(-height // step) * -(-width // step) > most_values:
        step += 1
    values = np.ascontiguousarray(reduce_maps(activations.values[unit : unit + 1], step)[0], dtype=np.float32)
    return {
        "layer": activations.layer,
        "unit": unit,
        "rows": values.shape[0],
        "columns": values.shape[1],
        "step": step,
        "data": values.tobytes(),
    }


def occlusion_texture(result: Occlusion, targets: list[int]) -> payloads.OcclusionMapPayload:
    """The scores of `targets` at every position (float32; NaN where not computed), and the top class there."""
    probabilities = result.probabilities()
    top = result.top_class()
    best = np.take_along_axis(probabilities, np.maximum(top, 0)[..., None], -1)[..., 0]
    return {
        "size": list(result.size),
        "stride": list(result.stride),
        "image": list(result.image),
        "fill": result.fill,
        "shape": result.shape,
        "how": result.how,
        "tops": result.tops.tolist(),
        "lefts": result.lefts.tolist(),
        "targets": targets,
        "floor_probability": [result.floor(target) for target in targets],
        "floor_logit": [result.floor(target, "logit") for target in targets],
        "clean_probability": [result.clean_score(target) for target in targets],
        "clean_logit": [result.clean_score(target, "logit") for target in targets],
        "probability": np.moveaxis(probabilities[..., targets], -1, 0).astype(np.float32).tobytes(),
        "logit": np.stack([result.score(target, "logit") for target in targets]).astype(np.float32).tobytes(),
        "top": top.astype(np.int32).tobytes(),
        "top_probability": best.astype(np.float32).tobytes(),
        "done": int(np.count_nonzero(result.computed)),
    }


def occlusion_difference_texture(
    first: Occlusion, second: Occlusion, targets: list[int]
) -> payloads.OcclusionMapPayload:
    """How the change of each target's score differs, second minus first, as a map whose clean scores are 0."""
    changes = {
        kind: np.stack([occlusion_difference(first, second, target, kind) for target in targets]).astype(np.float32)
        for kind in ("probability", "logit")
    }
    known = first.computed & second.computed
    texture = occlusion_texture(second, targets)
    return {
        **texture,
        "clean_probability": [0.0] * len(targets),
        "clean_logit": [0.0] * len(targets),
        "probability": changes["probability"].tobytes(),
        "logit": changes["logit"].tobytes(),
        "top": np.where(known, 0, -1).astype(np.int32).tobytes(),
        "done": int(np.count_nonzero(known)),
    }
