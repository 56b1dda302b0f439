"""The same search in shards of the data set, which workers compute and whose results are merged in their order."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from nnlens.inputs.datasets.marks import mark_of
from nnlens.passes.prepare import prepare_passes
from nnlens.recording import Recording, device_of, dtypes_of, record
from nnlens.recording.record import unwrapped
from nnlens.scale import Result, Run, Shard, Sharding, ShardStore
from nnlens.scale.arrivals import Arrived

from .found import DatasetExamples
from .layer_examples import LayerExamples
from .passes import LayerPasses, empty_layers
from .reader import Inputs, Reader
from .store import pass_key


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

    def run(shard: Shard) -> Generator[None, None, Result]:
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
            yield
        result: Result = {"total": np.array(search.total)}
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
    sharding: Sharding,
    batch_size: int | None,
    mark: str,
    recording: Recording | None,
) -> Iterator[DatasetExamples]:
    """The results as they grow, shard by shard; see `examples_steps` for the parameters."""
    shards = sharding.shards(len(inputs))
    model = unwrapped(model)
    reader = Reader(inputs, device_of(model), dtypes_of(model))
    first = reader.first()
    recording = record(model, first) if recording is None else recording
    names = {name: recording.resolve(name) for name in layers}
    search = _Search(
        inputs=inputs, layers=tuple(dict.fromkeys(names.values())), batch_size=batch_size, first=first.cpu()
    )
    own = "" if hasattr(inputs, "mark_of") else mark  # that of a folder changes with each file
    key = f"{pass_key(model, recording)} {search.layers} {batch_size} {own}"
    keeper = ShardStore(sharding.store, key, lambda shard: mark_of(inputs, shard.start, shard.stop))
    found = empty_layers(recording, search.layers)
    failed: list[tuple[Shard, str]] = []

    def result(arrived: Arrived) -> DatasetExamples:
        skipped = {item: why for index in found.values() for item, why in index.skipped.items()}
        return DatasetExamples(
            layers=found,
            names=names,
            done=arrived.done,
            total=len(inputs),
            skipped=tuple(sorted(skipped.items())),
            seconds=arrived.seconds,
            remaining=arrived.remaining,
            unsaved=keeper.problem,
            failed=tuple(failed),
        )

    steps = sharding.ordered(
        load,
        model,
        search,
        shards,
        keeper,
        # Of a larger data set the sample has less of each shard.
        accepts=lambda stored: int(stored["total"]) <= len(inputs),
        # Inputs that could not be read are tried again.
        keeps=lambda result: not any(len(value) for name, value in result.items() if name.endswith("_skipped")),
    )
    for arrived in steps:
        for outcome in arrived.outcomes:
            if outcome.value is None:
                failed.append((outcome.shard, outcome.error))
            else:
                _merge(found, outcome.value)
        yield result(arrived)
    if not any(index.seen for index in found.values()):
        why = failed[0][1] if failed else next(iter(result(arrived).skipped))[1]
        raise ValueError(f"inputs must be readable, but none of {len(inputs)} is: {why}")


def _merge(found: dict[str, LayerExamples], result: Result) -> None:
    """Add the result of the next shard."""
    for place, index in enumerate(found.values()):
        prefix = f"{place}_"
        own = {name.removeprefix(prefix): value for name, value in result.items() if name.startswith(prefix)}
        index.merge(LayerExamples.restored(own))
