"""Filters as payloads: the bank of a layer, one filter, its responses, the heads of attention."""

from __future__ import annotations

import math

import numpy as np
import torch

from nnlens.kernels.weights import (
    Expanded,
    FilterStatistics,
    Found,
    Gabor,
    Heads,
    Tuning,
)
from nnlens.kernels.weights.orientation import power_spectra
from nnlens.render.scores import finite
from nnlens.render.units import signed_texture
from nnlens.utils.language import _, number

from . import payloads as shapes

_VALUES = 400_000  # of a bank's tiles, at most
_KERNELS = 256  # channels whose kernels are shown, at most
_HEAD_SIDE = 96  # of a picture of a head's product


def weight_entries(found: Found) -> list[shapes.WeightEntry]:
    """All weights that can be chosen; those that cannot be analysed with the reason."""
    return [
        {
            "name": weight.name,
            "label": weight.label,
            "problem": _("has {count} values that are NaN or infinite", count=weight.not_finite)
            if weight.not_finite
            else "",
        }
        for weight in found
    ]


def bank_payload(
    statistics: FilterStatistics, *, channel: int | None = None, gabor: Gabor | None = None
) -> shapes.FilterBank:
    """The filters as tiles: in colour where they read one or three channels, else their patterns or one channel."""
    weight, orientation = statistics.weight, statistics.orientation
    tiles, words = _tiles(statistics, channel)
    filters, planes, rows, columns = tiles.shape
    step = max(1, math.ceil(tiles.size / _VALUES)) if rows == 1 else 1
    if step > 1:
        tiles = _reduced(tiles, step)
        columns = tiles.shape[3]
    flat = tiles.reshape(filters, -1)
    peak = np.abs(flat).max(1)
    codes = np.rint(flat / np.where(peak > 0, peak, 1)[:, None] * 127).astype(np.int8)
    noise = statistics.gabor_of_noise if gabor is not None else None
    return {
        "name": weight.name,
        "label": weight.label,
        "same_as": list(weight.same_as),
        "words": words,
        "filters": filters,
        "reads": int(weight.values.shape[1]),
        "channel": channel,
        "planes": planes,
        "rows": rows,
        "columns": columns,
        "step": step,
        "data": codes.tobytes(),
        "peak": _f32(peak),
        "norm": _f32(statistics.norms),
        "angle": None if orientation is None else _f32(orientation.angle),
        "frequency": None if orientation is None else _f32(orientation.frequency),
        "similar": statistics.order("similarity").astype(np.int32).tobytes(),
        "dead": np.flatnonzero(statistics.dead).tolist(),
        "duplicates": [list(group) for group in statistics.duplicates],
        "r_squared": None if gabor is None else _f32(gabor.r_squared),
        "noise": None if noise is None else (float(np.median(noise.r_squared)), float(noise.r_squared.max())),
    }


