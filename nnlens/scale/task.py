"""What workers do: prepared once in each process, then run for one shard after another."""

from __future__ import annotations

import pickle
import threading
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from torch import nn

from nnlens.utils.errors import reason

from .shard import Shard
from .shipped_model import Build, ShippedModel, pickled

Result = dict[str, np.ndarray]
# It yields now and then, so that others who use the same thread can do something, and returns the result.
Run = Callable[[Shard], Generator[None, None, Result]]


class LoadError(ValueError):
    """A worker cannot prepare the task: no shard would succeed."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Work on the shards of a data set.

    Attributes
    ----------
    load : callable
        A function of a module; called with the model and `given`, it returns the function of a shard.
    model : nn.Module
    given : object
        All else that it needs: the data set, settings.
    build, allow_pickle : optional
        How workers get the model, see `ShippedModel.of`.
    """

    load: Callable[[nn.Module, Any], Run]
    model: nn.Module
    given: Any
    build: Build | None = None
    allow_pickle: bool = False

    def here(self) -> Run:
        """The function of a shard in this process, with the model itself."""
        return self.load(self.model, self.given)

    def sent(self, *, own: bool, threads: int | None) -> Sent:
        """The task as bytes: `own` says that it goes to processes of this one, which compute with so many threads."""
        model = self._shipped(own)
        try:
            content = pickled((self.load, model, self.given, threads))
        except Exception as error:
            raise ValueError(
                f"the data set and its preprocessing must be such that they can be sent to workers, but: {error}"
            ) from error
        return Sent(content=content, key=uuid4().hex)

    def _shipped(self, own: bool) -> ShippedModel:
        if not own:
            return ShippedModel.of(self.model, self.build, allow_pickle=self.allow_pickle)
        try:
            return ShippedModel.of(self.model, allow_pickle=True)  # to one's own processes always, if it can be
        except ValueError as error:
            try:
                return ShippedModel.of(self.model, self.build)
            except ValueError as other:
                if self.build is not None:
                    raise
                raise ValueError(f"{error}. Give build=, a function of a module that returns the model") from other


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A task as bytes, and what it is called: two runs of one task end at different times."""

    content: bytes = field(repr=False)
    key: str

    def load(self) -> Run:
        """The function of a shard, in a worker: prepared once, for all shards."""
        with _lock:
            if self.key not in _loaded:
                _loaded.clear()  # of an earlier task
                _loaded[self.key] = self._load()
            return _loaded[self.key]

    def _load(self) -> Run:
        try:
            load, shipped, given, threads = pickle.loads(self.content)
            if threads is not None:
                torch.set_num_threads(threads)
            model, found = shipped.model(), torch.accelerator.is_available()
            accelerator = torch.accelerator.current_accelerator() if found else None
            run: Run = load(model if accelerator is None else model.to(accelerator), given)
        except Exception as error:
            raise LoadError(f"a worker cannot prepare the task: {type(error).__name__}: {error}") from error
        return run


# In a worker process: the function of the latest task.
_loaded: dict[str, Run] = {}
_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a shard: its result, or why there is none.

    `stored`: the result is also on disk; `known`: it was there before.
    """

    shard: Shard
    value: Result | None = None
    error: str = ""
    stored: bool = False
    known: bool = False


def outcome_steps(run: Run, shard: Shard) -> Generator[None, None, Outcome]:
    """Run one shard; an error of it is part of the outcome, which is returned."""
    try:
        value = yield from run(shard)
        return Outcome(shard=shard, value=value)
    except (Exception, SystemExit) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{type(error).__name__}: {reason(error)} ({where.name}, line {where.lineno})"
        return Outcome(shard=shard, error=words)


def outcome(run: Run, shard: Shard) -> Outcome:
    """The same at once."""
    steps = outcome_steps(run, shard)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Outcome = end.value
            return found
