"""One pass over a data set: the best inputs of all units of some layers, streamed, stored on disk and resumable."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.geometry.axes import places_of
from nnlens.passes.batches import in_batches
from nnlens.passes.partial_pass import PartialPass
from nnlens.passes.prepared import Prepared
from nnlens.recording import Recording, borrow, device_of, dtypes_of, record, version_of
from nnlens.recording.record import unwrapped

from .example_reader import MOST, Inputs, Reader
from .example_store import Store
from .layer_examples import LayerExamples

SAVE_EVERY, SAVE_COUNT = 10.0, 256  # seconds, and inputs, after which the results are written
LARGEST = 4_000_000  # numbers in a tensor: larger ones are mapped afresh each time, which is slow


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DatasetExamples(Mapping[str, LayerExamples]):
    """The layers of a pass over a data set, by name, so far.

    Attributes
    ----------
    names : mapping of str to str
        The requested names → the operations' names; both can be used.
    done, total : int
        How many inputs have been processed, and how many there are.
    skipped : tuple of (int, str)
        Those that could not be read, and why.
    seconds, remaining : float
        The time of this run so far, and the estimated remaining time.
    unsaved : str
        Why nothing is stored on disk, if storing failed.
    how : str
        In words, how the passes were run, if not in the fast way.
    """

    layers: Mapping[str, LayerExamples]
    names: Mapping[str, str]
    done: int
    total: int
    skipped: tuple[tuple[int, str], ...]
    seconds: float
    remaining: float
    unsaved: str = ""
    how: str = ""

    @property
    def complete(self) -> bool:
        """Whether all inputs were searched."""
        return self.done == self.total

    def __getitem__(self, layer: str) -> LayerExamples:
        name = self.names.get(layer, layer)
        if name not in self.layers:
            raise KeyError(f"layer must be one of {', '.join(self.layers)}, which the search records, got {layer!r}")
        return self.layers[name]

    def __repr__(self) -> str:
        return f"DatasetExamples({self.done} of {self.total} inputs; {', '.join(self.layers)})"

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)


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

    Raises
    ------
    ValueError
        If there are no inputs, none can be read, they differ in shape, or a layer has no value per input.
    """
    _check(inputs, layers, batch_size)
    total = len(inputs)
    model = unwrapped(model)
    version = version_of(model)
    reader = Reader(inputs, device_of(model), dtypes_of(model))
    recording = record(model, reader.first()) if recording is None else recording
    indexes, names = {}, {name: recording.resolve(name) for name in layers}
    for name in dict.fromkeys(names.values()):
        shape = places_of(recording, recording.operation(name)).shape
        indexes[name] = LayerExamples(name, *shape)
    keeper = Store(store, model, recording, reader, mark)
    indexes = keeper.load(indexes)
    begin = time.monotonic()
    forward: PartialPass | None = None
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
        return "" if forward is None else forward.how

    if not wanted:
        yield result(0)
        return
    waiting = [index for index in indexes.values() if index.done < total or index.skipped]
    forward = PartialPass(model, recording, [index.layer for index in waiting], prepared=prepared)
    arranged = {index.layer: _Arranged(recording, index.layer) for index in waiting}
    if batch_size is None:
        largest = max(int(np.prod(operation.shape)) for operation in recording)
        batch_size = max(1, min(MOST, LARGEST // largest))
    whole, looked, saved, stored, took = True, 0, time.monotonic(), 0, 0.0
    try:
        while looked < len(wanted):
            if version_of(model) != version:
                raise ValueError("the model has changed during the search: start again")
            asked = wanted[looked : looked + batch_size]
            items, rows, problems = reader.read_some(asked)
            maps = _maps(model, forward, rows)
            whole = False
            for index in waiting:
                _take_in(index, items, problems, arranged[index.layer], maps)
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
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")


def _maps(model: nn.Module, forward: PartialPass, rows: list[Tensor]) -> dict[str, Tensor]:
    """The layers' values for a batch, in smaller batches where memory runs out."""

    def run(first: int, stop: int) -> dict[str, Tensor]:
        with borrow(model):
            return forward(torch.cat(rows[first:stop]))[0]

    parts = [part for _, _, part in in_batches(len(rows), run, size=len(rows))] if rows else []
    if len(parts) < 2:
        return parts[0] if parts else {}
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _take_in(
    index: LayerExamples, items: np.ndarray, problems: dict[int, str], arranged: _Arranged, maps: dict[str, Tensor]
) -> None:
    """Add the part of a batch that a layer has not seen: layers may be at different positions."""
    known = index.done
    new = (items >= known) | np.isin(items, list(index.skipped))
    if new.any():
        value = arranged(maps[index.layer].detach(), len(items))
        index.update(value if new.all() else value[torch.from_numpy(new).to(value.device)], items[new])
    for item in items[new].tolist():
        index.skipped.pop(item, None)
    index.skipped.update({item: why for item, why in problems.items() if item >= known or item in index.skipped})
    index.done = max(known, *(int(item) + 1 for item in (*items, *problems)))


class _Arranged:
    """A layer's value for a batch as (n, units, height, width)."""

    def __init__(self, recording: Recording, name: str):
        operation = recording.operation(name)
        self.name, self.numbers = name, int(np.prod(operation.shape))
        places = places_of(recording, operation)
        self.shape = places.shape
        in_order = places.size == self.numbers and np.array_equal(places.ravel(), np.arange(places.size))
        self.index = None if in_order else torch.from_numpy(places.ravel())

    def __call__(self, value: Tensor, count: int) -> Tensor:
        if value.shape[:1] != (count,) or value.numel() != count * self.numbers:
            raise ValueError(
                f"layer {self.name!r} must give one value per input to be searched; for {count} "
                f"inputs it gave the shape {tuple(value.shape)}"
            )
        if self.index is None:
            return value if value.shape[1:] == self.shape else value.reshape(count, *self.shape)
        return value.reshape(count, -1)[:, self.index.to(value.device)].view(count, *self.shape)
