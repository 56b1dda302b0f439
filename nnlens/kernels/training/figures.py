"""What is measured of a model while it trains: figures of activations, weights, gradients and updates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nnlens.geometry.axes import channels_of
from nnlens.recording import Operation, Recording

_TURNS, _SETTLED = 12, 1e-3  # of power iterations: at most, and the relative change at which they end
_NEAR = 0.01  # of the width of a function's range: so near to a bound a value is saturated
_RANGES = {
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu6": (-math.inf, 6.0),  # its 0 counts among the zeros
}


@dataclass(frozen=True, kw_only=True)
class ActivationFigures:
    """Figures of one layer's activations on the watched inputs.

    Attributes
    ----------
    layer : str
    zeros : float
        The share of values that are exactly 0.
    dead : float
        The share of units that are 0 for every input and position.
    saturated : float
        The share of values within 1 % of a bound of a sigmoid, tanh or ReLU6; NaN for a function without bounds.
    size : float
        The root of the mean square.
    spread : float
        The share of its positions over which the map of a unit is spread: (Σ|a|)² ÷ (n Σa²), which is 1 where all
        positions are alike, and 1/n where one of the n is active. A mean over inputs and units whose map is not 0; NaN
        without such a map, and for units without positions.
    """

    layer: str
    zeros: float
    dead: float
    saturated: float
    size: float
    spread: float


@dataclass(frozen=True, kw_only=True)
class WeightFigures:
    """Figures of the parameters of one module.

    Attributes
    ----------
    module : str
        Its path; "" for the model itself.
    weight, gradient, update : float
        Lengths (the root of the sum of squares) of its parameters, of their gradients and of their change in one step
        of the optimiser; NaN for a gradient or an update that was not there.
    count : int
        How many numbers.
    singular : float
        The largest singular value of its largest weight, as a matrix with a row for each output; NaN without one. By
        power iteration to about a hundredth of it, which goes on where it ended at the last measurement.
    rank : float
        The stable rank of that weight: the sum of its squared singular values ÷ the largest of them. How many
        directions it uses, between 1 and its number of rows or columns.
    """

    module: str
    weight: float
    gradient: float
    update: float
    count: int
    singular: float = math.nan
    rank: float = math.nan

    @property
    def ratio(self) -> float:
        """Update ÷ weight: about 0.001 is usual."""
        return self.update / self.weight if self.weight else math.nan


@torch.no_grad()
def activation_figures(recording: Recording, layers: Sequence[str]) -> tuple[ActivationFigures, ...]:
    """Figures of some operations of a pass on a batch."""
    return tuple(_activation(recording, recording.operation(name), recording[name]) for name in layers)


def _activation(recording: Recording, operation: Operation, value: Tensor) -> ActivationFigures:
    value = value.detach().float()
    units = (
        value.movedim(unit_axis(value, recording, operation), 1) if value.ndim > 2 else value.reshape(len(value), -1)
    )
    maps = units.flatten(2) if units.ndim > 2 else units[:, :, None]  # (inputs, units, positions)
    zero = maps == 0
    low, high = _RANGES.get(operation.op.rstrip("_"), (math.nan, math.nan))
    if operation.op.rstrip("_") == "hardtanh":
        low, high = float(operation.argument(1, "min_val", -1.0)), float(operation.argument(2, "max_val", 1.0))
    saturated = torch.full((), math.nan)
    if not math.isnan(high):
        near = _NEAR * ((high - low) if math.isfinite(low) else high)
        saturated = ((maps >= high - near) | ((maps <= low + near) & (low != 0))).float().mean()
        if operation.op.rstrip("_") in ("sigmoid", "hardsigmoid"):
            saturated = ((maps >= high - near) | (maps <= near)).float().mean()
    energy = maps.square().sum(2)
    spread = torch.full((), math.nan)
    if maps.shape[2] > 1:
        shares = maps.abs().sum(2).square() / (maps.shape[2] * energy)
        spread = shares[energy > 0].mean()
    figures = torch.stack(
        [
            zero.float().mean(),
            zero.all(2).all(0).float().mean(),
            saturated.to(maps),
            maps.square().mean().sqrt(),
            spread.to(maps),
        ]
    ).tolist()  # one transfer from the device
    zeros, dead, full, size, wide = figures
    return ActivationFigures(layer=operation.name, zeros=zeros, dead=dead, saturated=full, size=size, spread=wide)


def unit_axis(value: Tensor, recording: Recording, operation: Operation) -> int:
    """The axis of a batch's units: channels of maps and signals, features of tokens."""
    if value.ndim < 3:
        return 1
    where = channels_of(recording, operation)
    last = where == "last" or (where is None and value.ndim == 3)
    return value.ndim - 1 if last else 1


