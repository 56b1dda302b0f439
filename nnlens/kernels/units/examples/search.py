"""One pass over a data set: the best inputs of all units of some layers, streamed, stored on disk and resumable."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.passes.prepared import Prepared
from nnlens.recording import Recording, device_of, dtypes_of, record, version_of
from nnlens.recording.record import unwrapped
from nnlens.scale import Build, Sharding

from .found import DatasetExamples
from .layer_examples import LayerExamples
from .passes import LayerPasses, empty_layers
from .reader import Inputs, Reader
from .sharded import sharded_steps
from .store import Store

SAVE_EVERY, SAVE_COUNT = 10.0, 256  # seconds, and inputs, after which the results are written


def examples(
    model: nn.Module, inputs: Inputs | Sequence[Tensor], layers: Sequence[str], **options: Any
) -> DatasetExamples:
    """The inputs with the largest, middle and smallest maxima of every unit of some layers; see `examples_steps`."""
    last: DatasetExamples = deque(examples_steps(model, inputs, layers, **options), maxlen=1).pop()
    return last


def examples_steps(
    model: nn.Module,
    inputs: Inputs | Sequence[Tensor],
    layers: Sequence[str],
    *,
    batch_size: int | None = None,
    store: str | Path | None = None,
    mark: str = "",
    recording: Recording | None = None,
    prepared: Prepared | None = None,
    workers: int | str | Any = None,
    shard_size: int | None = None,
    build: Build | None = None,
    allow_pickle: bool = False,
) -> Iterator[DatasetExamples]:
    """One pass over a data set, batch by batch; the yielded results share their memory and keep changing.

    A unit's value on an input is the maximum of its map. Memory does not depend on the data set's length (but for one
    more buffer of quantiles each time it doubles). If closed and begun again with the same `store`, it continues; the
    result is the same.

    Parameters
    ----------
    inputs : sequence of tensors (c, …), or tensor (n, c, …)
        The model's ready inputs, all of one shape. An input that raises when it is read is skipped and listed.
    layers : sequence of str
        Operations, or modules' paths.
    batch_size : int, optional
        By default chosen from the size of the layers; halved where memory runs out.
    store : folder, optional
        Where the results are kept, a file per layer, every 10 seconds or 256 inputs and at the end. Where nothing can
        be written, a warning and `.unsaved` say so. Stored results of the same weights, operations and data are used.
        The data is identified by its length, `mark`, and 16 of the inputs; unreadable inputs are tried again.
    mark : str
        Further text that identifies the data set.
    recording, prepared : optional
        A whole pass on one such input, and the prepared model, if already computed.
    workers : int, str or dask.distributed.Client, optional
        Who computes: so many processes of this machine; the address of a Dask scheduler, or a client (extra `dask`).
        The results are the same bit for bit, whoever computes them: those of `shard_size` without workers.
    shard_size : int, optional
        Search in shards of so many inputs (256 with workers). Each finished shard is stored by itself, so that of a
        data set to which inputs were added only the new shards are computed.
    build : callable or str, optional
        With a cluster: a function of a module, or its path "module:function", that returns a model of this structure.
        Workers call it and load the weights. By default the model's class, if it takes no arguments.
    allow_pickle : bool
        Send the model to a cluster as a pickle, if nothing builds it there.

    Raises
    ------
    ValueError
        If there are no inputs, none can be read, they differ in shape, or a layer has no value per input.
    """
    _check(inputs, layers, batch_size)
    sharding = Sharding(workers=workers, shard_size=shard_size, store=store, build=build, allow_pickle=allow_pickle)
    if sharding.asked:
        yield from sharded_steps(
            model, inputs, layers, sharding=sharding, batch_size=batch_size, mark=mark, recording=recording
        )
        return
    total = len(inputs)
    model = unwrapped(model)
    version = version_of(model)
    reader = Reader(inputs, device_of(model), dtypes_of(model))
    recording = record(model, reader.first()) if recording is None else recording
    names = {name: recording.resolve(name) for name in layers}
    keeper = Store(store, model, recording, reader, mark)
    indexes = keeper.load(empty_layers(recording, list(names.values())))
    begin = time.monotonic()
    passes: LayerPasses | None = None
    start = min(index.done for index in indexes.values())
    # Inputs that could not be read before are tried again at the end.
    again = sorted({item for index in indexes.values() for item in index.skipped if item < start})
    wanted = [*range(start, total), *again]

    def result(looked: int) -> DatasetExamples:
        seconds = time.monotonic() - begin
        speed = seconds / looked if looked else float("nan")
        remaining = 0.0 if looked == len(wanted) else speed * (len(wanted) - looked)
        done = min(total, start + looked)
        skipped = {item: why for index in indexes.values() for item, why in index.skipped.items()}
        listed = tuple(sorted(skipped.items()))
        return DatasetExamples(
            layers=indexes,
            names=names,
            done=done,
            total=total,
            skipped=listed,
            seconds=seconds,
            remaining=remaining,
            unsaved=keeper.problem,
            how=forward_how(),
        )

    def forward_how() -> str:
        return "" if passes is None else passes.how

    if not wanted:
        yield result(0)
        return
    waiting = [index for index in indexes.values() if index.done < total or index.skipped]
    passes = LayerPasses(model, recording, [index.layer for index in waiting], prepared)
    batch_size = passes.batch_size if batch_size is None else batch_size
    whole, looked, saved, stored, took = True, 0, time.monotonic(), 0, 0.0
    try:
        while looked < len(wanted):
            if version_of(model) != version:
                raise ValueError("the model has changed during the search: start again")
            asked = wanted[looked : looked + batch_size]
            items, rows, problems = reader.read_some(asked)
            maps = passes(rows)
            whole = False
            for index in waiting:
                _take_in(index, items, problems, maps.get(index.layer))
            whole = True
            looked += len(items) + len(problems)
            waited = time.monotonic() - saved
            if waited > max(SAVE_EVERY, 4 * took) or (looked - stored >= SAVE_COUNT and waited > 20 * took):
                took = keeper.save(waiting)
                saved, stored = time.monotonic(), looked
            yield result(looked)
    finally:
        # A batch that was interrupted would count some inputs twice.
        if whole:
            keeper.save(waiting)
    if not any(index.seen for index in indexes.values()):
        why = next(iter(waiting[0].skipped.values()))
        raise ValueError(f"inputs must be readable, but none of {total} is: {why}")


def _check(inputs: Inputs | Sequence[Tensor], layers: Sequence[str], batch_size: int | None) -> None:
    if len(inputs) == 0:
        raise ValueError("inputs must hold at least one input, got an empty data set")
    if isinstance(layers, str) or not layers:
        raise TypeError(f"layers must be a list of at least one name, got {layers!r}")
    if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")


def _take_in(index: LayerExamples, items: np.ndarray, problems: dict[int, str], maps: Tensor | None) -> None:
    """Add the part of a batch that a layer has not seen: layers may be at different positions."""
    known = index.done
    new = (items >= known) | np.isin(items, list(index.skipped))
    if new.any() and maps is not None:
        index.update(maps if new.all() else maps[torch.from_numpy(new).to(maps.device)], items[new])
    for item in items[new].tolist():
        index.skipped.pop(item, None)
    index.skipped.update({item: why for item, why in problems.items() if item >= known or item in index.skipped})
    index.done = max(known, *(int(item) + 1 for item in (*items, *problems)))
