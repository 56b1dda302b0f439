"""Work in shards as a user asks for it: who computes, how much at once, and where results are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn
from typing_extensions import TypedDict

from nnlens.recording import version_of

from .arrivals import Arrived, in_order
from .shard import SIZE, Shard, check_size, shards_of
from .shipped_model import Build
from .store import ShardStore, check_folder
from .task import Outcome, Result, Run, Task
from .workers import workers_for


class ShardingOptions(TypedDict, total=False):
    """The options of everything that runs in shards, see `Sharding`."""

    workers: Any
    shard_size: int | None
    store: str | Path | None
    build: Build | None
    allow_pickle: bool


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """How work on a data set is done in shards.

    Attributes
    ----------
    workers : int, str or dask.distributed.Client, optional
        Who computes: so many processes of this machine; the address of a Dask scheduler, or a client (extra `dask`).
        This process by default.
    shard_size : int, optional
        How many inputs a shard holds.
    store : folder, optional
        Where the result of each finished shard is kept: the next run goes on from there.
    build : callable or str, optional
        With a cluster: a function of a module, or its path "module:function", that returns a model of this structure.
        Workers call it and load the weights. By default the model's class, if it takes no arguments.
    allow_pickle : bool
        Send the model to a cluster as a pickle, if nothing builds it there.

    Raises
    ------
    TypeError, ValueError
        For what is none of these.
    """

    workers: Any = None
    shard_size: int | None = None
    store: str | Path | None = None
    build: Build | None = None
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        if self.shard_size is not None:
            check_size(self.shard_size)
        check_folder(self.store)
        if self.build is not None and not isinstance(self.build, str) and not callable(self.build):
            raise TypeError(f'build must be a function, or its import path "module:function", got {self.build!r}')

    @property
    def asked(self) -> bool:
        """Whether any of it was asked for that needs shards."""
        return self.workers is not None or self.shard_size is not None

    def shards(self, total: int, size: int = SIZE) -> list[Shard]:
        """The shards of so many inputs, `size` each by default."""
        return shards_of(total, size if self.shard_size is None else self.shard_size)

    def outcomes(
        self,
        load: Callable[[nn.Module, Any], Run],
        model: nn.Module,
        given: Any,
        shards: Sequence[Shard],
        store: ShardStore,
        *,
        accepts: Callable[[Result], bool] = lambda result: True,
        keeps: Callable[[Result], bool] = lambda result: True,
    ) -> Iterator[Outcome | None]:
        """The outcomes of shards: those that are stored, then those that workers compute, which are stored.

        Parameters
        ----------
        load, model, given
            The task, see `Task`.
        accepts : callable
            Whether a stored result is what was asked for; if not, it is computed anew.
        keeps : callable
            Whether a result is to be stored.

        Yields
        ------
        Outcome or None
            In any order; None from time to time while there is none.

        Raises
        ------
        ValueError
            If the model changes meanwhile.
        """
        workers, version = workers_for(self.workers), version_of(model)
        missing = []
        for shard in shards:
            known = store.load(shard)
            if known is not None and accepts(known):
                yield Outcome(shard=shard, value=known, stored=True, known=True)
            else:
                missing.append(shard)
        if not missing:
            return
        task = Task(load=load, model=model, given=given, build=self.build, allow_pickle=self.allow_pickle)
        with closing(workers.map(task, missing)) as computed:
            for outcome in computed:
                if outcome is not None and version_of(model) != version:
                    raise ValueError("the model has changed during the search: start again")  # before it is stored
                value = None if outcome is None else outcome.value
                if outcome is not None and value is not None and keeps(value) and store.save(outcome.shard, value):
                    yield replace(outcome, stored=True)
                else:
                    yield outcome

    def ordered(
        self,
        load: Callable[[nn.Module, Any], Run],
        model: nn.Module,
        given: Any,
        shards: list[Shard],
        store: ShardStore,
        **options: Callable[[Result], bool],
    ) -> Iterator[Arrived]:
        """The same in the order of the shards, so that a sum of them is always the same."""
        return in_order(self.outcomes(load, model, given, shards, store, **options), shards, store)
