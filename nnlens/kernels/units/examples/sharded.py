"""The same search in shards of the data set, which workers compute and whose results are merged in their order."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from nnlens.passes.prepare import prepare_passes
from nnlens.recording import Recording, device_of, dtypes_of, record, version_of
from nnlens.recording.record import unwrapped
from nnlens.scale import Build, Run, Shard, ShardStore, Task, shards_of, workers_for

from .found import DatasetExamples
from .layer_examples import LayerExamples
from .passes import LayerPasses, empty_layers
from .reader import Inputs, Reader
from .store import fingerprint, pass_key


@dataclass(frozen=True, kw_only=True)
class _Search:
    """What workers need besides the model."""

    inputs: Inputs | Sequence[Tensor]
    layers: tuple[str, ...]
    batch_size: int | None
    first: Tensor  # on which the pass is recorded

    @property
    def total(self) -> int:
        return len(self.inputs)


def load(model: nn.Module, search: _Search) -> Run:
    """Prepare the search in a worker: the function that computes the results of a shard."""
    reader = Reader(search.inputs, device_of(model), dtypes_of(model))
    first = search.first.to(device_of(model))
    reader.shape = tuple(first.shape[1:])
    recording = record(model, first)
    passes = LayerPasses(model, recording, search.layers, prepare_passes(model, first, recording=recording))
    batch_size = passes.batch_size if search.batch_size is None else search.batch_size

    def run(shard: Shard) -> dict[str, np.ndarray]:
        found = empty_layers(recording, search.layers)
        for start in range(shard.start, shard.stop, batch_size):
            asked = range(start, min(shard.stop, start + batch_size))
            # Whole batches, however long they take: the last bits of sums depend on how inputs are batched.
            items, rows, problems = reader.read_some(asked, patience=float("inf"))
            maps = passes(rows)
            for name, index in found.items():
                if len(items):
                    index.update(maps[name], items)
                index.skipped.update(problems)
        result: dict[str, np.ndarray] = {"total": np.array(search.total)}
        for place, index in enumerate(found.values()):
            index.done = shard.stop
            index.compact(search.total)
            result |= {f"{place}_{name}": value for name, value in index.state().items()}
        return result

    return run


def sharded_steps(
    model: nn.Module,
    inputs: Inputs | Sequence[Tensor],
    layers: Sequence[str],
    *,
    workers: Any,
    shard_size: int,
    batch_size: int | None,
    store: str | Path | None,
    mark: str,
    recording: Recording | None,
    build: Build | None,
    allow_pickle: bool,
) -> Iterator[DatasetExamples]:
    """The results as they grow, shard by shard; see `examples_steps` for the parameters."""
    resolved, shards = workers_for(workers), shards_of(len(inputs), shard_size)
    model = unwrapped(model)
    version = version_of(model)
    reader = Reader(inputs, device_of(model), dtypes_of(model))
    first = reader.first()
    recording = record(model, first) if recording is None else recording
    names = {name: recording.resolve(name) for name in layers}
    search = _Search(
        inputs=inputs, layers=tuple(dict.fromkeys(names.values())), batch_size=batch_size, first=first.cpu()
    )
    own = "" if hasattr(inputs, "mark_of") else mark  # that of a folder changes with each file
    key = f"{pass_key(model, recording)} {search.layers} {batch_size} {own}"
    keeper = ShardStore(store, hashlib.blake2b(key.encode(), digest_size=12).hexdigest())
    marks = {shard: _mark(reader, shard) for shard in shards} if keeper.reads else {}
    merge = _Merge(recording, search.layers, shards, keeper, marks)
    begin, before = time.monotonic(), merge.done

    def result() -> DatasetExamples:
        seconds, done = time.monotonic() - begin, merge.done - before
        left = len(inputs) - merge.done
        return DatasetExamples(
            layers=merge.layers,
            names=names,
            done=merge.done,
            total=len(inputs),
            skipped=merge.skipped,
            seconds=seconds,
            remaining=0.0 if not left else seconds / done * left if done else float("nan"),
            unsaved=keeper.problem,
            failed=tuple(merge.failed),
        )

    if merge.missing:
        task = Task(load=load, model=model, given=search, build=build, allow_pickle=allow_pickle)
        for outcome in resolved.map(task, merge.missing):
            if version_of(model) != version:
                raise ValueError("the model has changed during the search: start again")
            if outcome is not None:
                merge.add(outcome.shard, outcome.value, outcome.error)
            yield result()
    if not any(index.seen for index in merge.layers.values()):
        why = merge.failed[0][1] if merge.failed else next(iter(merge.skipped))[1]
        raise ValueError(f"inputs must be readable, but none of {len(inputs)} is: {why}")
    yield result()


def _mark(reader: Reader, shard: Shard) -> str:
    """Text that identifies the inputs of a shard, as far as possible without reading them all."""
    mark_of = getattr(reader.inputs, "mark_of", None)
    told = None if mark_of is None else mark_of(shard.start, shard.stop)
    digest = hashlib.blake2b(digest_size=12)
    # Files say nothing about their preprocessing: one input is read.
    for item in (shard.start, shard.stop - 1) if told is None else (shard.start,):
        digest.update(fingerprint(reader, item))
    return f"{told or ''} {digest.hexdigest()}"


class _Merge:
    """Results of shards, merged in the order of the shards, whatever order they arrive in.

    Attributes
    ----------
    missing : list of Shard
        Those that are not stored.
    layers : dict of str to LayerExamples
        The results so far, of the shards that follow each other from the first one on.
    done : int
        How many inputs the shards hold that have arrived.
    failed : list of (Shard, str)
        Shards without a result, and why.
    """

    def __init__(
        self,
        recording: Recording,
        layers: Sequence[str],
        shards: list[Shard],
        keeper: ShardStore,
        marks: dict[Shard, str],
    ):
        self.layers = empty_layers(recording, layers)
        self.failed: list[tuple[Shard, str]] = []
        self._keeper, self._marks = keeper, marks
        self._order = deque(shards)
        # What has arrived, and waits for an earlier shard; None for what is on disk, or has failed.
        self._waiting: dict[Shard, dict[str, np.ndarray] | None] = {}
        self.done, self.missing = 0, []
        self._total = shards[-1].stop
        for shard in shards:
            if self._stored(shard) is None:
                self.missing.append(shard)
            else:
                self._arrived(shard, None)

    @property
    def skipped(self) -> tuple[tuple[int, str], ...]:
        """Inputs that could not be read, and why."""
        return tuple(
            sorted({item: why for index in self.layers.values() for item, why in index.skipped.items()}.items())
        )

    def add(self, shard: Shard, result: dict[str, np.ndarray] | None, error: str) -> None:
        """Take in what became of a shard."""
        if result is None:
            self.failed.append((shard, error))
            self._arrived(shard, None)
            return
        # Not with inputs that could not be read: they are tried again. On disk it need not be held in memory.
        whole = not any(len(value) for name, value in result.items() if name.endswith("_skipped"))
        stored = whole and self._keeper.save(shard, self._marks.get(shard, ""), result)
        self._arrived(shard, None if stored else result)

    def _stored(self, shard: Shard) -> dict[str, np.ndarray] | None:
        """What is stored of a shard, unless it was of a larger data set: its sample then has less of each shard."""
        found = self._keeper.load(shard, self._marks.get(shard, ""))
        return None if found is None or int(found["total"]) > self._total else found

    def _arrived(self, shard: Shard, result: dict[str, np.ndarray] | None) -> None:
        self.done += len(shard)
        self._waiting[shard] = result
        failed = {one for one, _why in self.failed}
        while self._order and self._order[0] in self._waiting:
            following = self._order.popleft()
            found = self._waiting.pop(following)
            if found is None and following not in failed:
                found = self._stored(following)
                if found is None:
                    self.failed.append((following, "its stored result cannot be read"))
            if found is not None:
                for place, index in enumerate(self.layers.values()):
                    prefix = f"{place}_"
                    own = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
                    index.merge(LayerExamples.restored(own))
