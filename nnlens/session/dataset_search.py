"""The search for examples in a data set, in the background: what was found so far, shared by all views."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import traitlets as t
from torch import nn

from nnlens.geometry.axes import receptive_fields, unit_places
from nnlens.inputs.datasets import ImageDataset
from nnlens.kernels import DatasetExamples, LayerExamples, Prepared, examples_steps
from nnlens.recording import Recording, version_of
from nnlens.utils.cache import Cache
from nnlens.utils.language import _

from .work.worker import Worker

TELL_EVERY = 0.3  # seconds
LIMITS = {"example": 256, "receptive fields": 8}  # of what the pictures of examples are made from


def store_folder() -> Path:
    """Where results are stored: the folder in NNLENS_CACHE, or the user's cache."""
    chosen = os.environ.get("NNLENS_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.cache"
    return Path(base).expanduser() / "nnlens"


class DatasetSearch(t.HasTraits):
    """The examples of all units of some layers in a data set, as far as it has been searched.

    Empty until `begin`. Observe `progress` to follow the search.
    """

    progress = t.Dict(
        help="done, total, remaining (seconds), running, skipped, layers, error; empty without a data set"
    )

    def __init__(self, model: nn.Module, worker: Worker):
        super().__init__()
        self.data: ImageDataset | None = None
        self.layers: tuple[str, ...] = ()
        self.results: DatasetExamples | None = None
        self.pictures = Cache(**LIMITS)
        self.model, self._model, self._worker = model, model, worker
        self._steps: Generator[DatasetExamples, None, None] | None = None
        self._lock = threading.Lock()
        self._number = 0  # of the search: a second one counts as new even if its contents are equal

    def begin(
        self,
        model: nn.Module,
        data: ImageDataset,
        layers: Sequence[str],
        recording: Recording,
        prepared: Prepared | None,
        *,
        store: Path | None,
        **sharding: Any,
    ) -> None:
        """Begin to search a data set, instead of the earlier one, with its first batch.

        `model` is the model as a function of an item; `sharding` are `workers` and other options of `examples_steps`.
        """
        self.stop()
        with self._lock:
            self.data, self.layers = data, tuple(dict.fromkeys(map(recording.resolve, layers)))
            self.results, self.pictures, self._steps = None, Cache(**LIMITS), None
            self.model, self.recording, self.prepared = model, recording, prepared
            self._store, self._version, self._sharding = store, version_of(self._model), sharding
            self._number += 1
        self.step()
        self.progress = self._told(running=False)

    def __getitem__(self, layer: str) -> LayerExamples:
        """What was found so far of a layer."""
        name = layer if self.results is None else self.recording.resolve(layer)
        if self.results is None or name not in self.results:
            known = ", ".join(self.layers) or "none yet: search a data set with lens.examples"
            raise KeyError(f"layer must be one of those that were searched ({known}), got {layer!r}")
        return self.results[name]

    def get(self, layer: str) -> LayerExamples | None:
        """The same, or None."""
        return None if self.results is None else self.results.layers.get(layer)

    def __contains__(self, layer: object) -> bool:
        return self.results is not None and layer in self.results

    @property
    def complete(self) -> bool:
        """Whether the whole data set was searched."""
        return self.results is not None and self.results.complete

    @property
    def current(self) -> bool:
        """Whether the model's weights are still those of the search."""
        return version_of(self._model) == self._version

    def step(self) -> bool:
        """Search one more batch; False when all have been searched."""
        with self._lock:
            if self._steps is None and self.complete:
                return False
            if not self.current:
                raise ValueError("the model's weights have changed since the search began: search again")
            if self._steps is None:
                self._steps = self._look()
            result = next(self._steps, None)
            if result is None:
                self._steps = None
                return False
            self.results = result
        return True

    def receptive_box(self, layer: str, position: tuple[int, int]) -> list[int] | None:
        """The receptive field of a place of a layer's maps: top, left, bottom, right in an image; None if unknown."""
        fields = self.pictures.once("receptive fields", layer, make=lambda: receptive_fields(self.recording, layer))
        if fields is None:
            return None
        (top, bottom), (left, right) = fields[0][position[0]].tolist(), fields[1][position[1]].tolist()
        return [top, left, bottom, right]

    def slice_of(self, layer: str, unit: int, position: tuple[int, int], slices: int) -> int:
        """Which of so many slices of a volume a place of a map lies on; the middle one where that is not known."""
        operation = self.recording.operation(layer)
        if len(operation.shape) != 5:
            return slices // 2
        depth, height, width = operation.shape[2:]
        flat = int(unit_places(self.recording, operation, unit, position)[0, 0])
        return min(slices - 1, int((flat // (height * width) % depth + 0.5) / depth * slices))

    def _look(self) -> Generator[DatasetExamples, None, None]:
        assert self.data is not None
        yield from examples_steps(
            self.model,
            self.data,
            self.layers,
            store=self._store,
            mark=self.data.mark,
            recording=self.recording,
            prepared=self.prepared,
            **self._sharding,
        )

    def start(self) -> None:
        """Continue in the background."""
        self._worker.submit(self, "data", self._job)

    def stop(self) -> None:
        """Stop after the current batch; the results are kept, also on disk, and `start` continues."""
        self._worker.cancel(self, "data")
        with self._lock:
            if self._steps is not None and self._store is not None:
                self._steps.close()  # which stores the results so far; a later search continues from there
                self._steps = None
        if self.data is not None:
            self.progress = self._told(running=False)

    def finish(self) -> DatasetExamples:
        """Search the rest now."""
        if self.data is None:
            raise ValueError("there is no data set yet: search one with lens.examples(dataset, layers=[…])")
        self._worker.cancel(self, "data")
        while self.step():
            pass
        self.progress = self._told(running=False)
        assert self.results is not None
        return self.results

    def _job(self) -> Generator[None, None, None]:
        told = 0.0
        try:
            while self.step():
                if time.monotonic() - told > TELL_EVERY:
                    self.progress = self._told(running=True)
                    told = time.monotonic()
                yield
        except GeneratorExit:
            raise
        except Exception as error:
            self.progress = self._told(running=False, error=str(error))
            return
        self.progress = self._told(running=False)

    def _told(self, *, running: bool, error: str = "") -> dict[str, Any]:
        result = self.results
        assert self.data is not None
        return {
            "number": self._number,
            "done": 0 if result is None else result.done,
            "total": len(self.data),
            "remaining": None if result is None or result.remaining != result.remaining else result.remaining,
            "running": running,
            "skipped": [] if result is None else _skipped(result),
            "layers": list(self.layers),
            "error": error or ("" if result is None else result.unsaved),
        }


def _skipped(result: DatasetExamples) -> list[list[Any]]:
    """The first inputs without a result, and why; a failed shard under its first input."""
    failed = [
        [shard.start, _("{start}…{stop}: {why}", start=shard.start, stop=shard.stop - 1, why=why)]
        for shard, why in result.failed
    ]
    return [*failed, *([item, words] for item, words in result.skipped)][:20]
