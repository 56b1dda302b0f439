"""How a tensor of any shape becomes maps that can be shown, one per unit."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from nnlens.recording import Operation, Recording
from nnlens.utils.language import _, plural

from .call import POINTWISE
from .receptive_field import has_one_row, map_fields, spatial_dimensions, token_grids

Grid = tuple[int, int] | Literal["strip"] | None
# What `Layout.words` is for most layers: the browser knows it, and does not show it.
USUAL = "one map per channel"


@dataclass(frozen=True)
class Layout:
    """How a recorded tensor became maps.

    Attributes
    ----------
    words : str
        A description in words.
    tokens : int or None
        The number of tokens, if the units' values are per token: then the grid can be chosen.
    grid : (rows, columns) or None
        The grid that the tokens are shown as; None for a strip.
    """

    words: str
    tokens: int | None = None
    grid: tuple[int, int] | None = None


def as_maps(value: Tensor, recording: Recording, operation: Operation, grid: Grid = None) -> tuple[np.ndarray, Layout]:
    """The value for one input as (units, height, width) float32 maps, and how it was converted to them.

    The image's rows and columns are traced through the recording, so that channels may be last and tokens are put at
    their places. `grid` overrides the guess for tokens: (rows, columns), tokens in front left out,
    or "strip".
    """
    value = value.detach()
    if value.is_complex():
        maps, layout = as_maps(value.abs(), recording, operation, grid)
        words = _("one map per channel") if layout.words == USUAL else layout.words
        words = _("{layout}, magnitude of complex values", layout=words)
        return maps, Layout(words, layout.tokens, layout.grid)
    along = spatial_dimensions(recording, operation.name)
    if len(along) == 2 and has_one_row(recording):
        along = along[1:]  # a signal
    # A leading axis that is not 1 is not a batch of one: attention's (steps, batch, units), windows.
    batch = 0 if value.ndim > 1 and value.shape[0] == 1 else None
    if value.ndim == 3 and batch is None and value.shape[1] == 1:
        batch = 1
    sample = value if batch is None else value.select(batch, 0)
    if batch is not None:
        along = tuple(None if dim is None else dim - (dim > batch) for dim in along)
    array = sample.float().cpu().numpy()
    if array.ndim == 0:
        return array.reshape(1, 1, 1), Layout(_("one number"))
    if array.ndim == 1:
        return array.reshape(-1, 1, 1), Layout(_("one number per unit"))
    if array.ndim == 2:
        return _rows(array, recording, operation, along, grid)
    if array.ndim == 3:
        if along == (0, 1) or (along.count(None) == len(along) and channels_of(recording, operation) == "last"):
            return np.ascontiguousarray(array.transpose(2, 0, 1)), Layout(_("one map per channel, channels last"))
        if operation.op == "attention_weights":
            return array, Layout(_("one map per head: a row for each query, a column for each key"))
        return array, Layout(USUAL)
    # Further axes lie side by side: (c, d, h, w) → c maps of slices in a near-square sheet.
    channels, height, width = array.shape[0], array.shape[-2], array.shape[-1]
    flat = array.reshape(channels, -1, height, width)
    across = math.ceil(math.sqrt(flat.shape[1] * height / width))
    down = math.ceil(flat.shape[1] / across)
    sheet = np.zeros((channels, down * across, height, width), np.float32)
    sheet[:, : flat.shape[1]] = flat
    maps = sheet.reshape(channels, down, across, height, width).transpose(0, 1, 3, 2, 4)
    words = _("{count} slices side by side per channel", count=flat.shape[1])
    if down > 1:
        words += _(", {count} in a row", count=across)
    return np.ascontiguousarray(maps.reshape(channels, down * height, across * width)), Layout(words)


def places_of(recording: Recording, operation: Operation, *, whole: bool = False) -> np.ndarray:
    """The flat index of each number of the maps in the recorded tensor: int64 (units, height, width).

    `whole`: all of each unit's numbers, including those that belong to no place of the image, such as a class token's.
    """
    numbers = torch.arange(math.prod(operation.shape)).view(operation.shape)
    # Laid out as the values would be, in two halves: float32 counts exactly only to 2²⁴.
    grid: Grid = "strip" if whole else None
    high, low = (as_maps(part, recording, operation, grid)[0] for part in (numbers // 4096, numbers % 4096))
    return high.astype(np.int64) * 4096 + low.astype(np.int64)


def receptive_fields(recording: Recording, layer: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The pixels that the rows and the columns of a layer's maps see: (rows, 2) and (columns, 2), first and last.

    None where they are not known, or the image does not have two axes.
    """
    return map_fields(recording, layer, places_of(recording, recording.operation(layer))[0])


