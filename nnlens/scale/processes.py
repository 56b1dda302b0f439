"""Processes of this machine as workers, by loky (extra `dask`)."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from .shard import Shard
from .task import Outcome, Sent, Task, outcome
from .workers import LostError, Remote

IDLE = 60  # seconds, after which a process without work ends: a search may be stopped, and not be continued


class Processes(Remote):
    """So many processes, each with its share of the processor's cores."""

    def __init__(self, count: int):
        try:
            import loky
        except ImportError as error:
            raise ImportError("processes as workers need loky (the extra `dask`): pip install loky") from error
        self._loky, self.count = loky, count
        self._pool: Any = None
        self._sent: Sent | None = None

    @property
    def _capacity(self) -> int:
        return 2 * self.count  # one is waiting where another one is done

    def _begin(self, task: Task) -> None:
        # To processes of one's own the model may always be sent as it is.
        self._sent = task.sent(own=True, threads=max(1, (os.cpu_count() or 1) // self.count))

    def _submit(self, shard: Shard) -> Any:
        try:
            future = self._running().submit(_work, shard)
        except self._loky.process_executor.BrokenProcessPool:  # a process ended while nobody looked
            self._end()
            future = self._running().submit(_work, shard)
        future.pool = self._pool
        return future

    def _running(self) -> Any:
        """The processes, which are started where there are none."""
        assert self._sent is not None
        if self._pool is None:
            self._pool = self._loky.ProcessPoolExecutor(
                max_workers=self.count, timeout=IDLE, initializer=_begin, initargs=(self._sent, os.getpid())
            )
        return self._pool

    def _result(self, future: Any) -> Outcome:
        try:
            result: Outcome = future.result()
        except self._loky.process_executor.BrokenProcessPool as error:
            if future.pool is self._pool:
                self._end()  # all its processes: new ones are made for the next shard
            raise LostError(str(error).partition("\n")[0]) from error
        return result

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, kill_workers=True)
            self._pool = None


# In a worker process.
_sent: list[Sent] = []


def _begin(sent: Sent, parent: int) -> None:
    _sent[:] = [sent]
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when the one that started it has ended, killed perhaps."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _work(shard: Shard) -> Outcome:
    return outcome(_sent[0].load(), shard)
