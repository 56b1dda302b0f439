"""Smaller versions of payloads, for saved pages in which the full ones do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import payloads
from .textures import reduce_maps

_SMALLEST = 16  # sides that are not reduced any further


def smaller_unit_map(payload: payloads.ShownUnitMap) -> payloads.ShownUnitMap | None:
    """A unit's map with half the rows and columns: of 2 × 2 values the one of largest magnitude."""
    shape = payload["rows"], payload["columns"]
    if max(shape) <= _SMALLEST:
        return None
    values = reduce_maps(np.frombuffer(payload["data"], np.float32).reshape(1, *shape), 2)
    _, rows, columns = values.shape
    return {**payload, "rows": rows, "columns": columns, "step": 2 * payload["step"], "data": values.tobytes()}


def smaller_texture(payload: Any) -> Any:
    """A texture of signed numbers with half the rows and columns; None for a small one, or for an error's payload."""
    if payload is None or "planes" not in payload or max(payload["rows"], payload["columns"]) <= _SMALLEST:
        return None
    codes = np.frombuffer(payload["data"], np.int8).reshape(payload["planes"], payload["rows"], payload["columns"])
    codes = reduce_maps(codes, 2)
    _, rows, columns = codes.shape
    return {**payload, "rows": rows, "columns": columns, "step": 2 * payload["step"], "data": codes.tobytes()}


def smaller_occlusion_map(payload: payloads.OcclusionMapPayload) -> payloads.OcclusionMapPayload | None:
    """An occlusion map of fewer classes; of the first class alone, with every second position along each axis."""
    targets, rows, columns = len(payload["targets"]), len(payload["tops"]), len(payload["lefts"])
    if targets > 1:
        kept, step = -(-targets // 2), 1
    elif max(rows, columns) > _SMALLEST:
        kept, step = 1, 2
    else:
        return None

    def scores(data: bytes) -> bytes:
        return np.frombuffer(data, np.float32).reshape(targets, rows, columns)[:kept, ::step, ::step].tobytes()

    def values(data: bytes, dtype: type) -> bytes:
        return np.frombuffer(data, dtype).reshape(rows, columns)[::step, ::step].tobytes()

    done = np.isfinite(np.frombuffer(payload["top_probability"], np.float32).reshape(rows, columns)[::step, ::step])
    return {
        **payload,
        "stride": [step * side for side in payload["stride"]],
        "tops": payload["tops"][::step],
        "lefts": payload["lefts"][::step],
        "targets": payload["targets"][:kept],
        "floor_probability": payload["floor_probability"][:kept],
        "floor_logit": payload["floor_logit"][:kept],
        "clean_probability": payload["clean_probability"][:kept],
        "clean_logit": payload["clean_logit"][:kept],
        "probability": scores(payload["probability"]),
        "logit": scores(payload["logit"]),
        "top": values(payload["top"], np.int32),
        "top_probability": values(payload["top_probability"], np.float32),
        "done": payload["done"] if step == 1 else int(done.sum()),
    }
