"""The loss around a model's weights, in one or two directions (Li et al., 2018, arXiv:1712.09913)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from typing_extensions import Unpack

from nnlens.scale import Sharding, ShardingOptions
from nnlens.utils.language import _, number, plural

from ..loss import Loss, MeanLoss, separate
from .directions import Weights, filter_normalised, moved
from .sharded import Grid, sharded_losses

_COARSEST = 8  # the first points are so many steps apart


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """The loss at steps along one or two directions.

    Attributes
    ----------
    steps : tuple of array (n,)
        Of each direction, in lengths of the direction; 0 is the model itself.
    values : array (n,) or (n, n)
        The loss: first axis along the first direction. NaN where it has not been computed yet.
    centre : float
        The loss of the model itself.
    read : float
        The share of the examples that the values are of: less than 1 while workers compute.
    skipped : tuple of (int, str)
        Examples that could not be read, and why.
    """

    steps: tuple[np.ndarray, ...]
    values: np.ndarray
    centre: float
    read: float = 1.0
    skipped: tuple[tuple[int, str], ...] = ()

    @property
    def done(self) -> float:
        """The share of the work that has been done: of the points, or of the examples."""
        return float(1 - np.isnan(self.values).mean()) * self.read

    def describe(self, centre: str = "") -> str:
        """The landscape in words; `centre` is what its centre is called, "the model" by default."""
        known = self.values[np.isfinite(self.values)]
        infinite = int(np.isinf(self.values).sum())
        if not len(known):
            return _("The loss is not finite anywhere.") if infinite else _("No loss has been computed yet.")
        words = _(
            "The loss is {value} at {centre}, and between {least} and {most} around it.",
            value=number(f"{self.centre:.3g}"),
            centre=centre or _("the model"),
            least=number(f"{known.min():.3g}"),
            most=number(f"{known.max():.3g}"),
        )
        if infinite:
            points = plural("At {count} point it is not finite.", "At {count} points it is not finite.", infinite)
            words += f" {points}"
        return words


def landscape_steps(
    model: nn.Module,
    loss: Loss,
    *,
    directions: int | Sequence[Weights] = 1,
    span: float | Sequence[tuple[float, float]] = 1.0,
    points: int = 25,
    seed: int = 0,
    **options: Unpack[ShardingOptions],
) -> Iterator[Landscape]:
    """`landscape` as it is computed: after each point what is known so far, the coarse grid first.

    The yielded object is the same each time; its values fill up. With workers all points are known after each shard,
    from the examples so far.
    """
    sharding = Sharding(**options)
    if not isinstance(points, int) or points < 3 or points % 2 == 0:
        raise ValueError(f"points must be an odd number of at least 3, so that the model is among them, got {points!r}")
    if not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, got {seed!r}")
    copied = separate(model)
    if isinstance(directions, (int, str)):
        if directions not in (1, 2):
            raise ValueError(f"directions must be 1, 2 or one or two directions, got {directions!r}")
        axes: list[Weights] = [filter_normalised(copied, seed=seed + place) for place in range(directions)]
    else:
        axes = list(directions)
        if len(axes) not in (1, 2):
            raise ValueError(f"directions must be one or two, got {len(axes)}")
    state = {**dict(copied.named_parameters()), **dict(copied.named_buffers())}
    origin = {name: value.detach().clone() for name, value in state.items() if any(name in axis for axis in axes)}
    for axis in axes:
        if unknown := [name for name in axis if name not in state]:
            raise ValueError(f"directions must have the names of the model's weights, got {unknown[0]!r}")
    steps = tuple(_steps(low, high, points) for low, high in _ends(span, len(axes)))
    if sharding.asked or sharding.store is not None:
        if not isinstance(loss, MeanLoss):
            raise TypeError(f"loss must be one of `mean_loss` to be computed in shards, got {type(loss).__name__}")
        grid = Grid(steps=steps, axes=axes, origin=origin)
        for losses in sharded_losses(copied, loss, grid, sharding):
            yield Landscape(
                steps=steps,
                values=losses.values,
                centre=losses.centre,
                read=losses.read,
                skipped=tuple(losses.skipped),
            )
        return
    problems = dict[int, str]()
    if isinstance(loss, MeanLoss):
        loss, problems = loss.readable()
    with torch.no_grad():
        centre = _finite(float(loss(copied)))
    found = Landscape(
        steps=steps, values=np.full((points,) * len(axes), np.nan), centre=centre, skipped=tuple(problems.items())
    )
    for place in _coarse_to_fine(points, len(axes)):
        at = {which: float(steps[which][index]) for which, index in enumerate(place)}
        if any(at.values()):
            with torch.no_grad():
                moved(copied, origin, at, axes)
                found.values[place] = _finite(float(loss(copied)))
        else:
            found.values[place] = centre
        yield found


def landscape(
    model: nn.Module,
    loss: Loss,
    *,
    directions: int | Sequence[Weights] = 1,
    span: float | Sequence[tuple[float, float]] = 1.0,
    points: int = 25,
    seed: int = 0,
    **options: Unpack[ShardingOptions],
) -> Landscape:
    """The loss of a model whose weights are moved along one or two directions.

    The model is copied, and the copy is moved. It is in eval mode: normalisations use the running statistics of the
    model at the centre, as in the published figures.

    Parameters
    ----------
    loss : callable
        From a model to its loss; see `mean_loss`.
    directions : 1, 2, or one or two directions
        How many random directions, `filter_normalised`; or the directions themselves, tensors by the names of
        weights, such as those of `weight_path`.
    span : float, or a pair of numbers for each direction
        From which to which step: −span to span by default.
    points : int
        Along each direction; odd.
    seed : int
        Of the random directions.
    **options
        `workers`, who computes, `shard_size` (of examples), `store`, `build`, `allow_pickle`: see
        `kernels.examples_steps`. `loss` must then be one of `mean_loss`; its inputs may be a data set that is read by
        index.

    Raises
    ------
    ValueError
        For directions, spans and numbers of points that do not fit.
    """
    steps = landscape_steps(model, loss, directions=directions, span=span, points=points, seed=seed, **options)
    return deque(steps, maxlen=1).pop()


def _finite(value: float) -> float:
    """A loss; infinity for one that is not a number, which would mean that it has not been computed."""
    return value if math.isfinite(value) else math.inf


def _ends(span: float | Sequence[tuple[float, float]], axes: int) -> list[tuple[float, float]]:
    """From where to where each direction is followed."""
    if isinstance(span, (int, float)):
        return [(-span, span)] * axes
    pairs = [*span] if isinstance(span, (list, tuple)) else []
    if len(pairs) != axes or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"span must be a number, or a pair of numbers for each of {axes} directions, got {span!r}")
    return [(float(low), float(high)) for low, high in pairs]


def _steps(low: float, high: float, points: int) -> np.ndarray:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"span must be positive, or pairs of a smaller and a larger number, got ({low}, {high})")
    steps = np.linspace(low, high, points)
    steps[np.abs(steps) < 1e-12 * (high - low)] = 0  # the model itself, not almost
    return steps


def _coarse_to_fine(points: int, axes: int) -> Iterator[tuple[int, ...]]:
    """All places of a grid, those far apart first, from the middle."""
    middle, seen = points // 2, set[tuple[int, ...]]()
    apart = _COARSEST
    while apart >= 1:
        line = [index for index in range(points) if (index - middle) % apart == 0]
        grid = np.stack(np.meshgrid(*[line] * axes, indexing="ij"), -1).reshape(-1, axes)
        for row in sorted(map(tuple, grid.tolist()), key=lambda place: sum((index - middle) ** 2 for index in place)):
            if row not in seen:
                seen.add(row)
                yield row
        apart //= 2
