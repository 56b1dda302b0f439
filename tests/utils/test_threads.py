from __future__ import annotations

import subprocess
import sys

import pytest

# Counts the process's threads after each step. Torch computes with two threads, one of which it starts.
STEPS = """
import os, time, torch
from nnlens.session.work.worker import Worker
from nnlens.utils.threads import end_own_threads

def count():
    return len(os.listdir("/proc/self/task"))

def compute():
    assert torch.equal(torch.ones(1_000_000).mul(2), torch.full((1_000_000,), 2.0))

torch.set_num_threads(2)
end_own_threads()
counts = [count()]
for _ in range(2):
    compute()
    counts.append(count())
    end_own_threads()
    counts.append(count())
compute()
worker = Worker(("map",))

def job():
    counts.append(count())
    compute()
    counts.append(count())
    yield

worker.submit(worker, "map", job)
worker.join(10)
worker.hold()  # as before a cell
time.sleep(0.5)
counts.append(count())
print([number - counts[0] for number in counts])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the threads of other libraries stay")
def test_threads_of_torch_end_where_another_thread_is_to_compute():
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True, timeout=60)
    computed, ended = 1, 0
    worker = 1  # in it the threads of the thread that gave it the job have ended, and its own end when it is held
    assert done.stdout.strip() == str([0, computed, ended, computed, ended, worker, worker + computed, worker + ended])
