"""A Dask cluster as workers (extra `dask`)."""

from __future__ import annotations

import math
import platform
import time
from concurrent.futures import CancelledError
from typing import Any

import distributed
import numpy as np
import torch
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from nnlens.utils.errors import for_another_machine
from nnlens.utils.requirements import DISTRIBUTION, installed_version

from .shard import Shard
from .task import Outcome, Sent, Task, outcome
from .workers import ENDED, LostError, Remote

PATIENCE = 10  # seconds, for a scheduler to answer
ASKED = 1  # seconds between two questions to it, which workers there are: of a large cluster the answer is long
ABSENCE = 300  # seconds without any worker in the middle of a run: some clusters take minutes to start new ones


class Cluster(Remote):
    """The workers of a Dask scheduler.

    Parameters
    ----------
    client : dask.distributed.Client or str
        A client, or the scheduler's address, "tcp://host:8786".
    """

    def __init__(self, client: Any):
        if isinstance(client, str):
            client = _connected(client)
        if client.asynchronous:
            raise ValueError("workers must be a client that waits for its answers, got one with asynchronous=True")
        if client.status != "running":
            raise ValueError(f"workers must be a client that is connected, got one that is {client.status}")
        self.client, self._plugin = client, ""
        self._sent: Sent | None = None
        self._threads, self._asked, self._absent = 0, -math.inf, math.inf  # of all; when asked; none since

    @property
    def _capacity(self) -> int:
        return max(1, 2 * self._threads_now())

    def _check_connection(self) -> None:
        if self.client.status != "running":
            raise ConnectionError(
                f"workers must stay connected, but the client is {self.client.status}. Run again: what is in the store "
                "is not computed again"
            )

    def _threads_now(self) -> int:
        self._check_connection()
        now = time.monotonic()
        if now - self._asked > ASKED:
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
            self._threads, self._asked = sum(worker["nthreads"] for worker in workers.values()), now
            self._absent = math.inf if workers else min(now, self._absent)
        return self._threads

    def _check_presence(self) -> None:
        if not self._threads_now() and time.monotonic() - self._absent > ABSENCE:
            raise ConnectionError(
                f"workers must be a cluster that has workers, but there has been none for {ABSENCE} seconds. Run "
                "again: what is in the store is not computed again"
            )

    def _begin(self, task: Task) -> None:
        self._wait_for_workers()
        self._compare_versions()
        sent = task.sent(own=False, threads=None)
        self._plugin = f"nnlens-{sent.key}"
        # A plugin, which a worker that is started later, or again, gets as well.
        self.client.register_plugin(_Plugin(sent), name=self._plugin)
        self._sent = sent

    def _wait_for_workers(self) -> None:
        try:
            self.client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise ValueError(
                f"workers must be a cluster that has workers, but none came within {PATIENCE} seconds"
            ) from error

    def _compare_versions(self) -> None:
        own = versions()
        for address, theirs in self._their_versions().items():
            if isinstance(theirs, Exception):
                raise ValueError(
                    f"worker {address} cannot import nnlens: {theirs}. Install it there, with the same version"
                )
            for name, version in own.items():
                if theirs[name] != version:
                    raise ValueError(
                        f"worker {address} has {name} {theirs[name]}, and this process {version}: install the same "
                        "version on both"
                    )

    def _their_versions(self) -> dict[str, Any]:
        """Address of a worker → its versions, or the error that it raised."""
        for _trial in range(ENDED):
            try:
                found: dict[str, Any] = self.client.run(versions, on_error="return")
            except CommClosedError:
                found = {}
            if found and not any(isinstance(one, CommClosedError) for one in found.values()):
                break
            self._wait_for_workers()  # they are being restarted
        return found

    def _submit(self, shard: Shard) -> Any:
        assert self._sent is not None
        self._check_connection()
        # Not pure: a shard that is run again is computed again. By an executor, whose future is done when the result is
        # here: Dask's own is done before, and waits for ever if the worker that has the result ends.
        return self.client.get_executor(pure=False, retries=0).submit(_work, self._sent.key, shard)

    def _result(self, future: Any) -> Outcome:
        try:
            result: Outcome = future.result()
        except KilledWorker as error:
            # Dask has handed it to several workers by then.
            raise LostError(str(error).partition("\n")[0], times=ENDED) from error
        except (CancelledError, FutureCancelledError) as error:
            raise LostError("all workers were restarted", blamed=False) from error
        except TypeError as error:
            # What Dask's executor raises where a worker ends while its result is fetched.
            raise LostError(f"its result was lost ({error})", blamed=False) from error
        return result

    def _end(self) -> None:
        if self._plugin and self.client.status == "running":
            self.client.unregister_worker_plugin(self._plugin)
            self._plugin = ""


# Address → its client, which stays connected: closing one may end the event loop of another in the same process.
_clients: dict[str, distributed.Client] = {}


def _connected(address: str) -> distributed.Client:
    """The client of a scheduler."""
    known = _clients.get(address)
    if known is None or known.status != "running":
        try:
            known = _clients[address] = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"workers must be the address of a Dask scheduler that answers, got {address!r}: {error}"
            ) from error
    return known


def versions() -> dict[str, str]:
    """What must be the same on both sides."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "Python": python,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "nnlens": installed_version(DISTRIBUTION) or "",
    }


# In a worker process: the tasks that were sent to it.
_sent: dict[str, Sent] = {}


class _Plugin(distributed.WorkerPlugin):
    """Hands a task to each worker."""

    def __init__(self, sent: Sent):
        self.sent = sent

    def setup(self, worker: Any) -> None:
        _sent[self.sent.key] = self.sent

    def teardown(self, worker: Any) -> None:
        _sent.pop(self.sent.key, None)


def _work(key: str, shard: Shard) -> Outcome:
    for_another_machine.set(True)
    try:
        return outcome(_sent[key].load(), shard)
    finally:
        for_another_machine.set(False)