def lengths(tensors: Iterable[Tensor]) -> Tensor:
    """The length of each tensor (n,), on the device of the first."""
    rows = [item.detach().coalesce().values() if item.is_sparse else item.detach() for item in tensors]
    norms: list[Tensor] = [torch.linalg.vector_norm(item, dtype=_precise(item)).reshape(()) for item in rows]
    return torch.stack([item.to(norms[0]) for item in norms]) if norms else torch.zeros(0)


def _precise(item: Tensor) -> torch.dtype:
    return item.dtype if item.dtype in (torch.float32, torch.float64) else torch.float32


def weight_figures(
    model: nn.Module,
    gradients: Mapping[str, float],
    updates: Mapping[str, float],
    starts: dict[str, Tensor] | None = None,
) -> tuple[WeightFigures, ...]:
    """Figures of the parameters, by module.

    Parameters
    ----------
    gradients, updates : mapping of str to float
        The lengths of the gradient and of the update of each parameter, by its name; without those that have none.
    starts : dict, optional
        Where the power iterations ended, by module: give the same dictionary at each call, and it is filled.
    """
    starts = {} if starts is None else starts
    largest: dict[str, Tensor] = {}
    named = [(name, item) for name, item in model.named_parameters() if item.is_floating_point()]
    sizes = lengths(item for _name, item in named).tolist()
    parts: dict[str, list[tuple[float, float, float, int]]] = {}
    for (name, item), size in zip(named, sizes, strict=True):
        module = name.rpartition(".")[0]
        if item.ndim > 1 and item.numel() > (largest[module].numel() if module in largest else 0):
            largest[module] = item
        row = size, gradients.get(name, math.nan), updates.get(name, math.nan), item.numel()
        parts.setdefault(module, []).append(row)

    def joined(values: list[float]) -> float:
        there = [value for value in values if not math.isnan(value)]
        return math.sqrt(sum(value * value for value in there)) if there else math.nan

    return tuple(
        WeightFigures(
            module=module,
            weight=math.sqrt(sum(row[0] ** 2 for row in rows)),
            gradient=joined([row[1] for row in rows]),
            update=joined([row[2] for row in rows]),
            count=sum(row[3] for row in rows),
            **_spectrum(module, largest.get(module), starts),
        )
        for module, rows in parts.items()
    )


def _spectrum(module: str, weight: Tensor | None, starts: dict[str, Tensor]) -> dict[str, float]:
    """The largest singular value and the stable rank; nothing for a module without a matrix."""
    if weight is None or weight.is_sparse:
        return {}
    matrix = weight.detach().flatten(1)
    matrix = matrix.to(_precise(matrix))
    vector = starts.get(module)
    if vector is None or vector.shape != matrix.shape[1:] or vector.device != matrix.device:
        generator = torch.Generator().manual_seed(0)
        vector = torch.randn(matrix.shape[1], generator=generator).to(matrix)
    before, value = 0.0, math.nan
    for _turn in range(_TURNS):
        image = matrix @ (vector.to(matrix) / torch.linalg.vector_norm(vector.to(matrix)).clamp_min(1e-30))
        value = float(torch.linalg.vector_norm(image))
        vector = matrix.T @ image
        if not value > 0 or value - before <= _SETTLED * value:
            break
        before = value
    if not (math.isfinite(value) and value > 0):
        return {"singular": value}
    starts[module] = vector
    return {"singular": value, "rank": float(torch.linalg.vector_norm(matrix)) ** 2 / value**2}
