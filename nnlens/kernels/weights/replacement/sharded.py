"""The top classes of a model and of its replacements, computed in shards of the images."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.inputs.datasets.marks import mark_of
from nnlens.scale import Result, Run, Shard, Sharding, ShardStore, digest_of, words_of
from nnlens.scores.meaning import Output
from nnlens.utils.errors import reason

from ..weight import Weight, find_one
from .factors import Method
from .replacing import replaced
from .top_classes import BATCH, top_classes


@dataclass(frozen=True, kw_only=True)
class TopClasses:
    """The top classes of the images that were read so far.

    Attributes
    ----------
    items : int array (images,)
        Which images of the data set these are.
    tops : int array (1 + settings, images)
        The top classes of the model itself, and of each replacement.
    classes : int
        How many classes there are; 0 before the first image.
    read : float
        The share of the data set that was read.
    skipped : tuple of (int, str)
        Images that could not be read, and why.
    """

    items: np.ndarray
    tops: np.ndarray
    classes: int
    read: float
    skipped: tuple[tuple[int, str], ...]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What workers need besides the model."""

    images: Sequence[Tensor] | Tensor
    layer: str
    plan: list[tuple[Method, float | None]]
    output: Output


def load(model: nn.Module, asked: _Asked) -> Run:
    """In a worker: the function that gives the top classes (1 + settings, images) of a shard, the model's own first."""
    weight = find_one(model, asked.layer)
    models = [model, *(replaced(model, weight, method, setting).model for method, setting in asked.plan)]

    def run(shard: Shard) -> Generator[None, None, Result]:
        items, tops, classes = list[int](), [np.empty((len(models), 0), int)], 0
        problems = dict[int, str]()
        for first in range(shard.start, shard.stop, BATCH):
            images = dict[int, Tensor]()
            for item in range(first, min(first + BATCH, shard.stop)):
                try:
                    images[item] = asked.images[item]
                except Exception as error:
                    problems[item] = reason(error)
            rows = []
            for one in models if images else ():
                row, classes = top_classes(one, torch.stack(list(images.values())), asked.output)
                rows.append(row)
                yield
            if rows:
                tops.append(np.stack(rows))
                items += images
        return {
            "items": np.array(items, np.int64),
            "tops": np.concatenate(tops, 1),
            "classes": np.array(classes),
            "skipped": np.array(list(problems), np.int64),
            "why": np.array(list(problems.values()), str),
        }

    return run


def sharded_top_classes(
    model: nn.Module,
    weight: Weight,
    images: Sequence[Tensor] | Tensor,
    plan: list[tuple[Method, float | None]],
    output: Output,
    sharding: Sharding,
) -> Iterator[TopClasses]:
    """The top classes so far, from time to time.

    Raises RuntimeError where a shard has no result: shares over some of the images would not be what was asked for; and
    ValueError where no image can be read.
    """
    shards = sharding.shards(len(images))
    asked = _Asked(images=images, layer=weight.name, plan=plan, output=output)
    key = f"replacements {digest_of(model)} {weight.name} {plan} {words_of(output)}"
    store = ShardStore(sharding.store, key, lambda shard: mark_of(images, shard.start, shard.stop))
    found = TopClasses(
        items=np.empty(0, np.int64), tops=np.empty((1 + len(plan), 0), int), classes=0, read=0.0, skipped=()
    )
    # Images that could not be read are tried again.
    steps = sharding.ordered(load, model, asked, shards, store, keeps=lambda result: not len(result["skipped"]))
    for arrived in steps:
        for outcome in arrived.outcomes:
            result = outcome.value
            if result is None:
                first, last = outcome.shard.start, outcome.shard.stop - 1
                raise RuntimeError(f"images {first}…{last} have no result: {outcome.error}")
            skipped = zip(result["skipped"].tolist(), result["why"].tolist(), strict=True)
            found = TopClasses(
                items=np.concatenate([found.items, result["items"]]),
                tops=np.concatenate([found.tops, result["tops"]], 1),
                classes=max(found.classes, int(result["classes"])),
                read=outcome.shard.stop / len(images),
                skipped=(*found.skipped, *skipped),
            )
        yield found
    if not len(found.items):
        raise ValueError(f"images must be readable, but none of {len(images)} is: {found.skipped[0][1]}")
