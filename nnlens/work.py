"""Long work that stays polite: chunks sized to memory, one worker with lanes, latest wins, cancel."""

from __future__ import annotations

import atexit
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar
from weakref import WeakMethod, WeakSet, ref

import torch

from .recording import expect_changes
from .recording.borrow import alone

Chunk = TypeVar("Chunk")

# Many small steps: the generator yields between chunks, so that more urgent work can go first. A number that it yields
# is how many seconds it is to rest before the next step.
Steps = Generator[float | None, None, None]
Job = Callable[[], Steps]


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory, of the device or the host, did not suffice."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def in_batches(count: int, run: Callable[[int, int], Chunk], *, size: int) -> Iterator[tuple[int, int, Chunk]]:
    """Call `run(start, stop)` over `range(count)` in batches of `size`; halve the batch where memory runs out.

    Yields `(start, stop, result)` in order. The last error is raised if a batch of one does not fit.
    """
    start = 0
    while start < count:
        stop = min(count, start + size)
        try:
            result = run(start, stop)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or stop - start == 1:
                raise
            size = max(1, (stop - start) // 2)
            continue
        yield start, stop, result
        start = stop


class Worker:
    """One thread that does the jobs of a lens, the most urgent lane first.

    An owner has one job in each lane: a newer one replaces an older one, waiting or running, so a dragged
    slider never queues work. A running job gives way to more urgent lanes between its steps, then goes on.
    """

    def __init__(self, lanes: tuple[str, ...]):
        self.lanes = lanes
        self._waiting: dict[tuple[str, int], Steps] = {}
        self._resting: dict[tuple[str, int], float] = {}  # until when, in the clock of `time.monotonic`
        self._lock = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running: tuple[str, int] | None = None
        self._held = False
        self.beside_user_code = False  # whether the user's own code may run meanwhile
        _workers.add(self)

    def submit(self, owner: object, lane: str, job: Job) -> None:
        """Do `job` in `lane`, in place of what the owner had going on there."""
        if lane not in self.lanes:
            raise ValueError(f"lane must be one of {self.lanes}, got {lane!r}")
        with self._lock:
            self._waiting[lane, id(owner)] = job()
            self._resting.pop((lane, id(owner)), None)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="nnlens-worker", daemon=True)
                self._thread.start()
            self._lock.notify_all()

    def cancel(self, owner: object, lane: str) -> None:
        """Drop the owner's job in `lane`, at the end of its current step if it is running. What it has done stays."""
        with self._lock:
            self._waiting.pop((lane, id(owner)), None)
            self._lock.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to do, held or not; False if `timeout` seconds pass first.

        False at once in the worker's own thread (an observer of what it publishes), which cannot wait for itself.
        """
        if threading.current_thread() is self._thread:
            return False
        with self._lock:
            held, self._held = self._held, False
            self._lock.notify_all()
            try:
                return self._lock.wait_for(lambda: not self._waiting and self._running is None, timeout)
            finally:
                self._held = held
                if held:
                    self._lock.wait_for(lambda: self._running is None)

    def hold(self) -> None:
        """Start no further step until `release`, and return when the current one has ended."""
        if threading.current_thread() is self._thread:
            return
        with self._lock:
            self._held = True
            self._lock.wait_for(lambda: self._running is None)

    def release(self) -> None:
        with self._lock:
            self._held = False
            self._lock.notify_all()

    def _ready(self) -> list[tuple[str, int]]:
        """The jobs that have something to do now."""
        now = time.monotonic()
        return [job for job in self._waiting if self._resting.get(job, 0) <= now]

    def _patience(self) -> float:
        """How long to wait for something to do: until the first job has rested, or a while."""
        ends = [self._resting[job] for job in self._waiting if job in self._resting]
        return 10 if not ends or self._held else max(0.0, min(ends) - time.monotonic())

    def _work(self) -> None:
        alone.here = not self.beside_user_code
        while True:
            with self._lock:
                if not self._lock.wait_for(lambda: bool(self._ready()) and not self._held, timeout=self._patience()):
                    if self._waiting:
                        continue
                    self._thread = None  # an idle thread would keep the lens alive
                    return
                job = min(self._ready(), key=lambda key: self.lanes.index(key[0]))
                steps = self._waiting[job]
                self._running = job
            rest: float | None = None
            try:
                step = next(steps, steps)
                done = step is steps
                rest = step if isinstance(step, (int, float)) else None
            except Exception:
                traceback.print_exc()  # a job shows its own errors: this is ours, and the next job must run
                done = True
            with self._lock:
                wanted = self._waiting.get(job) is steps
                if wanted:
                    del self._waiting[job]
                    self._resting.pop(job, None)
                    if not done:
                        self._waiting[job] = steps  # behind the others of its lane: they take turns
                        if rest is not None:
                            self._resting[job] = time.monotonic() + rest
            if not wanted:
                steps.close()  # cancelled or replaced: what it has to put in order, it does now
            with self._lock:
                self._running = None
                self._lock.notify_all()


_workers: WeakSet[Worker] = WeakSet()


@atexit.register
def _rest() -> None:
    """A thread that is inside torch when Python ends takes the process down with it: let each step end first."""
    for worker in list(_workers):
        worker.hold()


def hold_during_user_code(worker: Worker, after_cell: Callable[[], None], *, free: bool = False) -> None:
    """Let `worker` run only while no code of the user's does: that code may train the very model the worker borrows.

    In IPython it is held while a cell runs, and `after_cell`, a method, is called behind each. In a script, which has
    no cells, it is held all the time but for `Worker.join`: the work is done when somebody waits for it. `free` leaves
    it alone, for hosts that need the work to go on and cannot tell when their cells run.
    """
    if free:
        worker.beside_user_code = True
        return
    try:
        from IPython import get_ipython
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is None:
        worker.hold()
        return
    weak, look = ref(worker), WeakMethod(after_cell)

    def before(*_: object) -> None:
        if (worker := weak()) is not None:
            worker.hold()
        else:
            shell.events.unregister("pre_run_cell", before)
            shell.events.unregister("post_run_cell", after)

    def after(*_: object) -> None:
        expect_changes()
        if (look_again := look()) is not None:
            look_again()
        if (worker := weak()) is not None:
            worker.release()

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)
    try:
        parent = shell.kernel.get_parent("shell")
        inside = parent["header"]["msg_type"] == "execute_request" and not parent["content"]["silent"]
    except AttributeError:
        inside = True  # IPython in a terminal: nothing but cells runs there
    except (KeyError, TypeError):
        inside = False
    if inside:
        before()
