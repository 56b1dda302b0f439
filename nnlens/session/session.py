"""Everything that the open views of one lens share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakMethod

import torch
from torch import nn

from nnlens.inputs import Input
from nnlens.inputs.datasets import ImageDataset, first_value
from nnlens.kernels import Prepared, ScoreMeaning
from nnlens.kernels.weights import FilterStatistics, Found, find
from nnlens.recording import ForwardError, dtypes_of, version_of
from nnlens.scores.meaning import Pick, Position, Task
from nnlens.utils.cache import Cache
from nnlens.utils.threads import end_own_threads

from .attribution_jobs import AttributionJobs
from .dataset_search import DatasetSearch, store_folder
from .mode import chosen_mode, is_static
from .sample import Sample
from .samples import Samples
from .selections import Selections
from .setup import ModelSetup, check_meaning
from .text.context_search import ContextSearch
from .varying.laid_out import laid_out_for
from .work.fast_engine import FastEngine
from .work.user_code import hold_during_user_code
from .work.worker import Worker

# The most urgent first: jobs that a user waits for come before jobs in the background.
LANES = ("live", "hand", "image", "curve", "card", "map", "synthesis", "data")


class Session:
    """The samples, the selections, the background worker, the data-set search and the attribution jobs of one lens.

    Parameters
    ----------
    reproducible : bool
        Whether nothing is chosen by how long it took, or taken over from the images before: the same numbers each time.

    Attributes
    ----------
    id : str
        Tells the lens from others in the same page.
    setup : ModelSetup
        The model, its preprocessing, its labels and what its scores mean.
    samples : Samples
    selections : Selections
    worker : Worker
        Runs the jobs of all views, the most urgent first.
    search : DatasetSearch
        The examples of the units that `Lens.examples` looks for.
    contexts : ContextSearch
        The contexts of cells in the long text that `Lens.cells` was given.
    attributions : AttributionJobs
    engine : FastEngine
        Which engine runs whole passes.
    """

    def __init__(self, setup: ModelSetup, *, reproducible: bool = False):
        self.id = uuid4().hex
        self.setup = setup
        self.worker = Worker(LANES)
        self.engine = FastEngine(self.worker)
        self.samples = Samples(setup, None if reproducible else self.engine)
        self.selections = Selections(self.samples)
        self.search = DatasetSearch(setup.model, self.worker)
        self.contexts = ContextSearch(setup)
        self.attributions = AttributionJobs(setup.model, self.samples.prepared)
        self._weights = Cache(found=1, statistics=8)
        self._after_cell: set[WeakMethod[Any]] = set()  # methods of open views
        hold_during_user_code(self.worker, self._cell_has_run, free=chosen_mode() == "live" or _in_marimo())

    @property
    def model(self) -> nn.Module:
        """The model, which is never changed."""
        return self.setup.model

    def prepared(self, sample: Sample) -> Prepared | None:
        """The model prepared for many passes on variations of an image; see `Samples.prepared`."""
        return self.samples.prepared(sample)

    def weights(self) -> Found:
        """The weights of the model as it is now; see `kernels.weights.find`."""
        version = version_of(self.model)
        result: Found = self._weights.once("found", version, make=lambda: find(self.model))
        return result

    def filter_statistics(self, name: str) -> FilterStatistics:
        """The statistics of a layer's filters as they are now."""
        weight, version = self.weights()[name], version_of(self.model)
        result: FilterStatistics = self._weights.once(
            "statistics", version, weight.name, make=lambda: FilterStatistics(weight)
        )
        return result

    @property
    def output(self) -> Pick | ScoreMeaning:
        """What kernels take as `output`: what the scores mean, or before that is known, which output holds them."""
        return self.setup.pick if self.setup.meaning is None else self.setup.meaning

    def read_output(self, pick: Pick) -> None:
        """Read the scores from another part of the output, in all views; raise and change nothing where that fails."""
        before = self.setup.pick
        self.setup.pick = pick
        try:
            self.read_as(self.setup.task, self.setup.logits)
        except Exception:
            self.setup.pick = before
            raise

    def read_as(self, task: Task | None, logits: bool | None) -> None:
        """Read the scores in another way, in all views; what is None is detected.

        Raises ValueError, and leaves everything as it was, where the scores cannot be read in that way.
        """
        check_meaning(task, logits)
        setup = self.setup
        before = setup.task, setup.logits, setup.meaning
        setup.task, setup.logits = task, logits
        # Views may have a selection of their own.
        views = [method.__self__ for known in self._after_cell if (method := known()) is not None]
        selections = {id(item): item for item in (*self.selections, *(view.selection for view in views))}
        try:
            shown = [(item, self.samples.current(item.sample)) for item in selections.values()]
            for _, sample in shown:
                sample.scored()  # raises where they cannot be read so
        except Exception:
            setup.task, setup.logits, setup.meaning = before
            raise
        for selection, sample in shown:
            selection.show(sample)

    def relabel(self, labels: Any) -> None:
        """Rename the classes, in all views; raise and leave everything as it was where they do not fit."""
        before = self.setup.labels
        self.setup.labels = labels
        try:
            self.read_as(self.setup.task, self.setup.logits)
        except Exception:
            self.setup.labels = before
            raise

    def input_of(self, *args: Any, position: Position = None, **keywords: Any) -> Input:
        """An image, or any other input of the model; if it is ambiguous, the model decides by accepting it."""
        candidates = list(self.setup.candidates(args, keywords))
        for candidate in candidates if len(candidates) > 1 else ():
            try:
                self.samples.of(candidate, position=position, scores=False)
            except (ForwardError, ValueError):
                continue
            return laid_out_for(self.setup, candidate)
        return laid_out_for(self.setup, candidates[0])

    def search_dataset(
        self, dataset: Any, *, layers: Sequence[str] | None = None, store: str | Path | bool = True, **sharding: Any
    ) -> Sample:
        """Begin to look for the units' examples in a data set; return the image that its view starts from.

        For the parameters see `Lens.examples`.
        """
        data = self._dataset(dataset)
        selections = self.selections
        sample: Sample | None = None
        if not selections.is_empty:
            sample = self.samples.current(selections.latest.sample, full=True)
            if sample is not selections.latest.sample:
                selections.latest.show(sample)
        first = data.first()
        if sample is None or sample.input.x.shape != first.x.shape:
            own = self.samples.of(first)
            # A volume is shown as it is, and searched with all of its slices.
            around = None if sample is None else sample.input.around
            same = around is not None and first.around is not None and around.value.shape == first.around.value.shape
            sample = sample if sample is not None and same else own
        else:
            own = sample
        names = _spread_layers(own) if layers is None else layers
        if isinstance(names, str):
            raise TypeError(f"layers must be a list of names, got {names!r}")
        if not isinstance(store, (bool, str, PathLike)):
            raise TypeError(f"store must be a folder, True (the user's cache) or False, got {store!r}")
        folder = store_folder() / "examples" if store is True else None if store is False else Path(store)
        self.search.begin(own.model, data, names, own.recording, self.prepared(own), store=folder, **sharding)
        if not is_static():
            self.search.start()
        return sample

    def _dataset(self, data: Any) -> ImageDataset:
        """A data set as this lens opens its items."""
        if self.setup.is_laid_out(data):
            value = torch.as_tensor(first_value(data)).to(dtypes_of(self.model)[0])
            template = self.input_of(self.setup.with_batch(value))
            if template.around is not None:
                return self.setup.laid_out_dataset(data, template)
        return self.setup.dataset(data)

    def watch(self, method: Callable[[], None]) -> None:
        """Call a view's method after each of the user's cells, as long as the view lives."""
        self._after_cell.add(WeakMethod(method))

    def renew_views(self) -> None:
        """Record the images of all open views again, where the model has changed."""
        for known in list(self._after_cell):
            method = known()
            if method is not None:
                method.__self__.update(full=True)

    def leave_processors(self) -> None:
        """For texts, end the threads that torch keeps for the calling thread: the worker is then much faster.

        A recurrent layer runs thousands of short operations. For images nothing was gained, because ONNX Runtime's
        threads need the processors.
        """
        if self.setup.codec is not None:
            end_own_threads()

    def _cell_has_run(self) -> None:
        self.leave_processors()
        for known in list(self._after_cell):
            method = known()
            if method is None:
                self._after_cell.discard(known)
            else:
                method()


def _spread_layers(sample: Sample, count: int = 5) -> list[str]:
    """At most `count` layers whose examples are worth looking for, evenly spread."""
    maps = [op for op in sample.recording if op.number is not None and len(op.shape) in (3, 4) and op.shape[0] == 1]
    chosen = [op.name for op in maps if op.kind == "activation"] or [sample.default_layer()]
    if len(chosen) <= count:
        return chosen
    return [chosen[round(index * (len(chosen) - 1) / (count - 1))] for index in range(count)]


def _in_marimo() -> bool:
    return "marimo" in sys.modules and bool(sys.modules["marimo"].running_in_notebook())
