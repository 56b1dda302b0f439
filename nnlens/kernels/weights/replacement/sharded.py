"""The top classes of a model and of its replacements, computed by workers in shards of the images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.recording import borrow, device_of
from nnlens.scale import Build, Run, Shard, ShardStore, Task, digest_of, shards_of, workers_for
from nnlens.scores.meaning import Output, class_scores

from ..weight import Weight, find_one
from .factors import Method
from .replacing import replaced

BATCH = 32


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What workers need besides the model."""

    images: Sequence[Tensor] | Tensor
    layer: str
    plan: list[tuple[Method, float | None]]
    output: Output


def top_classes(
    model: nn.Module, images: Sequence[Tensor] | Tensor, output: Output, start: int, stop: int
) -> Iterator[tuple[np.ndarray, int]]:
    """The top class of each image so far, from `start` to `stop`, and the number of classes, after each batch."""
    device, found = device_of(model), np.empty(0, int)
    for first in range(start, stop, BATCH):
        batch = torch.stack([images[item] for item in range(first, min(first + BATCH, stop))]).to(device)
        with borrow(model), torch.inference_mode():
            scores = class_scores(model(batch), output, len(batch))
        found = np.concatenate([found, scores.argmax(1).cpu().numpy()])
        yield found, scores.shape[1]


def load(model: nn.Module, asked: _Asked) -> Run:
    """In a worker: the function that gives the top classes (1 + settings, images) of a shard, the model's own first."""
    weight = find_one(model, asked.layer)
    models = [model, *(replaced(model, weight, method, setting).model for method, setting in asked.plan)]

    def run(shard: Shard) -> dict[str, np.ndarray]:
        tops, classes = [], 0
        for one in models:
            *_, (found, classes) = top_classes(one, asked.images, asked.output, shard.start, shard.stop)
            tops.append(found)
        return {"tops": np.stack(tops), "classes": np.array(classes)}

    return run


def sharded_top_classes(
    model: nn.Module,
    weight: Weight,
    images: Sequence[Tensor] | Tensor,
    plan: list[tuple[Method, float | None]],
    output: Output,
    *,
    workers: Any,
    shard_size: int,
    store: str | Path | None,
    build: Build | None,
    allow_pickle: bool,
) -> Iterator[Callable[[], tuple[np.ndarray, int]] | None]:
    """None while workers compute, at the end what gives the top classes of all images and the number of classes.

    Raises RuntimeError where a shard has no result: shares over some of the images would not be what was asked for.
    """
    resolved, shards = workers_for(workers), shards_of(len(images), shard_size)
    asked = _Asked(images=images, layer=weight.name, plan=plan, output=output)
    words = f"{digest_of(model)} {weight.name} {plan} {output}"
    keeper = ShardStore(store, hashlib.blake2b(words.encode(), digest_size=12).hexdigest())
    marks = {shard: _mark(images, shard) if keeper.reads else "" for shard in shards}
    found = {shard: keeper.load(shard, marks[shard]) for shard in shards}
    missing = [shard for shard in shards if found[shard] is None]
    task = Task(load=load, model=model, given=asked, build=build, allow_pickle=allow_pickle)
    for outcome in resolved.map(task, missing) if missing else ():
        if outcome is not None:
            if outcome.value is None:
                first, last = outcome.shard.start, outcome.shard.stop - 1
                raise RuntimeError(f"images {first}…{last} have no result: {outcome.error}")
            found[outcome.shard] = outcome.value
            keeper.save(outcome.shard, marks[outcome.shard], outcome.value)
        yield None
    parts = [part for shard in shards if (part := found[shard]) is not None]
    yield lambda: (np.concatenate([part["tops"] for part in parts], 1), int(parts[0]["classes"]))


def _mark(images: Sequence[Tensor] | Tensor, shard: Shard) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for item in (shard.start, shard.stop - 1):
        digest.update(images[item].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
