"""Searches of data sets by workers: `python benchmarks/scale.py [speed] [growth] [scheduler]`.

speed: inputs per second of the search, beside plain forwards of the same batches, of one process that uses all cores;
with 1 and 2 processes as workers. EfficientNet-Lite0, random images of 224 × 224, four layers; the workers are started
and have prepared the model before the time begins.
growth: seconds, and bytes of results on the wire, for 1, 2 and 4 workers and 1, 2 and 4 times the data, of a small
network: per shard, and per unit and shard.
scheduler: resident memory of a Dask scheduler in a process of its own, for 1, 2 and 4 times the data.
"""

from __future__ import annotations

import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable
from pathlib import Path

import distributed
import psutil
import torch
from networks import build
from torch import Tensor, nn

from nnlens.kernels import examples
from nnlens.scale import Shard
from nnlens.scale.task import Outcome, Task
from nnlens.scale.workers import ThisProcess, workers_for

LAYERS = ["_swish:1", "_blocks.4._swish:1", "_blocks.9._swish:1", "_swish:2"]
SMALL = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 128, 3, 2), nn.ReLU())


class Random:
    """Random images, made when they are asked for."""

    def __init__(self, count: int, side: int):
        self.count, self.side = count, side

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> Tensor:
        return torch.empty(3, self.side, self.side).normal_(generator=torch.Generator().manual_seed(item))


class Measured(ThisProcess):
    """Workers of which the bytes and the time of the outcomes are noted."""

    def __init__(self, workers: object):
        self.inner = workers_for(workers)
        self.sizes: list[int] = []
        self.times: list[tuple[float, int]] = []

    def map(self, task: Task, shards: Iterable[Shard]) -> Generator[Outcome | None, None, None]:
        for outcome in self.inner.map(task, shards):
            if outcome is not None:
                self.sizes.append(len(pickle.dumps(outcome)))
                self.times.append((time.perf_counter(), len(outcome.shard)))
            yield outcome

    def pace(self) -> float:
        """Inputs per second between the first outcome and the last, when all workers have begun."""
        began, ended = self.times[0][0], self.times[-1][0]
        return sum(count for _at, count in self.times[1:]) / (ended - began)


def speed() -> None:
    model, data, size = build("EfficientNet-Lite0"), Random(512, 224), 32
    batch = torch.stack([data[item] for item in range(4)])

    def plain(count: int = 64) -> float:
        with torch.no_grad():
            model(batch)
            began = time.perf_counter()
            for start in range(0, count, 4):
                model(torch.stack([data[item] for item in range(start, start + 4)]))
        return count / (time.perf_counter() - began)

    ways: dict[str, object] = {"this process": None, "1 process": 1, "2 processes": 2}
    forwards: list[float] = []
    paces: dict[str, list[float]] = {way: [] for way in ways}
    for _round in range(3):
        for way, workers in ways.items():
            forwards.append(plain())
            measured = Measured(workers)
            examples(model, data, LAYERS, shard_size=size, batch_size=4, workers=measured)
            paces[way].append(measured.pace())
    base = statistics.median(forwards)
    print(f"plain forwards, one process with {torch.get_num_threads()} threads: {base:.1f} inputs/s")
    for way, values in paces.items():
        pace = statistics.median(values)
        print(f"  {way:14} {pace:6.1f} inputs/s, {pace / base:.2f} × plain forwards (goal 0.95 with one, 1.0 with two)")


def growth() -> None:
    units = 64 + 128
    print(f"\n{'workers':>8}{'inputs':>8}{'seconds':>9}{'KB a shard':>12}{'bytes a unit and shard':>24}")
    for workers in (1, 2, 4):
        for times in (1, 2, 4):
            measured = Measured(workers)
            began = time.perf_counter()
            examples(SMALL, Random(2048 * times, 24), ["0", "2"], workers=measured)
            took, size = time.perf_counter() - began, statistics.mean(measured.sizes)
            print(f"{workers:8}{2048 * times:8}{took:9.1f}{size / 1e3:12.0f}{size / units:24.0f}")


def scheduler() -> None:
    print()
    for times in (1, 2, 4):
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder) / "scheduler.json"
            command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--scheduler-file", str(told)]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            scheduler = subprocess.Popen([*command, "--port", "0", "--no-dashboard"], **quiet)
            command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(told)]
            worker = subprocess.Popen([*command, "--nthreads", "1", "--nworkers", "2", "--no-dashboard"], **quiet)
            try:
                while not told.exists():
                    time.sleep(0.1)
                with distributed.Client(scheduler_file=str(told), set_as_default=False) as client:
                    client.wait_for_workers(2, timeout=60)
                    memory = psutil.Process(scheduler.pid).memory_info
                    before = memory().rss
                    examples(
                        SMALL, Random(2048 * times, 24), ["0", "2"], workers=client, shard_size=64, allow_pickle=True
                    )
                    after = memory().rss
            finally:
                worker.terminate(), scheduler.terminate()
                worker.wait(), scheduler.wait()
        print(f"{2048 * times:6} inputs: the scheduler's memory {before / 1e6:.0f} → {after / 1e6:.0f} MB")


if __name__ == "__main__":
    parts = {"speed": speed, "growth": growth, "scheduler": scheduler}
    for name in sys.argv[1:] or parts:
        parts[name]()
