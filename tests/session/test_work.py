from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time

import pytest
import torch

from nnlens.passes.batches import in_batches, out_of_memory
from nnlens.session.work.worker import Worker


@pytest.fixture
def worker() -> Worker:
    return Worker(("live", "map"))


@pytest.mark.parametrize("enabled", [True, False])
def test_no_cycles_are_looked_for_while_a_hand_waits(worker, enabled):
    seen = {}

    def job(lane):
        seen[lane] = gc.isenabled()
        yield

    try:
        gc.enable() if enabled else gc.disable()
        for lane in worker.lanes:
            worker.submit(job, lane, lambda lane=lane: job(lane))
        assert worker.join(10)
        assert seen == {"live": False, "map": enabled}
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


def test_the_urgent_lane_goes_first_and_the_long_job_goes_on(worker):
    done: list[str] = []
    started = threading.Event()

    def long():
        for step in range(5):
            started.set()
            time.sleep(0.02)
            done.append(f"map {step}")
            yield

    def short():
        done.append("live")
        yield

    worker.submit(self_ := object(), "map", long)
    started.wait(5)
    worker.submit(self_, "live", short)
    assert worker.join(5)
    assert done.index("live") <= 1
    assert done[-1] == "map 4"


def test_the_longest_step_of_each_lane_is_known(worker):
    def job():
        for seconds in (0.01, 0.05, 0.0):
            time.sleep(seconds)
            yield

    worker.submit(object(), "map", job)
    assert worker.join(5)
    assert worker.longest["map"] >= 0.05
    assert worker.longest["live"] == 0


def test_a_newer_job_replaces_an_older_one_of_its_owner(worker):
    done: list[tuple[str, int]] = []

    def job(name, steps):
        def run():
            for step in range(steps):
                time.sleep(0.01)
                done.append((name, step))
                yield

        return run

    one, two = object(), object()
    worker.submit(one, "map", job("old", 50))
    worker.submit(two, "map", job("other", 3))
    time.sleep(0.05)
    worker.submit(one, "map", job("new", 2))
    assert worker.join(5)
    names = [name for name, _ in done]
    assert names.count("old") < 10
    assert names.count("other") == 3
    assert names.count("new") == 2


def test_cancel_stops_at_the_next_step(worker):
    steps = 0

    def endless():
        nonlocal steps
        while True:
            steps += 1
            time.sleep(0.005)
            yield

    owner = object()
    worker.submit(owner, "map", endless)
    time.sleep(0.05)
    worker.cancel(owner, "map")
    assert worker.join(5)
    seen = steps
    time.sleep(0.05)
    assert steps == seen


def test_what_follows_a_cancelled_job_runs_after_its_last_step(worker):
    told: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    def long():
        inside.set()
        go_on.wait(5)
        told.append("running")  # what a step publishes at its end must not be the last word
        yield

    worker.submit(owner := object(), "map", long)
    inside.wait(5)
    worker.cancel(owner, "map", lambda: told.append("stopped"))
    go_on.set()
    assert worker.join(5)
    for _ in range(100):
        if len(told) == 2:
            break
        time.sleep(0.01)
    assert told == ["running", "stopped"]
    worker.cancel(owner, "map", lambda: told.append("nothing ran"))
    assert told[-1] == "nothing ran"


def test_a_job_that_follows_a_cancelled_one_is_not_told_to_be_stopped(worker):
    told: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    def long():
        inside.set()
        go_on.wait(5)
        yield

    def short():
        told.append("again")
        yield

    worker.submit(owner := object(), "map", long)
    inside.wait(5)
    worker.cancel(owner, "map", lambda: told.append("stopped"))
    worker.submit(owner, "map", short)
    go_on.set()
    assert worker.join(5)
    time.sleep(0.05)
    assert told == ["again"]


def test_hold_lets_nothing_start_and_join_still_waits_for_all(worker):
    done = []

    def job():
        done.append(1)
        yield

    worker.hold()
    worker.submit(object(), "map", job)
    time.sleep(0.05)
    assert done == []
    assert worker.join(5)
    assert done == [1]
    worker.submit(object(), "map", job)
    time.sleep(0.05)
    assert done == [1], "held again after join"
    worker.release()
    assert worker.join(5)
    assert done == [1, 1]


def test_a_job_that_fails_does_not_end_the_worker(worker, capsys):
    done = []

    def fails():
        yield
        raise RuntimeError("a bug of ours")

    def works():
        done.append(worker.join())
        yield

    worker.submit(object(), "map", fails)
    assert worker.join(5)
    assert "a bug of ours" in capsys.readouterr().err
    worker.submit(object(), "map", works)
    assert worker.join(5)
    assert done == [False], "the worker's own thread does not wait for itself"


def test_batches_shrink_until_they_fit():
    sizes = []

    def run(start, stop):
        sizes.append(stop - start)
        if stop - start > 3:
            raise torch.OutOfMemoryError("no")
        return list(range(start, stop))

    found = [item for _, _, chunk in in_batches(10, run, size=8) for item in chunk]
    assert found == list(range(10))
    assert sizes == [8, 4, 2, 2, 2, 2, 2]


def test_what_is_no_memory_error_is_not_taken_for_one():
    def run(start, stop):
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        list(in_batches(4, run, size=2))
    assert out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))


def test_a_script_may_end_while_work_goes_on():
    script = """
import time, torch, nnlens
model = torch.nn.Sequential(*[torch.nn.Conv2d(3 if at == 0 else 32, 32, 3) for at in range(8)])
view = nnlens.Lens(model).explore(torch.randn(3, 192, 192), size=8, stride=4)
time.sleep(0.3)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_thread_outlives_python():
    # It could hold the lock for ever that views ask for when they are thrown away behind it.
    script = """
import atexit, threading
atexit.register(lambda: print([one.name for one in threading.enumerate() if one.name == "nnlens-worker"]))
from nnlens.session.work.worker import Worker
worker = Worker(("map",))
worker.submit(worker, "map", lambda: iter(range(3)))
worker.join()
print([one.name for one in threading.enumerate() if one.name == "nnlens-worker"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "['nnlens-worker']\n[]\n"), done.stderr


def test_unknown_lanes_are_named(worker):
    with pytest.raises(ValueError, match="lane must be one of"):
        worker.submit(object(), "slow", lambda: iter(()))
