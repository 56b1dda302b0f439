"""One pass over a data set: the best inputs of all units of some layers, streamed, kept on disk, taken up again."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..recording import Recording, borrow, device_of, dtype_of, record
from ..recording.record import unwrapped
from ..work import in_batches
from .layer_examples import LayerExamples
from .layout import places_of
from .partial_pass import PartialPass
from .prepared import Prepared

FINGERPRINTS = 16  # inputs that are looked at to tell one data set from another
SAVE_EVERY = 10.0  # seconds
LARGEST = 4_000_000  # numbers in a tensor: larger ones are mapped afresh each time, which is slow
MOST = 64  # inputs in a batch


class Inputs(Protocol):
    """A data set as the model's ready inputs: `len(inputs)`, and `inputs[i]` a tensor (c, …) or (1, c, …)."""

    def __len__(self) -> int: ...
    def __getitem__(self, item: int, /) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class DatasetExamples(Mapping[str, LayerExamples]):
    """The layers of a pass over a data set, by name, as far as it came.

    Attributes
    ----------
    done, total : int
        How many inputs have had their turn, and how many there are.
    skipped : tuple of (int, str)
        Those that could not be read, and why.
    seconds, remaining : float
        What this run has taken so far, and what it will take from here at the same speed.
    """

    layers: Mapping[str, LayerExamples]
    done: int
    total: int
    skipped: tuple[tuple[int, str], ...]
    seconds: float
    remaining: float

    @property
    def complete(self) -> bool:
        return self.done == self.total

    def __getitem__(self, layer: str) -> LayerExamples:
        if layer not in self.layers:
            raise KeyError(f"layer must be one of {', '.join(self.layers)}, which the pass looks at, got {layer!r}")
        return self.layers[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)