def _reduced(tiles: np.ndarray, step: int) -> np.ndarray:
    """Each `step` numbers of a row reduced to the one of largest magnitude."""
    columns = -(-tiles.shape[3] // step)
    padded = np.pad(tiles, ((0, 0), (0, 0), (0, 0), (0, columns * step - tiles.shape[3])))
    cells = padded.reshape(*tiles.shape[:3], columns, step)
    result: np.ndarray = np.take_along_axis(cells, np.abs(cells).argmax(4)[..., None], 4)[..., 0]
    return result


def _tiles(statistics: FilterStatistics, channel: int | None) -> tuple[np.ndarray, str]:
    """The filters as pictures (filters, planes, rows, columns), and what they show."""
    weight = statistics.weight
    values = weight.values.cpu().numpy()
    if values.ndim == 2 or math.prod(values.shape[2:]) == 1:
        return values.reshape(len(values), 1, 1, -1), _("each tile is one filter's weights in a row")
    pictures = values.reshape(*values.shape[:2], -1, values.shape[-1])
    if channel is not None:
        return pictures[:, channel : channel + 1], _(
            "the kernels for channel {channel} of the filter's inputs", channel=channel
        )
    if values.shape[1] in (1, 3) and values.ndim == 4:
        return pictures, _("filters in the colours of the input") if values.shape[1] == 3 else _(
            "the filters themselves"
        )
    if statistics.orientation is not None:
        planes = statistics.orientation.planes
    else:
        left, sizes, right = torch.linalg.svd(weight.values.double().flatten(2), full_matrices=False)
        sign = torch.where(left[:, :, 0].sum(1) < 0, -1.0, 1.0)
        planes = (
            (right[:, 0] * (sizes[:, 0] * sign).unsqueeze(1)).reshape(pictures.shape[0], *pictures.shape[2:]).numpy()
        )
    return planes[:, None], _("each filter's pattern: its first principal component over the channels it reads")


def detail_payload(statistics: FilterStatistics, unit: int, gabor: Gabor | None = None) -> shapes.FilterDetail:
    """The numbers of one filter, its pattern, kernels and power spectrum."""
    weight, orientation = statistics.weight, statistics.orientation
    own = weight.values[unit].cpu().numpy()
    tiles, _words = _tiles(statistics, None)
    pattern = tiles[unit]
    row = own.reshape(-1).astype(np.float64)
    norm = float(np.linalg.norm(row))
    similar: list[tuple[int, float]] = []
    if len(row) > 1 and norm:
        all_rows = statistics.rows
        cosine = all_rows @ row / np.where(statistics.norms > 0, statistics.norms, 1) / norm
        cosine[unit] = -np.inf
        similar = [(int(at), float(cosine[at])) for at in np.argsort(-cosine, kind="stable")[:5] if at != unit]
    kernels, channels = None, list[int]()
    if own.ndim > 1 and own.shape[0] > 1 and math.prod(own.shape[1:]) > 1:
        pictures = own.reshape(own.shape[0], -1, own.shape[-1])
        strength = np.linalg.norm(pictures.reshape(len(pictures), -1), axis=1)
        channels = np.argsort(-strength, kind="stable")[:_KERNELS].tolist()
        kernels = signed_texture(pictures[channels])
    power = None
    if orientation is not None:
        half = power_spectra(orientation.planes[unit : unit + 1] - orientation.planes[unit].mean())[0]
        points = len(half)
        mirrored = half[(-np.arange(points)) % points][:, points // 2 - 1 : 0 : -1]
        power = signed_texture(np.fft.fftshift(np.concatenate([half, mirrored], 1))[None])
    return {
        "weight": weight.name,
        "filter": unit,
        "norm": norm,
        "mean": float(row.mean()),
        "skewness": finite(float(statistics.skewness[unit])),
        "kurtosis": finite(float(statistics.kurtosis[unit])),
        "share": None if orientation is None else finite(float(orientation.share[unit])),
        "angle": None if orientation is None else finite(float(orientation.angle[unit])),
        "frequency": None if orientation is None else finite(float(orientation.frequency[unit])),
        "similar": similar,
        "pattern": signed_texture(pattern, colours=pattern.shape[0] == 3),
        "kernels": kernels,
        "channels": channels,
        "power": power,
        "gabor": None if gabor is None else _gabor(gabor, unit),
        "words": _filter_words(statistics, unit),
    }


def _gabor(gabor: Gabor, unit: int) -> shapes.GaborFit:
    return {
        "r_squared": finite(float(gabor.r_squared[unit])),
        "angle": finite(float(gabor.angle[unit])),
        "frequency": finite(float(gabor.frequency[unit])),
        "sigma": (float(gabor.sigma[unit, 0]), float(gabor.sigma[unit, 1])),
        "texture": signed_texture(gabor.fitted[unit : unit + 1]),
    }


def _filter_words(statistics: FilterStatistics, unit: int) -> str:
    """A filter in words: the text alternative of its picture."""
    words = _("filter {filter} of {name}: norm {norm}", filter=unit, name=statistics.weight.name,
              norm=number(f"{statistics.norms[unit]:.3g}"))  # fmt: skip
    orientation = statistics.orientation
    if orientation is not None and np.isfinite(orientation.angle[unit]):
        words += _(
            ", varies in the direction {angle}° with {frequency} cycles per pixel",
            angle=number(f"{orientation.angle[unit]:.0f}"),
            frequency=number(f"{orientation.frequency[unit]:.2g}"),
        )
    return words + (_(", dead") if statistics.dead[unit] else "")


def expanded_payload(weight: str, unit: int, expanded: Expanded, place: int = 0) -> shapes.ExpandedFilter:
    """The expanded weights of one filter, which are at a place among those that were computed."""
    values = expanded.values[place]
    return {
        "weight": weight,
        "filter": unit,
        "words": expanded.describe(),
        "texture": signed_texture(
            values if len(values) in (1, 3) else values.sum(0, keepdims=True), colours=len(values) == 3
        ),
        "problem": "",
    }


def tuning_payload(weight: str, unit: int, tuning: Tuning, done: float) -> shapes.FilterTuning:
    """A filter's responses to gratings."""
    known = np.isfinite(tuning.values[unit]).any()
    return {
        "weight": weight,
        "filter": unit,
        "orientations": tuning.orientations.tolist(),
        "frequencies": tuning.frequencies.tolist(),
        "values": _f32(tuning.values[unit]),
        "grey": finite(float(tuning.grey[unit])),
        "best": tuning.best(unit) if known else None,
        "selectivity": finite(float(tuning.selectivity(unit))) if known else None,
        "done": done,
        "problem": "",
    }


def heads_payload(heads: Heads) -> shapes.HeadsPayload:
    """The products of all heads, reduced to pictures, with their singular values."""
    query_key, value_output = heads.spectra()
    copying, symmetry = heads.copying(), heads.symmetry()
    pictures = [
        [signed_texture(product.cpu().numpy()[None], most_side=_HEAD_SIDE) for product in products]
        for products in (heads.query_key, heads.value_output)
    ]
    return {
        "name": heads.name,
        "width": heads.width,
        "heads": [
            {
                "query_key": pictures[0][head],
                "value_output": pictures[1][head],
                "query_key_values": query_key[head].tolist(),
                "value_output_values": value_output[head].tolist(),
                "copying": finite(float(copying[head])),
                "symmetry": finite(float(symmetry[head])),
            }
            for head in range(len(heads))
        ],
    }


def _f32(values: np.ndarray) -> bytes:
    return np.asarray(values, np.float32).tobytes()
