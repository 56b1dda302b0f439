"""The loss at all points of a landscape, computed in shards of the examples."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from nnlens.scale import Result, Run, Shard, Sharding, ShardStore, digest_of

from ..loss import MeanLoss, separate
from .directions import Weights, moved


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The points at which the loss is computed.

    Attributes
    ----------
    steps : tuple of array (n,)
        Along each direction.
    axes : list of dict of str to tensor
        The directions.
    origin : dict of str to tensor
        The weights that are moved.
    """

    steps: tuple[np.ndarray, ...]
    axes: list[Weights]
    origin: Weights

    def points(self) -> list[dict[int, float]]:
        """The steps along each direction, of each point; at the end of the origin itself."""
        grid = np.stack(np.meshgrid(*self.steps, indexing="ij"), -1).reshape(-1, len(self.axes))
        return [*(dict(enumerate(row)) for row in grid.tolist()), {}]

    def key(self) -> str:
        """An identifier of the directions and steps."""
        digest = hashlib.blake2b(repr([line.tolist() for line in self.steps]).encode(), digest_size=12)
        for axis in self.axes:
            for name, value in axis.items():
                digest.update(name.encode() + value.detach().cpu().double().contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(kw_only=True)
class Losses:
    """The mean losses of the examples so far, at all points.

    `read` is the share of the examples that were read.
    """

    values: np.ndarray
    centre: float
    read: float
    skipped: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What workers need besides the model."""

    loss: MeanLoss
    grid: Grid


def load(model: nn.Module, asked: _Asked) -> Run:
    """In a worker: the function that gives the sums of the losses of a shard, at all points."""
    points = asked.grid.points()

    def run(shard: Shard) -> Generator[None, None, Result]:
        copied = separate(model)  # which is moved: a worker may run several shards at once
        part, problems = asked.loss.part(range(shard.start, shard.stop))
        sums = np.zeros(len(points))
        for place, at in enumerate(points if len(part) else ()):
            with torch.no_grad():
                moved(copied, asked.grid.origin, at, asked.grid.axes)
                sums[place] = float(part(copied)) * len(part)
            yield
        return {
            "sums": sums,
            "count": np.array(len(part)),
            "skipped": np.array(list(problems), np.int64),
            "why": np.array(list(problems.values()), str),
        }

    return run


def sharded_losses(model: nn.Module, loss: MeanLoss, grid: Grid, sharding: Sharding) -> Iterator[Losses]:
    """The losses so far, from time to time.

    Raises RuntimeError where a shard has no result, and ValueError where no example can be read.
    """
    shards, shape = sharding.shards(len(loss)), tuple(len(line) for line in grid.steps)
    sums, count, read, skipped = np.zeros(len(grid.points())), 0, 0, list[tuple[int, str]]()
    store = ShardStore(
        sharding.store,
        f"landscape {digest_of(model)} {grid.key()} {loss.key()}",
        lambda shard: loss.mark(shard.start, shard.stop),
    )

    def losses() -> Losses:
        means = np.where(np.isfinite(sums), sums / count, np.inf) if count else np.full(len(sums), np.nan)
        return Losses(values=means[:-1].reshape(shape), centre=float(means[-1]), read=read / len(loss), skipped=skipped)

    asked = _Asked(loss=loss, grid=grid)
    for arrived in sharding.ordered(load, model, asked, shards, store, keeps=_is_whole):
        for outcome in arrived.outcomes:
            if outcome.value is None:
                first, last = outcome.shard.start, outcome.shard.stop - 1
                raise RuntimeError(f"examples {first}…{last} have no result: {outcome.error}")
            result = outcome.value
            sums, count, read = sums + result["sums"], count + int(result["count"]), outcome.shard.stop
            skipped += zip(result["skipped"].tolist(), result["why"].tolist(), strict=True)
        yield losses()
    if not count:
        raise ValueError(f"inputs must be readable, but none of {len(loss)} is: {skipped[0][1]}")


def _is_whole(result: Result) -> bool:
    """Whether all examples of a shard could be read: those that could not are tried again."""
    return not len(result["skipped"])
