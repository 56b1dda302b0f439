"""Who works on the shards of a data set: this process, processes of this machine, or a Dask cluster."""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Generator, Iterable
from typing import Any, Protocol

import numpy as np

from .shard import Shard
from .task import LoadError, Outcome, Task, outcome_steps

POLL = 0.02  # seconds between two looks at what is done
ENDED = 3  # workers that may end while they work on a shard, before it is given up


class Workers(Protocol):
    """Whoever can run a task on shards."""

    def map(self, task: Task, shards: Iterable[Shard]) -> Generator[Outcome | None, None, None]:
        """The outcomes, in any order; None from time to time while there is none. Closing it ends the work."""


class ThisProcess:
    """The shards one after the other, in this process."""

    def map(self, task: Task, shards: Iterable[Shard]) -> Generator[Outcome | None, None, None]:
        """The outcomes, in the order of the shards."""
        run = task.here()
        for shard in shards:
            yield (yield from outcome_steps(run, shard))


class LostError(Exception):
    """A worker ended while it worked on a shard.

    `blamed`: this shard may be the reason. `times`: how many workers have ended with it, if it is.
    """

    def __init__(self, words: str, *, blamed: bool = True, times: int = 1):
        super().__init__(words)
        self.blamed, self.times = blamed, times


class Remote:
    """Workers that are handed shards, a few at a time.

    Where a worker ends, its shards are handed out again. Those that may be the reason run alone then, so that one that
    ends its worker each time is told from the others, and given up.
    """

    def map(self, task: Task, shards: Iterable[Shard]) -> Generator[Outcome | None, None, None]:
        """The outcomes, in the order in which they arrive."""
        queue, suspects = deque(shards), deque[Shard]()
        running: dict[Any, Shard] = {}
        lost: Counter[Shard] = Counter()
        succeeded, given_up = False, 0
        try:
            self._begin(task)
            while queue or suspects or running:
                if suspects and not running:
                    shard = suspects.popleft()
                    running[self._submit(shard)] = shard
                while queue and not suspects and len(running) < self._capacity:
                    shard = queue.popleft()
                    running[self._submit(shard)] = shard
                done = [future for future in running if future.done()]
                if not done:
                    self._check_presence()
                    time.sleep(POLL)
                    yield None
                alone = len(running) == 1
                for future in done:
                    shard = running.pop(future)
                    try:
                        result = self._result(future)
                    except LostError as error:
                        # Alone, it is the reason; with others, any of them may be.
                        lost[shard] += error.times if alone or not error.blamed else 0
                        if lost[shard] >= ENDED:
                            given_up += 1
                            if given_up > 1 and not succeeded:
                                raise LoadError(
                                    f"workers end whatever shard they are given, {ENDED} times each: the model, or the "
                                    f"memory of the machine, may be the reason ({error})"
                                ) from error
                            yield Outcome(shard=shard, error=f"its worker ended {ENDED} times: {error}")
                        else:
                            (suspects if error.blamed else queue).append(shard)
                    else:
                        succeeded = True
                        yield result
        finally:
            with contextlib.suppress(Exception):  # where the cluster has gone, its own error is the one to be seen
                for future in running:
                    future.cancel()
                self._end()

    @property
    @abstractmethod
    def _capacity(self) -> int:
        """How many shards are handed out at once."""

    @abstractmethod
    def _begin(self, task: Task) -> None:
        """Send the task to the workers."""

    def _check_presence(self) -> None:
        """Raises an error if nobody has been there for long who could work."""

    @abstractmethod
    def _submit(self, shard: Shard) -> Any:
        """Hand a shard to a worker."""

    @abstractmethod
    def _result(self, future: Any) -> Outcome:
        """The outcome of a shard that is done.

        Raises `LostError` if its worker has ended, `LoadError` if workers cannot prepare the task.
        """

    @abstractmethod
    def _end(self) -> None:
        """Nothing more is to be done."""


def workers_for(workers: Any) -> Workers:
    """The workers that a user has asked for.

    Parameters
    ----------
    workers : None, int, str or dask.distributed.Client
        None: this process. A number: so many processes of this machine. An address, or a client: a Dask cluster.
    """
    if workers is None:
        return ThisProcess()
    if isinstance(workers, (int, np.integer)) and not isinstance(workers, bool):
        count = int(workers)
        if count < 1:
            raise ValueError(f"workers must be 1 or more processes, got {count}")
        from .processes import Processes

        return Processes(count)
    if isinstance(workers, str) or (hasattr(workers, "scheduler_info") and hasattr(workers, "submit")):
        try:
            from .cluster import Cluster
        except ImportError as error:
            raise ImportError("a Dask cluster needs dask (the extra `dask`): pip install dask distributed") from error
        return Cluster(workers)
    if isinstance(workers, (ThisProcess, Remote)):
        return workers
    raise TypeError(
        "workers must be a number of processes, the address of a Dask scheduler or a dask.distributed.Client, "
        f"got {type(workers).__name__}"
    )
