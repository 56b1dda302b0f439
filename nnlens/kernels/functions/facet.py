"""The nearest border of the linear piece of an input, of any direction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from nnlens.passes.tangents import tangent_pass
from nnlens.recording import Operation, Recording, Replacement, borrow, record, substituting
from nnlens.recording.substitute import observed
from nnlens.utils.language import _, number

from .border import maxima_of
from .local_map import doubled
from .pieces import exact_kind, is_maximum, kinks

_DIRECTIONS = 16
_AT_ONCE = 16
_MOST = 160  # units whose gradient is computed
_DOUBT = 0.5  # a length is estimated to a fifth: with this factor none that matters is missed


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Facet:
    """The nearest facet of the polytope on which a network is linear around an input.

    Attributes
    ----------
    distance : float
        Of the input from the facet; 0 where the input lies on it, infinite where the network is linear everywhere.
    layer : str
        The operation whose unit switches there; "" without a facet.
    place : int
        Which of its values, flattened; of a maximum, which window.
    direction : float64 array (1, *input)
        Of length 1, from the input to the nearest point of the facet.
    examined : int
        How many units' distances were computed.
    certain : bool
        Whether no other unit can be nearer, allowing for an error of a half in the estimate of its slope.
    """

    distance: float
    layer: str
    place: int
    direction: Float[np.ndarray, "1 ..."]
    examined: int
    certain: bool

    def describe(self) -> str:
        """In words: "the nearest facet is 0.012 away: a unit of features.3 switches there"."""
        if not self.layer:
            return _("there is no facet: the network is linear everywhere")
        return _(
            "the nearest facet is {distance} away: a unit of {layer} switches there",
            distance=number(f"{self.distance:.3g}"),
            layer=self.layer,
        )

    def __repr__(self) -> str:
        return f"Facet({self.describe()})"


@dataclass(frozen=True)
class _Candidate:
    """A unit that may be the nearest, by an estimate of its distance."""

    distance: float
    operation: Operation
    place: int
    pair: tuple[int, int]  # of a window's values, the largest and the other; of a unit, the kink and 0


def nearest_facet(model: nn.Module, x: Shaped[Tensor, "1 ..."], *, seed: int = 0) -> Facet:
    """The distance from an input to the border of its linear region: min over units of |z − kink| ÷ ‖∇z‖.

    The region is an intersection of half-spaces, one for each unit (Serra et al. 2018, arXiv:1711.02114), so that the
    nearest border is that of the nearest hyperplane. The lengths of all gradients are estimated at once, from the
    changes along 16 random directions, E[(∇z · v)²] = ‖∇z‖²; then the exact gradients of the nearest units are
    computed in double precision, until none of the others can be nearer.

    Raises
    ------
    NotPiecewiseLinearError
        A `ValueError`: for a network that is not piecewise linear.
    ValueError
        For what is not one input.
    """
    if not isinstance(x, Tensor) or x.ndim < 2 or len(x) != 1 or not x.is_floating_point():
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be one input as a floating-point tensor (1, …), got {got}")
    exact = doubled(model)
    point = x.detach().double()
    recording = record(exact, point)
    exact_kind(recording)
    candidates = _estimated(exact, recording, point, seed)
    found: Facet | None = None
    examined = 0
    while examined < min(len(candidates), _MOST):
        if found is not None and candidates[examined].distance * _DOUBT > found.distance:
            break
        for made in _exact(exact, recording, point, candidates[examined : examined + _AT_ONCE]):
            if found is None or made.distance < found.distance:
                found = made
        examined += _AT_ONCE
    examined = min(examined, len(candidates))
    certain = examined == len(candidates) or (
        found is not None and candidates[examined].distance * _DOUBT > found.distance
    )
    if found is None or not math.isfinite(found.distance):
        nowhere = np.zeros(point.shape)
        return Facet(distance=math.inf, layer="", place=0, direction=nowhere, examined=examined, certain=certain)
    return Facet(
        distance=found.distance,
        layer=found.layer,
        place=found.place,
        direction=found.direction,
        examined=examined,
        certain=certain,
    )


def _estimated(model: nn.Module, recording: Recording, point: Tensor, seed: int) -> list[_Candidate]:
    """The units that seem nearest, the nearest first."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(_DIRECTIONS, *point.shape[1:], generator=generator, dtype=point.dtype).to(point)
    readers: dict[str, list[Operation]] = {}
    for operation in recording:
        if kinks(operation) is not None or is_maximum(operation):
            readers.setdefault(operation.inputs[0], []).append(operation)
    found: list[_Candidate] = []

    def tell(name: str, value: Tensor, changes: Tensor) -> None:
        for operation in readers.get(name, []):
            found.extend(_nearest_of(operation, value, changes[:, 0]))

    tell("input", point, directions[:, None])
    tangent_pass(model, recording, point, directions, tell)
    return sorted(found, key=lambda candidate: candidate.distance)