def unit_places(
    recording: Recording,
    operation: Operation,
    unit: Any,
    position: Any = None,
    *,
    name: str = "unit",
    whole: bool = False,
) -> np.ndarray:
    """The flat indices of one unit's map in the recorded tensor, (height, width), or one `place` of it, (1, 1).

    Raises TypeError or ValueError for an invalid unit or (row, column); `name` is the name of the argument.
    """
    maps = places_of(recording, operation, whole=whole)
    rule = "must be" if name == "unit" else "must name a unit"
    if isinstance(unit, bool) or not isinstance(unit, (int, np.integer)):
        raise TypeError(f"{name} {rule} 0…{len(maps) - 1} in layer {operation.name!r}, got {unit!r}")
    if not 0 <= unit < len(maps):
        raise ValueError(f"{name} {rule} 0…{len(maps) - 1} in layer {operation.name!r}, got {unit}")
    own: np.ndarray = maps[unit]
    if position is None:
        return own
    try:
        row, column = (operator.index(number) for number in position)
    except (TypeError, ValueError):
        raise TypeError(f"position must be (row, column), got {position!r}") from None
    height, width = own.shape
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"position must be inside the {height} × {width} map, got ({row}, {column})")
    return own[row : row + 1, column : column + 1]


def _rows(
    array: np.ndarray, recording: Recording, operation: Operation, along: tuple[int | None, ...], grid: Grid
) -> tuple[np.ndarray, Layout]:
    """A matrix of tokens, or steps, and units; or of channels along one axis."""
    steps = along == (0,) or operation.kind in ("gate", "state")
    if not steps and (along == (1,) or channels_of(recording, operation) == "first"):
        return array[:, None, :], Layout(_("one strip per channel"))
    grids = token_grids(recording)
    columns_are_tokens = along in ((1, 1), (1, None)) or (
        None in along and array.shape[1] in grids and array.shape[0] not in grids
    )
    rows = array.T if columns_are_tokens else array
    tokens = len(rows)
    if grid is None:
        chosen = grids.get(tokens) or (_square(tokens) if len(along) == 2 else None)
    elif grid == "strip":
        chosen = None
    else:
        if grid[0] * grid[1] > tokens:
            raise ValueError(f"grid must have at most {tokens} places, the layer's tokens, got {grid[0]} × {grid[1]}")
        chosen = grid
    if chosen is None:
        return rows.T[:, None, :], Layout(_("one strip of {steps} steps per unit", steps=tokens), tokens)
    first = tokens - chosen[0] * chosen[1]
    words = _("{tokens} tokens as a {rows} × {columns} grid", tokens=tokens, rows=chosen[0], columns=chosen[1])
    if first:
        words += plural(", first token left out", ", first {count} tokens left out", first)
    maps = np.ascontiguousarray(rows[first:].T.reshape(-1, *chosen))
    return maps, Layout(words, tokens, chosen)


_FIRST = re.compile(r"[123]d$|^(batch|instance|group)_norm$|^local_response_norm$")
_LAST = {"linear", "layer_norm", "rms_norm", "embedding"}


def channels_of(recording: Recording, operation: Operation) -> Literal["first", "last"] | None:
    """The axis of the channels, from the nearest operation before this one that determines it."""
    by_name = {item.name: item for item in recording}
    waiting, seen = [operation], {operation.name}
    while waiting:
        item = waiting.pop(0)
        if _FIRST.search(item.op):
            return "first"
        if item.op in _LAST and (item.op != "layer_norm" or len(item.arguments[1]) == 1):
            return "last"
        if item.op in POINTWISE:
            before = [by_name[name] for name in item.inputs if name in by_name and name not in seen]
            seen.update(item.name for item in before)
            waiting += [item for item in before if item.shape == operation.shape]
    return None


def _square(tokens: int) -> tuple[int, int] | None:
    """A square grid, possibly with a class token in front: used where the tokens' places are not known."""
    for extra in (0, 1):
        side = math.isqrt(tokens - extra)
        if side > 1 and side * side == tokens - extra:
            return side, side
    return None
