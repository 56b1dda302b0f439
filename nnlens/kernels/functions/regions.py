"""The linear pieces of a network in a plane: each a polygon with the linear function that holds on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.autograd.forward_ad as forward
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from nnlens.recording import Operation, Recording, Replacement, borrow, record, substituting
from nnlens.scores.meaning import Pick, pick_output
from nnlens.utils.language import _

from .border import maxima_of
from .local_map import doubled
from .pieces import is_maximum, kind_of, kinks

MOST = 5000  # regions
_STEP = 1e-9  # of the box: how far beyond an edge the next region is looked for
_BATCH = 256  # points at once


@dataclass(frozen=True, eq=False, kw_only=True)
class Region:
    """One linear piece in the plane.

    Attributes
    ----------
    corners : float64 array (corners, 2)
        Of the polygon, in the plane's coordinates, around it.
    weights, bias : float64 arrays (outputs, 2) and (outputs,)
        The outputs there are weights · (u, v) + bias.
    """

    corners: Float[np.ndarray, "corners 2"]
    weights: Float[np.ndarray, "outputs 2"]
    bias: Float[np.ndarray, " outputs"]

    @property
    def area(self) -> float:
        """Of the polygon."""
        u, v = self.corners.T
        return float(abs(u @ np.roll(v, -1) - v @ np.roll(u, -1)) / 2)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Regions:
    """The linear pieces of a network within a box of a plane.

    Attributes
    ----------
    regions : tuple of Region
    box : (low, high) of both coordinates
    whole : bool
        Whether all regions of the box were found, rather than the first so many.
    """

    regions: tuple[Region, ...]
    box: tuple[tuple[float, float], tuple[float, float]]
    whole: bool

    def __len__(self) -> int:
        return len(self.regions)

    def __repr__(self) -> str:
        return f"Regions({self.describe()})"

    def describe(self) -> str:
        """In words: "37 linear pieces in the box"."""
        if self.whole:
            return _("{count} linear pieces in the box", count=len(self))
        return _("the first {count} linear pieces in the box", count=len(self))


def regions(
    model: nn.Module,
    origin: Shaped[Tensor, "1 ..."],
    across: Shaped[Tensor, "1 ..."],
    down: Shaped[Tensor, "1 ..."],
    *,
    box: tuple[tuple[float, float], tuple[float, float]] = ((-1.0, 1.0), (-1.0, 1.0)),
    output: Pick = None,
    most: int = MOST,
) -> Regions:
    """All linear pieces of a piecewise linear network in a box of the plane origin + u · across + v · down.

    Within a piece every value inside the network is linear in u and v, so that two passes with tangents at one of its
    points give the lines at which units switch; the piece is what these lines leave of the box. The pieces beyond its
    edges are looked for next, until there are none: the pieces are exact, not sampled. Points of many pieces are one
    batch, so that the model must take one. In double precision.

    Parameters
    ----------
    origin, across, down : tensors (1, …)
        Of a network with two inputs: zeros, (1, 0) and (0, 1).
    box : ((low, high), (low, high))
        Of u and of v.
    most : int
        How many pieces are looked for.

    Raises
    ------
    ValueError
        For a network that is not piecewise linear, tensors of other shapes, and an empty box.
    """
    if across.shape != origin.shape or down.shape != origin.shape or len(origin) != 1:
        shapes = [tuple(item.shape) for item in (origin, across, down)]
        raise ValueError(f"origin, across and down must be of one shape (1, …), got {shapes}")
    if any(not low < high for low, high in box):
        raise ValueError(f"box must be ((low, high), (low, high)), got {box}")
    exact = doubled(model)
    base, *ways = (item.detach().double() for item in (origin, across, down))
    recording = record(exact, base)
    kind = kind_of(recording)
    if not kind.exact:
        raise ValueError(f"the model must be piecewise linear, but these operations are not: {kind.why}")
    probe = _Probe(exact, recording, base, ways[0], ways[1], output)
    (left, right), (top, bottom) = box
    start = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    size = max(right - left, bottom - top)
    rng = np.random.default_rng(0)
    waiting = [start.mean(0) + size * 1e-3 * rng.standard_normal(2)]
    found: dict[bytes, Region] = {}
    while waiting and len(found) < most:
        points, waiting = np.array(waiting[:_BATCH]), waiting[_BATCH:]
        lines, sides, weights, values = probe(points)
        for number, point in enumerate(points):
            key = sides[number].tobytes()
            if key in found or len(found) >= most:
                continue
            signed = lines[number] * np.where(sides[number], 1.0, -1.0)[:, None]
            corners = _clipped(start, signed, size)
            if len(corners) < 3:
                continue
            found[key] = Region(corners=corners, weights=weights[number], bias=values[number] - weights[number] @ point)
            waiting += _beyond(corners, box, size)
    return Regions(regions=tuple(found.values()), box=box, whole=not waiting)


class _Probe:
    """Two passes with tangents at some points: the lines of all units, their sides, the outputs and their slopes."""

    def __init__(
        self, model: nn.Module, recording: Recording, base: Tensor, across: Tensor, down: Tensor, output: Pick
    ):
        self.model, self.recording, self.output = model, recording, output
        self.base, self.ways = base, (across, down)

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        places = torch.from_numpy(points).to(self.base)
        shape = (-1, *([1] * (self.base.ndim - 1)))
        x = self.base + sum(places[:, axis].view(shape) * way for axis, way in enumerate(self.ways))
        passes = [self._pass(x, way.expand_as(x)) for way in self.ways]
        heights, slopes = passes[0][0], [slope for _height, slope, _scores, _change in passes]
        line = torch.stack(slopes, -1)
        offset = heights - (line * places[:, None]).sum(-1)
        lines = torch.cat([line, offset[..., None]], -1)
        weights = torch.stack([change for *_rest, change in passes], -1)
        return (
            lines.cpu().numpy(),
            (heights > 0).cpu().numpy(),
            weights.cpu().numpy(),
            passes[0][2].cpu().numpy(),
        )

    def _pass(self, x: Tensor, along: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """How far each unit is above its kink, how that changes along the way, the outputs, and how they change."""
        heights: list[Tensor] = []
        slopes: list[Tensor] = []
        with torch.inference_mode(False), torch.no_grad(), borrow(self.model), forward.dual_level():
            given = forward.make_dual(x.clone(), along.clone())
            returned: Any = None
            with substituting(self.model, self.recording.calls, _watching(self.recording, heights, slopes)):
                returned = self.model(given)
            scores, change = forward.unpack_dual(pick_output(returned, self.output))
            scores = scores.reshape(len(x), -1)
            change = torch.zeros_like(scores) if change is None else change.reshape(len(x), -1)
        return torch.cat(heights, 1), torch.cat(slopes, 1), scores, change


def _watching(recording: Recording, heights: list[Tensor], slopes: list[Tensor]) -> dict[int, Replacement]:
    watched: dict[int, Replacement] = {}
    for operation in recording:
        ends = kinks(operation)
        if operation.number is not None and (ends is not None or is_maximum(operation)):
            watched[operation.number] = _noting(operation, ends, heights, slopes)
    return watched


def _noting(
    operation: Operation, ends: tuple[float, ...] | None, heights: list[Tensor], slopes: list[Tensor]
) -> Replacement:
    def run(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> object:
        primal, tangent = forward.unpack_dual(args[0] if args else keywords["input"])
        tangent = torch.zeros_like(primal) if tangent is None else tangent
        count = len(primal)
        if ends is not None:
            for end in ends:
                heights.append((primal - end).reshape(count, -1))
                slopes.append(tangent.reshape(count, -1))
        else:
            # Each pair of neighbours in a window: which of them is larger decides the maximum with the others.
            values, changes = maxima_of(operation, primal, tangent)
            size = values.shape[2]
            for one in range(size):
                for other in range(one + 1, size):
                    heights.append((values[:, :, one] - values[:, :, other]).reshape(count, -1))
                    slopes.append((changes[:, :, one] - changes[:, :, other]).reshape(count, -1))
        return function(*args, **keywords)

    return run


def _clipped(polygon: np.ndarray, lines: np.ndarray, size: float) -> np.ndarray:
    """What half-planes a · u + b · v + c ≥ 0 leave of a polygon (Sutherland & Hodgman 1974), those that cut it only."""
    lines = lines[np.abs(lines[:, :2]).max(1) > 0]
    lines = lines / np.hypot(lines[:, 0], lines[:, 1])[:, None]
    least = 1e-12 * size
    while len(polygon):
        sides = polygon @ lines[:, :2].T + lines[:, 2]
        worst = int(sides.min(0).argmin())
        if sides[:, worst].min() >= -least:
            return polygon
        height, kept = sides[:, worst], []
        for place in range(len(polygon)):
            now, later = height[place], height[(place + 1) % len(polygon)]
            if now >= 0:
                kept.append(polygon[place])
            if (now >= 0) != (later >= 0):
                kept.append(
                    polygon[place] + now / (now - later) * (polygon[(place + 1) % len(polygon)] - polygon[place])
                )
        polygon = np.array(kept)
    return polygon


def _beyond(corners: np.ndarray, box: tuple[tuple[float, float], tuple[float, float]], size: float) -> list[np.ndarray]:
    """A point just beyond each edge, inside the box."""
    middle, found = corners.mean(0), []
    for one, other in zip(corners, np.roll(corners, -1, 0), strict=True):
        edge = other - one
        length = float(np.hypot(*edge))
        if length < 10 * _STEP * size:
            continue
        normal = np.array([edge[1], -edge[0]]) / length
        normal = normal if normal @ (one - middle) > 0 else -normal
        point = (one + other) / 2 + _STEP * size * normal
        if all(low < place < high for place, (low, high) in zip(point, box, strict=True)):
            found.append(point)
    return found