def _nearest_of(operation: Operation, value: Tensor, changes: Tensor) -> list[_Candidate]:
    """The nearest units of one operation: values (1, …), changes (directions, …)."""
    ends = kinks(operation)
    if ends is not None:
        heights = torch.stack([(value[0] - end).abs().flatten() for end in ends])
        slopes = changes.flatten(1).square().mean(0).sqrt().expand_as(heights)
        pairs = [(at, 0) for at in range(len(ends))]
    else:
        values, rates = maxima_of(operation, value.expand(len(changes), *value.shape[1:]), changes)
        values = values[:1]
        largest, at = values.max(2, keepdim=True)
        rates = rates - rates.gather(2, at.expand(len(rates), -1, -1, -1))
        # (values of a window, windows of all channels)
        heights = (largest - values)[0].transpose(0, 1).flatten(1)
        slopes = rates.square().mean(0).sqrt().transpose(0, 1).flatten(1)
        firsts = at[0, :, 0].flatten()
        pairs = []
    distances = torch.where(slopes > 1e-12 * (1 + slopes.max()), heights / slopes, torch.inf)
    count = min(_MOST, distances.numel())
    nearest = distances.flatten().topk(count, largest=False)
    made = []
    for distance, index in zip(nearest.values.tolist(), nearest.indices.tolist(), strict=True):
        row, place = divmod(index, distances.shape[1])
        if not math.isfinite(distance):
            break
        pair = pairs[row] if ends is not None else (int(firsts[place]), row)
        made.append(_Candidate(distance, operation, place, pair))
    return made


def _exact(model: nn.Module, recording: Recording, point: Tensor, candidates: list[_Candidate]) -> list[Facet]:
    """The distances of some units by their gradients."""
    kept: dict[str, Tensor] = {}
    watched: dict[int, Replacement] = {}
    for candidate in candidates:
        if candidate.operation.number is not None:
            watched[candidate.operation.number] = _keeping(candidate.operation, kept)
    x = point.clone().requires_grad_()
    facets = []
    with torch.inference_mode(False), borrow(model), torch.enable_grad():
        with substituting(model, recording.calls, watched):
            model(x)
        for candidate in candidates:
            height = _height(candidate, kept[candidate.operation.name])
            (slope,) = torch.autograd.grad(height, x, retain_graph=True)
            length = float(slope.norm())
            if length == 0:
                continue
            distance = float(height.detach()) / length
            way = -slope if distance >= 0 else slope
            facets.append(
                Facet(
                    distance=abs(distance),
                    layer=candidate.operation.name,
                    place=candidate.place,
                    direction=(way / length).cpu().numpy(),
                    examined=1,
                    certain=False,
                )
            )
    return facets


def _height(candidate: _Candidate, value: Tensor) -> Tensor:
    """How far a unit is above its kink, or the largest value of a window above another."""
    ends = kinks(candidate.operation)
    if ends is not None:
        return value.flatten()[candidate.place] - ends[candidate.pair[0]]
    values, _changes = maxima_of(candidate.operation, value, value)
    channel, window = divmod(candidate.place, values.shape[3])
    largest, other = candidate.pair
    height: Tensor = values[0, channel, largest, window] - values[0, channel, other, window]
    return height


def _keeping(operation: Operation, kept: dict[str, Tensor]) -> Replacement:
    """A call that keeps what the operation reads."""
    through = observed(operation, lambda _value: None)

    def run(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> object:
        value = args[0] if args else keywords["input"]
        kept[operation.name] = value * 1
        return through(function, args, keywords)

    return run