def examples(
    model: nn.Module, inputs: Inputs | Sequence[Tensor], layers: Sequence[str], **options: Any
) -> DatasetExamples:
    """The best, the middle and the least inputs of every unit of some layers; see `examples_steps`."""
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
    """One pass over a data set, a batch at a time: what is yielded is as far as it came, and goes on changing.

    A unit's value on an input is the maximum of its map. Memory does not depend on the data set's length (but for one
    more buffer of quantiles each time it doubles). Closed and begun anew with the same `store`, it goes on where it
    was; the result is the same.

    Parameters
    ----------
    inputs : sequence of tensors (c, …), or tensor (n, c, …)
        The model's ready inputs, all of one shape. One that raises when it is asked for is skipped, and listed.
    layers : sequence of str
        Operations, or modules' paths.
    batch_size : int, optional
        Found from the size of the layers by default; halved where memory runs out.
    store : folder, optional
        Where the results are kept, a file per layer, every 10 seconds and at the end. What is found there of the same
        weights, operations and data is taken over. The data is told by its length, `mark`, and 16 of the inputs.
    mark : str
        Whatever else tells one data set from another.
    recording, prepared : optional
        A whole pass on one such input, and the model made ready for many, where they are at hand.

    Raises
    ------
    ValueError
        If there are no inputs, none can be read, they differ in shape, or a layer has no value per input.
    """
    total = len(inputs)
    if total == 0:
        raise ValueError("inputs must hold at least one input, got an empty data set")
    if isinstance(layers, str) or not layers:
        raise TypeError(f"layers must be a list of at least one name, got {layers!r}")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    model = unwrapped(model)
    reader = _Reader(inputs, device_of(model), dtype_of(model))
    recording = record(model, reader.first()) if recording is None else recording
    indexes = {}
    for name in dict.fromkeys(map(recording.resolve, layers)):
        shape = places_of(recording, recording.operation(name)).shape
        indexes[name] = LayerExamples(name, *shape)
    files = None if store is None else _Files(Path(store), _key(model, recording, reader, mark))
    if files is not None:
        indexes = {name: files.load(index) for name, index in indexes.items()}
    begin = time.monotonic()
    start = min(index.done for index in indexes.values())

    def result(done: int) -> DatasetExamples:
        seconds = time.monotonic() - begin
        speed = seconds / (done - start) if done > start else float("nan")
        remaining = 0.0 if done == total else speed * (total - done)
        return DatasetExamples(indexes, done, total, tuple(reader.skipped), seconds, remaining)

    if start == total:
        yield result(total)
        return
    waiting = [name for name, index in indexes.items() if index.done < total]
    forward = PartialPass(model, recording, waiting, prepared=prepared)
    arranged = {name: _Arranged(recording, name) for name in waiting}
    if batch_size is None:
        largest = max(int(np.prod(operation.shape)) for operation in recording)
        batch_size = max(1, min(MOST, LARGEST // largest))

    def run(first: int, stop: int) -> tuple[np.ndarray, dict[str, Tensor]]:
        items, batch = reader.batch(start + first, start + stop)
        if batch is None:
            return items, {}
        with borrow(model):
            values, _ = forward(batch)
        return items, {name: arranged[name](value.detach(), len(items)) for name, value in values.items()}

    saved = time.monotonic()
    try:
        for _, stop, (items, maps) in in_batches(total - start, run, size=batch_size):
            done = start + stop
            for name in waiting:
                index = indexes[name]
                if name in maps and done > index.done:
                    new = items >= index.done
                    index.update(maps[name] if new.all() else maps[name][torch.from_numpy(new)], items[new])
                index.done = max(index.done, done)
            if files is not None and time.monotonic() - saved > SAVE_EVERY:
                files.save(indexes[name] for name in waiting)
                saved = time.monotonic()
            yield result(done)
    finally:
        if files is not None:
            files.save(indexes[name] for name in waiting)
    if len(reader.skipped) == total:
        raise ValueError(f"inputs must be readable, but none of {total} is: {reader.skipped[0][1]}")


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
                f"layer {self.name!r} must give one value per input to be looked for over a data set; for {count} "
                f"inputs it gave the shape {tuple(value.shape)}"
            )
        if self.index is None:
            return value if value.shape[1:] == self.shape else value.reshape(count, *self.shape)
        return value.reshape(count, -1)[:, self.index.to(value.device)].view(count, *self.shape)


class _Reader:
    """Reads inputs as batches, and remembers those that could not be read."""

    def __init__(self, inputs: Inputs | Sequence[Tensor], device: torch.device, dtype: torch.dtype):
        self.inputs, self.device, self.dtype = inputs, device, dtype
        self.skipped: list[tuple[int, str]] = []
        self.shape: tuple[int, ...] | None = None

    def read(self, item: int) -> Tensor:
        """One input (1, c, …), on the model's device; ValueError if its shape is another than the first one's."""
        given = self.inputs[item]
        if not isinstance(given, Tensor):
            raise TypeError(f"inputs must be tensors, got {type(given).__name__} as number {item}")
        given = given.detach()
        if self.shape is not None and given.shape != self.shape and given.shape[:1] == (1,):
            given = given[0]
        if self.shape is None:
            self.shape = tuple(given.shape[1:] if given.ndim > 3 and given.shape[0] == 1 else given.shape)
        if tuple(given.shape[-len(self.shape) :]) != self.shape or given.numel() != int(np.prod(self.shape)):
            raise ValueError(f"inputs must all have the shape {self.shape}, got {tuple(given.shape)} as number {item}")
        return given.reshape(1, *self.shape).to(self.device, self.dtype)

    def first(self) -> Tensor:
        """The first input that can be read."""
        problem: Exception | None = None
        for item in range(min(len(self.inputs), MOST)):
            try:
                return self.read(item)
            except Exception as error:
                problem = problem or error
        raise ValueError(f"inputs must be readable, but none of the first {MOST} is: {problem}") from problem

    def batch(self, start: int, stop: int) -> tuple[np.ndarray, Tensor | None]:
        items, rows = [], []
        for item in range(start, stop):
            try:
                rows.append(self.read(item))
            except Exception as error:  # one broken file must not cost the others
                if (item, str(error)) not in self.skipped:
                    self.skipped.append((item, str(error)))
            else:
                items.append(item)
        return np.array(items, np.int64), torch.cat(rows) if rows else None


def _key(model: nn.Module, recording: Recording, reader: _Reader, mark: str) -> str:
    """What tells a pass from others: weights, operations, data, and what preprocessing makes of it."""
    digest = hashlib.blake2b(digest_size=12)
    for tensor in (*model.parameters(), *model.buffers()):
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    digest.update("\n".join([*recording.calls, *recording.names, mark, str(len(reader.inputs))]).encode())
    for item in np.unique(np.linspace(0, len(reader.inputs) - 1, FINGERPRINTS).round().astype(int)):
        try:
            digest.update(reader.read(int(item)).float().cpu().numpy().tobytes())
        except Exception as error:
            digest.update(type(error).__name__.encode())
    return digest.hexdigest()


class _Files:
    """A folder with a file for each layer of each pass."""

    def __init__(self, folder: Path, key: str):
        self.folder, self.key = folder.expanduser(), key

    def _path(self, layer: str) -> Path:
        return self.folder / f"{self.key}-{hashlib.blake2b(layer.encode(), digest_size=6).hexdigest()}.npz"

    def load(self, empty: LayerExamples) -> LayerExamples:
        """What is kept of a layer; `empty` where nothing is, or nothing that can be read."""
        try:
            with self._path(empty.layer).open("rb") as file:
                found = LayerExamples.restored(dict(np.load(file)))
        except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile):
            return empty
        alike = (found.layer, found.units, found.height, found.width)
        return found if alike == (empty.layer, empty.units, empty.height, empty.width) else empty

    def save(self, layers: Iterator[LayerExamples]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for layer in layers:
            path = self._path(layer.layer)
            part = path.with_suffix(f".{os.getpid()}.part")
            with part.open("wb") as file:
                np.savez(file, **layer.state())  # type: ignore[arg-type]
            part.replace(path)  # whole, or not at all
