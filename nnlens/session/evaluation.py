"""The evidence of several methods over many images, one after the other or in shards."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn

from nnlens.inputs.datasets import ImageDataset, evenly
from nnlens.kernels import CHECKS
from nnlens.kernels.attribution.evidence.evidence import Check
from nnlens.kernels.attribution.registry import method_named
from nnlens.scale import Build, Result, Run, Shard, Sharding, ShardStore, digest_of, words_of
from nnlens.utils.errors import reason
from nnlens.utils.language import _
from nnlens.utils.suggestions import nearest
from nnlens.utils.tensors import as_bytes

from .attribution_jobs import Settings
from .report import Report
from .sample import Sample
from .session import Session
from .setup import ModelSetup

IMAGES = 4  # in a shard: each takes many passes


class HasSession(Protocol):
    """A `Lens`."""

    session: Session


def evaluate_steps(
    lens: HasSession,
    dataset: Any,
    methods: Sequence[str],
    *,
    count: int | None = None,
    checks: Sequence[Check] = CHECKS,
    max_passes: int | None = 400,
    workers: int | str | Any = None,
    shard_size: int | None = None,
    store: str | Path | None = None,
    build: Build | None = None,
    allow_pickle: bool = False,
    **settings: Any,
) -> Iterator[Report]:
    """The report after each image; with workers, from time to time; see `evaluate`."""
    _check_arguments(lens, methods, checks, settings)
    names = tuple(dict.fromkeys(method_named(name).name for name in methods))
    session = lens.session
    data = session.setup.dataset(dataset)
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ValueError(f"count must be a whole number, 1 or more, got {count!r}")
    sharding = Sharding(workers=workers, shard_size=shard_size, store=store, build=build, allow_pickle=allow_pickle)
    total = len(data) if count is None else min(count, len(data))
    # Evenly spread, for the first images of a folder are often of one class; the others where some cannot be read.
    spread = evenly(len(data), total)
    chosen = set(spread)
    order = [*spread, *(item for item in range(len(data)) if item not in chosen)]
    asked = _Asked(
        setup=session.setup,
        data=data,
        items=order,
        methods=names,
        settings=Settings(**settings),
        checks=tuple(checks),
        max_passes=max_passes,
    )
    rows: dict[int, list[dict[str, Any]]] = {}  # by the place in the order
    skipped: dict[int, str] = {}

    def report() -> Report:
        known = sorted(rows)
        lines = [row for place in known for row in rows[place]]
        left_out = [(data.name(order[place]), why) for place, why in sorted(skipped.items())]
        return Report(rows=lines, methods=names, images=len(known), total=total, skipped=left_out)

    if not sharding.asked and store is None:
        own = Session(asked.setup, reproducible=True)
        for place in range(len(order)):
            if len(rows) == total:
                break
            try:
                rows[place], _lasting = asked.rows(own, place)
            except UnreadableError as error:
                skipped[place] = str(error)
            yield report()
    else:
        keeper = ShardStore(store, asked.key(lens.session.model), asked.mark)
        looked = 0
        while len(rows) < total and looked < len(order):
            # As many as are missing: where some cannot be read, others take their place.
            stop = min(len(order), looked + total - len(rows))
            shards = [
                Shard(looked + one.number, looked + one.start, looked + one.stop)
                for one in sharding.shards(stop - looked, IMAGES)
            ]
            # What failed may succeed the next time: it is not kept.
            outcomes = sharding.outcomes(
                _load, session.model, asked, shards, keeper, keeps=lambda result: bool(result["lasting"])
            )
            for outcome in outcomes:
                if outcome is not None:
                    found = {} if outcome.value is None else json.loads(str(outcome.value["rows"]))
                    for place in range(outcome.shard.start, outcome.shard.stop):
                        value = found.get(str(place), outcome.error)
                        if isinstance(value, str):
                            skipped[place] = value
                        else:
                            rows[place] = value
                yield report()
            looked = stop
    if not rows:
        raise ValueError(
            f"dataset must hold images that can be read, but none can be read: {next(iter(skipped.values()))}"
        )


class UnreadableError(ValueError):
    """An image of a data set cannot be read."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What is evaluated, and how: all that workers need besides the model. A place is one in the order of `items`."""

    setup: ModelSetup
    data: ImageDataset
    items: list[int]
    methods: tuple[str, ...]
    settings: Settings
    checks: tuple[Check, ...]
    max_passes: int | None

    def rows(self, session: Session, place: int) -> tuple[list[dict[str, Any]], bool]:
        """The rows of one image, and whether another try would give the same; raises `UnreadableError`."""
        try:
            sample = session.samples.of(self.data.input(self.items[place]))
            session.prepared(sample)  # so that no method's time includes it
        except Exception as error:
            raise UnreadableError(reason(error)) from error
        target = sample.top(1)[0]
        result, lasting = [], True
        for name in self.methods:
            row: dict[str, Any] = {"image": sample.input.name, "class": sample.names[target], "method": name}
            result.append(row)
            try:
                for number, value in _numbers(
                    session, sample, target, name, self.settings, self.checks, self.max_passes
                ):
                    row[number] = value
            except Exception as error:
                row["error"] = reason(error)
                lasting &= isinstance(error, (TypeError, ValueError, NotImplementedError))  # the method does not fit
        return result, lasting

    def key(self, model: nn.Module) -> str:
        """An identifier of the model and of all that is asked of it, without the data."""
        setup = self.setup
        meaning = f"{setup.labels} {words_of(setup.pick)} {setup.task} {setup.logits} {setup.unit}"
        return f"{digest_of(model)} {meaning} {self.methods} {self.settings} {self.checks} {self.max_passes}"

    def mark(self, shard: Shard) -> str:
        """An identifier of the images of a shard."""
        digest = hashlib.blake2b(digest_size=12)
        for item in self.items[shard.start : shard.stop]:
            tensor = self.data.tensor(item)
            digest.update(self.data.name(item).encode(errors="surrogatepass"))
            digest.update(b"" if tensor is None else as_bytes(tensor))
        return digest.hexdigest()


