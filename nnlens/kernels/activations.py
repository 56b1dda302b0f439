"""The maps of one layer, with the numbers that describe each unit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..recording import Operation, Recording


@dataclass(frozen=True, eq=False)
class Activations:
    """What one operation computed for one input.

    Attributes
    ----------
    layer, label, kind : str
        The operation's name, what ran there, and its kind.
    shape : tuple of int
        The shape of the recorded tensor.
    values : float32 array (units, height, width)
        One map per unit. `layout` says in words how the tensor became these maps.
    minimum, maximum, mean, zeros : float32 arrays (units,)
        Over each unit's finite values; `zeros` is the share of values that are exactly 0 (0…1).
    peak : int array (units, 2)
        Row and column of each unit's largest value.
    dead : bool array (units,)
        Units that are 0 everywhere on this input.
    not_finite : int
        How many values of the layer are NaN or infinite.
    """

    layer: str
    label: str
    kind: str
    shape: tuple[int, ...]
    layout: str
    values: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    mean: np.ndarray
    zeros: np.ndarray
    peak: np.ndarray
    dead: np.ndarray
    not_finite: int

    def __len__(self) -> int:
        return len(self.values)

    @property
    def sparsity(self) -> float:
        """The share of the layer's values that are exactly 0."""
        return float((self.values == 0).mean())

    def describe(self, unit: int) -> str:
        """The unit in words: "unit 12: max 4.1 at (31, 40), 62 % zeros"."""
        if self.dead[unit]:
            return f"unit {unit}: 0 everywhere on this input"
        row, column = self.peak[unit]
        zeros = self.zeros[unit]
        share = f"{zeros:.0%}" if zeros in (0, 1) or 0.01 <= zeros <= 0.99 else f"{zeros:.1%}"
        return f"unit {unit}: max {self.maximum[unit]:.3g} at ({row}, {column}), {share.replace('%', ' %')} zeros"


def as_maps(value: Tensor, operation: Operation | None = None) -> tuple[np.ndarray, str]:
    """The value for one input as (units, height, width) maps, and in words how it became them."""
    value = value.detach()
    if value.is_complex():
        maps, layout = as_maps(value.abs(), operation)
        return maps, f"{layout}, magnitude of complex values"
    # A leading axis that is not 1 is no batch of one: attention's (steps, batch, units), windows.
    sample = value[0] if value.ndim > 1 and value.shape[0] == 1 else value
    if sample.ndim == 3 and sample is value and value.shape[1] == 1:
        sample = value[:, 0]
    array = sample.float().cpu().numpy()
    if array.ndim == 0:
        return array.reshape(1, 1, 1), "one number"
    if array.ndim == 1:
        return array.reshape(-1, 1, 1), "one number per unit"
    if array.ndim == 3:
        return array, "one map per channel"
    if array.ndim == 2:
        if operation is not None and (operation.op.endswith("1d") or operation.kind == "convolution"):
            return array[:, None, :], "one strip per channel"
        tokens, units = array.shape
        for extra in (0, 1):  # with a class token in front, perhaps
            side = math.isqrt(tokens - extra)
            if side > 1 and side * side == tokens - extra:
                maps = array[extra:].T.reshape(units, side, side)
                return maps, f"{tokens} tokens as a {side} × {side} grid" + (", first token left out" if extra else "")
        return array.T[:, None, :], f"one strip of {tokens} steps per unit"
    # Further axes lie side by side: (c, d, h, w) → c maps of h × (d · w).
    channels, height, width = array.shape[0], array.shape[-2], array.shape[-1]
    flat = array.reshape(channels, -1, height, width)
    maps = flat.transpose(0, 2, 1, 3).reshape(channels, height, -1)
    return maps, f"{flat.shape[1]} slices side by side per channel"


def activations(recording: Recording, layer: str) -> Activations:
    """The maps of `layer` (an operation's name or a module's path) with each unit's statistics.

    Raises ValueError for an unknown layer, naming the nearest names.
    """
    operation = recording.operation(layer)
    maps, layout = as_maps(recording[layer], operation)
    units, _, width = maps.shape
    flat = maps.reshape(units, -1)
    finite = np.isfinite(flat)
    not_finite = int(finite.size - np.count_nonzero(finite))
    known = flat if not not_finite else np.where(finite, flat, np.nan)
    if not_finite:
        empty = ~finite.any(1)
        known = np.where(empty[:, None], 0, known)
        low, high, mean = np.nanmin(known, 1), np.nanmax(known, 1), np.nanmean(known, 1)
        place = np.where(finite, flat, -np.inf).argmax(1)
    else:
        low, high, mean, place = flat.min(1), flat.max(1), flat.mean(1), flat.argmax(1)
    zeros = np.count_nonzero(flat == 0, axis=1) / flat.shape[1]
    return Activations(
        layer=operation.name,
        label=operation.label,
        kind=operation.kind,
        shape=operation.shape,
        layout=layout,
        values=maps,
        minimum=low.astype(np.float32),
        maximum=high.astype(np.float32),
        mean=mean.astype(np.float32),
        zeros=zeros.astype(np.float32),
        peak=np.stack([place // width, place % width], 1),
        dead=zeros == 1,
        not_finite=not_finite,
    )
