"""The maps of one layer, with statistics of each unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer, Shaped

from nnlens.geometry.axes import Grid, as_maps
from nnlens.recording import Recording
from nnlens.utils.language import _, number


@dataclass(frozen=True, eq=False, kw_only=True)
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
    tokens, grid : int and (rows, columns), or None
        The number of tokens of the layer, if it has tokens, and the grid on which they are shown.
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
    tokens: int | None
    grid: tuple[int, int] | None
    values: Float[np.ndarray, "units h w"]
    minimum: Float[np.ndarray, " units"]
    maximum: Float[np.ndarray, " units"]
    mean: Float[np.ndarray, " units"]
    zeros: Float[np.ndarray, " units"]
    peak: Integer[np.ndarray, "units 2"]
    dead: Shaped[np.ndarray, " dead"]
    not_finite: int

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        maps = " × ".join(map(str, self.values.shape[1:]))
        zeros = f"{self.sparsity:.0%}".replace("%", " %")
        return f"Activations({self.layer!r} ({self.label}), {len(self)} units of {maps}, {zeros} zeros)"

    @property
    def sparsity(self) -> float:
        """The share of the layer's values that are exactly 0."""
        return float((self.values == 0).mean())

    def describe(self, unit: int) -> str:
        """The unit in words: "unit 12: max 4.1 at (31, 40), 62 % zeros"."""
        if self.dead[unit]:
            return _("unit {unit}: 0 everywhere on this input", unit=unit)
        row, column = self.peak[unit]
        zeros = self.zeros[unit]
        share = f"{zeros:.0%}" if zeros in (0, 1) or 0.01 <= zeros <= 0.99 else f"{zeros:.1%}"
        return _(
            "unit {unit}: max {maximum} at ({row}, {column}), {share} zeros",
            unit=unit,
            maximum=number(f"{self.maximum[unit]:.3g}"),
            row=row,
            column=column,
            share=number(share.replace("%", " %")),
        )


def activations(recording: Recording, layer: str, *, grid: Grid = None) -> Activations:
    """The maps of `layer` (an operation's name or a module's path) with each unit's statistics.

    `grid` is how tokens are shown: (rows, columns), leading tokens left out, or "strip"; by default the grid of the
    image's patches. Raises ValueError for an unknown layer, naming the nearest names, and for one without numbers.
    """
    operation = recording.operation(layer)
    if 0 in operation.shape:
        raise ValueError(f"layer {operation.name!r} gave an empty tensor of shape {operation.shape}: nothing to show")
    maps, layout = as_maps(recording[layer], recording, operation, grid)
    units, _, width = maps.shape
    flat = maps.reshape(units, -1)
    finite = np.isfinite(flat)
    not_finite = int(finite.size - np.count_nonzero(finite))
    known = flat if not not_finite else np.where(finite, flat, np.nan)
    if not_finite:
        empty = ~finite.any(1)
        known = np.where(empty[:, None], 0, known)
        low, high, mean = np.nanmin(known, 1), np.nanmax(known, 1), np.nanmean(known, 1)
        peak = np.where(finite, flat, -np.inf).argmax(1)
    else:
        low, high, mean, peak = flat.min(1), flat.max(1), flat.mean(1), flat.argmax(1)
    zeros = np.count_nonzero(flat == 0, axis=1) / flat.shape[1]
    return Activations(
        layer=operation.name,
        label=operation.label,
        kind=operation.kind,
        shape=operation.shape,
        layout=layout.words,
        tokens=layout.tokens,
        grid=layout.grid,
        values=maps,
        minimum=low.astype(np.float32),
        maximum=high.astype(np.float32),
        mean=mean.astype(np.float32),
        zeros=zeros.astype(np.float32),
        peak=np.stack([peak // width, peak % width], 1),
        dead=zeros == 1,
        not_finite=not_finite,
    )