def _load(model: nn.Module, asked: _Asked) -> Run:
    """In a worker: the function that evaluates the images of a shard, place → rows, or why there are none."""
    session = Session(asked.setup.with_model(model), reproducible=True)

    def run(shard: Shard) -> Generator[None, None, Result]:
        found: dict[int, list[dict[str, Any]] | str] = {}
        lasting = True
        for place in range(shard.start, shard.stop):
            try:
                found[place], same = asked.rows(session, place)
            except UnreadableError as error:
                found[place], same = str(error), False
            lasting &= same
            yield
        return {"rows": np.array(json.dumps(found)), "lasting": np.array(lasting)}

    return run


def _check_arguments(lens: HasSession, methods: Sequence[str], checks: Sequence[Check], settings: Any) -> None:
    if not isinstance(getattr(lens, "session", None), Session):
        raise TypeError(f"lens must be a Lens, for example Lens(model, preprocess=…), got {type(lens).__name__}")
    if isinstance(methods, str) or not len(methods):
        raise ValueError(f"methods must be a list of names, got {methods!r}")
    known = [entry.name for entry in fields(Settings)]
    for name in settings:
        if name not in known:
            raise TypeError(
                f"evaluate has no option {name!r}{nearest(name, known)}; it takes count, checks, max_passes, progress, "
                "workers, store, shard_size, build, allow_pickle, "
                f"{', '.join(known)}"
            )
    for check in checks:
        if check not in CHECKS:
            raise ValueError(f"checks must be of {', '.join(CHECKS)}, got {check!r}{nearest(str(check), CHECKS)}")


def _numbers(
    session: Session,
    sample: Sample,
    target: int,
    method: str,
    settings: Settings,
    checks: Sequence[Check],
    max_passes: int | None,
) -> Iterator[tuple[str, float]]:
    """The columns of one row: the seconds that the map took, unless it was known before, and its evidence."""
    jobs = session.attributions
    known_before = jobs.map(sample, target, method, settings) is not None
    begin = time.perf_counter()
    for _map in jobs.map_steps(sample, target, method, settings):
        pass
    if not known_before:
        yield "seconds", time.perf_counter() - begin
    *_, evidence = jobs.evidence_steps(sample, target, method, settings, checks=tuple(checks), max_passes=max_passes)
    if evidence is not None:
        yield from evidence.numbers().items()


def evaluate(
    lens: HasSession, dataset: Any, methods: Sequence[str], *, progress: bool = True, **options: Any
) -> Report:
    """Compare attribution methods on many images: each explains the model's top class, and is checked.

    Parameters
    ----------
    lens : Lens
    dataset : folder, torch Dataset, tensor (n, c, h, w) or sequence of images
        See `inputs.datasets.ImageDataset`.
    methods : list of str
        Names of `kernels.METHODS`.
    progress : bool
        Whether a progress bar is shown. On an interrupt the report of the images so far is returned.
    **options
        `workers`, who computes: a number of processes, the address of a Dask scheduler or a client (extra `dask`);
        `store`, a folder where each finished shard of `shard_size` images (4) is kept, so that the next run goes on;
        `build` and `allow_pickle`, how a cluster gets the model, see `kernels.examples_steps`.
        `count`, how many images, evenly spread; `checks`, which are run, and `max_passes`, how many forward passes
        one of them may take (None: any number); `samples`, `segments`, `segmentation`, `width`, `seed`, `cam_layer`,
        `score` as for `Lens.attribution`.

    Returns
    -------
    Report
        `.rows`, `.summary()`, `.figure()`; a table in a notebook.
    """
    from rich.progress import Progress

    last: Report | None = None
    with Progress(disable=not progress, transient=True) as bar:
        task = bar.add_task(_("evaluating"), total=None)
        try:
            for last in evaluate_steps(lens, dataset, methods, **options):
                bar.update(task, total=last.total, completed=last.images + len(last.skipped))
        except KeyboardInterrupt:
            if last is None:
                raise
    assert last is not None  # or the steps had raised
    return last
