"""The background worker: jobs in lanes by urgency, the latest replaces the one before, all can be cancelled."""

from __future__ import annotations

import atexit
import math
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import nullcontext
from weakref import WeakSet

from nnlens.passes.onnx_runtime import shrink_all
from nnlens.recording.borrow import alone
from nnlens.utils.memory import give_back_memory, without_collection

PAUSE = 2.0  # seconds without work after which memory is given back
# Many small steps: the generator yields between them, so that more urgent work can go first. If it yields a number,
# its next step is delayed by that many seconds.
Steps = Generator[float | None, None, None]
Job = Callable[[], Steps]


class Worker:
    """Does the jobs of a lens in the background, the most urgent lane first.

    An owner has one job in each lane: a newer one replaces an older one, waiting or running, so a dragged
    slider never queues work. A running job gives way to more urgent lanes between its steps, then continues. One thread
    serves all workers.

    Attributes
    ----------
    longest : dict
        The seconds that the longest step of each lane took: so long may a hand have to wait.
    """

    def __init__(self, lanes: tuple[str, ...]):
        self.lanes = lanes
        self.longest = dict.fromkeys(lanes, 0.0)
        self.beside_user_code = False  # whether user code may run at the same time
        self._waiting: dict[tuple[str, int], Steps] = {}
        self._resting: dict[tuple[str, int], float] = {}  # until when, by `time.monotonic`
        self._stepping: tuple[str, int] | None = None  # the job whose step is running
        self._then: Callable[[], None] | None = None  # what follows that step
        self._held = False
        self.is_live = False  # whether it works while no one waits for it, as in a notebook
        self._served = 0.0  # when its last step began: workers take turns
        _workers.add(self)

    def submit(self, owner: object, lane: str, job: Job) -> None:
        """Run `job` in `lane`, replacing the owner's earlier job in that lane."""
        if lane not in self.lanes:
            raise ValueError(f"lane must be one of {self.lanes}, got {lane!r}")
        with _lock:
            self._waiting[lane, id(owner)] = job()
            if self._stepping == (lane, id(owner)):
                self._then = None
            self._resting.pop((lane, id(owner)), None)
            _thread.start()
            _lock.notify_all()

    def cancel(self, owner: object, lane: str, then: Callable[[], None] | None = None) -> None:
        """Cancel the owner's job in `lane`, at the end of its current step if it is running. Its results are kept.

        `then` is called once no step of it runs any more: now, or in the worker's thread.
        """
        with _lock:
            self._waiting.pop((lane, id(owner)), None)
            if self._stepping == (lane, id(owner)):
                self._then, then = then, None
            _lock.notify_all()
        if then is not None:
            then()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to do, held or not; False if `timeout` seconds pass first.

        False at once in the worker's own thread (an observer of what it publishes), which cannot wait for itself, and
        when Python ends.
        """
        if _thread.is_current or _thread.ended:
            return False
        with _lock:
            held, self._held = self._held, False
            self._wake()
            try:
                return _lock.wait_for(lambda: not self._waiting and not self._is_running, timeout)
            finally:
                self._held = held
                if held:
                    _lock.wait_for(lambda: not self._is_running)

    def hold(self) -> None:
        """Start no further step until `release`, and return when the current one has ended."""
        if _thread.is_current:
            return
        with _lock:
            self._held = True
            _lock.wait_for(lambda: not self._is_running)

    def release(self) -> None:
        """Let the work go on after `hold`."""
        with _lock:
            self._held = False
            self._wake()
            _thread.look_at_memory()

    def _wake(self) -> None:
        if self._waiting:
            _thread.start()
        _lock.notify_all()

    @property
    def _is_running(self) -> bool:
        return _thread.running is self

    def ready(self) -> list[tuple[int, tuple[str, int]]]:
        """The jobs that have something to do now, with the places of their lanes."""
        now = time.monotonic()
        there = () if self._held else list(self._waiting)  # a view that is deleted meanwhile cancels its jobs
        return [(self.lanes.index(job[0]), job) for job in there if self._resting.get(job, 0) <= now]

    def rests_until(self) -> float:
        """When the first resting job is due to continue."""
        ends = [self._resting[job] for job in list(self._waiting) if job in self._resting]
        return math.inf if self._held or not ends else min(ends)

    def step(self, job: tuple[str, int]) -> None:
        """One step of a job, in the thread of all workers."""
        with _lock:
            steps = self._waiting.get(job)
            if steps is None:
                return
            self._stepping = job
        alone.here = not self.beside_user_code
        began = time.perf_counter()
        rest: float | None = None
        try:
            # Whoever drags something waits for steps of the first lane.
            with without_collection() if job[0] == self.lanes[0] else nullcontext():
                step = next(steps, steps)
            done = step is steps
            rest = step if isinstance(step, (int, float)) else None
        except Exception:
            traceback.print_exc()  # jobs show their own errors: this one is a bug of nnlens, and the next job must run
            done = True
        self.longest[job[0]] = max(self.longest[job[0]], time.perf_counter() - began)
        with _lock:
            wanted = self._waiting.get(job) is steps
            if wanted:
                del self._waiting[job]
                self._resting.pop(job, None)
                if not done:
                    self._waiting[job] = steps  # after the others of its lane: they take turns
                    if rest is not None:
                        self._resting[job] = time.monotonic() + rest
        if not wanted:
            steps.close()  # cancelled or replaced: let it clean up now
        with _lock:
            then, self._stepping, self._then = self._then, None, None
        if then is not None:
            then()


class _Thread:
    """The one thread of all workers, which ends when there has been nothing to do for a while."""

    def __init__(self) -> None:
        self.running: Worker | None = None
        self._thread: threading.Thread | None = None
        self._worked = False  # since memory was given back
        self.ended = False

    @property
    def is_current(self) -> bool:
        return threading.current_thread() is self._thread

    def start(self) -> None:
        if self._thread is None and not self.ended:
            self._thread = threading.Thread(target=self._run, name="nnlens-worker", daemon=True)
            self._thread.start()

    def look_at_memory(self) -> None:
        """The user's code has run: it may have left memory to give back, once there is nothing else to do."""
        self._worked = True
        self.start()
        _lock.notify_all()

    def end(self) -> None:
        """Let the current step end, and begin no other."""
        with _lock:
            self.ended, thread = True, self._thread
            _lock.notify_all()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with _lock:
                if not _lock.wait_for(lambda: self.ended or self._next() is not None, timeout=self._patience()):
                    if self._worked:
                        self._worked = False
                        give_back_memory(shrink_all)
                        continue
                    if any(worker.ready() or worker.rests_until() < math.inf for worker in list(_workers)):
                        continue
                    self._thread = None  # otherwise an idle thread would keep the objects of its last job
                    return
                if self.ended:
                    return
                chosen = self._next()
                assert chosen is not None
                worker, job = chosen
                worker._served, self.running, self._worked = time.monotonic(), worker, True
            del chosen
            try:
                worker.step(job)
            finally:
                with _lock:
                    self.running = None
                    _lock.notify_all()
            del worker

    @staticmethod
    def _next() -> tuple[Worker, tuple[str, int]] | None:
        """The most urgent job; of equal ones that of the worker that was served least recently."""
        ready = [(lane, worker._served, worker, job) for worker in list(_workers) for lane, job in worker.ready()]
        return min(ready, key=lambda item: item[:2])[2:] if ready else None

    def _patience(self) -> float:
        """How long to wait for a job: until the first delayed one is due, or the user pauses."""
        until = min((worker.rests_until() for worker in list(_workers)), default=math.inf)
        return min(PAUSE if self._worked else 10.0, max(0.0, until - time.monotonic()))


_lock = threading.Condition()
_workers: WeakSet[Worker] = WeakSet()
_thread = _Thread()


# A thread that is inside torch when Python ends crashes the process, and one that holds the lock would never release
# it, while views that are deleted still need it.
atexit.register(_thread.end)
