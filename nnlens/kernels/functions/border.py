"""How far it is to the border of a linear region along a direction, and which unit switches there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.autograd.forward_ad as forward
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor, nn

from nnlens.recording import Operation, Recording, Replacement, borrow, record, substituting
from nnlens.utils.language import _, number

from .local_map import doubled
from .pieces import exact_kind, is_maximum, kinks


@dataclass(frozen=True, repr=False, kw_only=True)
class Border:
    """The first border of the linear region of an input along a direction.

    Attributes
    ----------
    distance : float
        In multiples of the direction; infinite where no unit ever switches on the way.
    layer : str
        The operation whose unit switches; "" where none does.
    place : int
        Which value of that operation's input, counted through.
    """

    distance: float
    layer: str
    place: int

    def describe(self) -> str:
        """In words: "relu:3 switches after 0.0123 of the way"."""
        if math.isinf(self.distance):
            return _("no unit switches along this direction")
        return _(
            "{layer} switches after {distance} of the way",
            layer=self.layer,
            distance=number(f"{self.distance:.3g}"),
        )

    def __repr__(self) -> str:
        return f"Border({self.describe()})"


def border(model: nn.Module, x: Shaped[Tensor, "1 ..."], direction: Shaped[Tensor, "1 ..."]) -> Border:
    """The smallest t ≥ 0 at which a unit switches on the way from x to x + t · direction.

    Within a region every value inside the network is linear along the way, so one pass with tangents (forward-mode
    differentiation) gives for each unit where it meets its kink: t = (kink − z) ÷ dz. In double precision. The distance
    is 0 where x lies on a border: equal values in a window of a maximum, as in the flat background of a drawing.

    Raises
    ------
    ValueError
        For a network that is not piecewise linear, and a direction of another shape or of length 0.
    """
    if not isinstance(direction, Tensor) or direction.shape != x.shape or not bool(direction.any()):
        got = tuple(direction.shape) if isinstance(direction, Tensor) else type(direction).__name__
        raise ValueError(f"direction must be a tensor like x, {tuple(x.shape)}, that is not 0, got {got}")
    exact = doubled(model)
    point, along = x.detach().double(), direction.detach().double()
    recording = record(exact, point)
    exact_kind(recording)
    found: list[tuple[float, str, int]] = []
    with torch.inference_mode(False), torch.no_grad(), borrow(exact), forward.dual_level():
        given = forward.make_dual(point.clone(), along.clone())
        with substituting(exact, recording.calls, _watching(recording, found)):
            exact(given)
    distance, layer, place = min(found, default=(math.inf, "", 0))
    return Border(distance=distance, layer=layer, place=place)


def _watching(recording: Recording, found: list[tuple[float, str, int]]) -> dict[int, Replacement]:
    """Calls that note where the first of their units switches."""
    watched: dict[int, Replacement] = {}
    for operation in recording:
        ends = kinks(operation)
        if operation.number is None or (ends is None and not is_maximum(operation)):
            continue
        watched[operation.number] = _noting(operation, ends, found)
    return watched


def _noting(operation: Operation, ends: tuple[float, ...] | None, found: list[tuple[float, str, int]]) -> Replacement:
    def run(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> object:
        value = args[0] if args else keywords["input"]
        primal, tangent = forward.unpack_dual(value)
        if tangent is not None:
            steps = _of_maxima(operation, primal, tangent) if ends is None else _to_kinks(primal, tangent, ends)
            best = steps.min(0)
            if bool(torch.isfinite(best.values)):
                found.append((float(best.values), operation.name, int(best.indices)))
        return function(*args, **keywords)

    return run


def _to_kinks(value: Tensor, change: Tensor, ends: tuple[float, ...]) -> Tensor:
    """For each value how far it is to the nearest kink ahead; infinite where there is none."""
    ways = torch.stack([(end - value) / change for end in ends])
    ahead = ways > 0
    # At a kink torch takes the slope below it: upwards the unit switches at once.
    ahead |= (ways == 0) & (change > 0)
    return torch.where(ahead & ways.isfinite(), ways, torch.inf).min(0).values.flatten()


def _of_maxima(operation: Operation, value: Tensor, change: Tensor) -> Tensor:
    """For each window how far it is until another of its values becomes the largest."""
    values, changes = maxima_of(operation, value, change)
    largest, at = values.max(2, keepdim=True)
    faster = changes - changes.gather(2, at)
    ways = (largest - values) / faster
    # Values that are equal are a border too: the window switches at once where another one grows faster.
    return torch.where((faster > 0) & (ways >= 0) & ways.isfinite(), ways, torch.inf).min(2).values.flatten()


def maxima_of(operation: Operation, value: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
    """The values in each window of a maximum, and their changes: (n, channels, values of a window, windows)."""
    flat = operation.op == "max_pool1d"

    def pair(place: int, name: str, default: object) -> list[int]:
        given = operation.argument(place, name, default)
        given = default if given is None or given == [] else given
        numbers: list[Any] = list(given) if isinstance(given, (tuple, list)) else [given] * (1 if flat else 2)
        return [1, *numbers] if flat else numbers

    size = pair(1, "kernel_size", None)
    stride = pair(2, "stride", size[-1] if flat else size)
    padding, dilation = pair(3, "padding", 0), pair(4, "dilation", 1)
    if flat:
        value, change, stride[0], padding[0] = value.unsqueeze(-2), change.unsqueeze(-2), 1, 0
    # Windows that reach over the edge: what is added beyond it is never the largest.
    over = [each - 1 for each in stride] if operation.argument(5, "ceil_mode", False) else [0, 0]
    around = (padding[1], padding[1] + over[1], padding[0], padding[0] + over[0])
    channels = value.shape[-3]
    columns = []
    for numbers, outside in ((value, -torch.inf), (change, 0.0)):
        padded = F.pad(numbers, around, value=outside)
        # Infinity times 0 would be NaN in a convolution: the smallest number stands for it.
        padded = padded.clamp_min(torch.finfo(padded.dtype).min)
        made = F.unfold(padded, tuple(size), dilation=tuple(dilation), stride=tuple(stride))
        columns.append(made.view(len(value), channels, size[0] * size[1], -1))
    return columns[0], columns[1]
