"""Tasks on shards, whoever computes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import torch
from scale_data import Locked, Sized, Small, other_width, sized, squares
from torch import nn

from nnlens.scale.shard import Shard, shards_of
from nnlens.scale.sharding import Sharding
from nnlens.scale.shipped_model import ShippedModel, digest_of
from nnlens.scale.task import LoadError, Outcome, Task
from nnlens.scale.workers import LostError, Remote, workers_for


def results(workers, task, shards):
    """Number of the shard → its outcome."""
    return {one.shard.number: one for one in workers_for(workers).map(task, shards) if one is not None}


def test_shards_cover_a_data_set():
    assert shards_of(10, 4) == [Shard(0, 0, 4), Shard(1, 4, 8), Shard(2, 8, 10)]
    assert [len(shard) for shard in shards_of(10, 4)] == [4, 4, 2]
    # Inputs that are added change no shard but the last one.
    assert shards_of(17, 4)[:2] == shards_of(10, 4)[:2]
    with pytest.raises(ValueError, match="shard_size must be a whole number of inputs, 1 or more, got 0"):
        shards_of(10, 0)


@pytest.mark.parametrize("workers", [None, 2])
def test_one_shard_that_raises_does_not_stop_the_others(workers):
    if workers:
        pytest.importorskip("loky")
    task = Task(load=squares, model=Small(), given={"raises": 2})
    found = results(workers, task, shards_of(20, 4))
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert list(found[1].value["squares"]) == [16, 25, 36, 49]
    assert found[2].value is None
    assert "RuntimeError: this shard always raises" in found[2].error


def test_a_task_that_cannot_be_prepared_is_told():
    pytest.importorskip("loky")
    task = Task(load=squares, model=Small(), given={"unprepared": 1})
    with pytest.raises(
        LoadError, match=r"a worker cannot prepare the task: RuntimeError: nothing can be prepared here"
    ):
        results(1, task, shards_of(20, 4))


def test_what_cannot_be_sent_is_told():
    pytest.importorskip("loky")
    task = Task(load=squares, model=Small(), given=Locked(3))
    with pytest.raises(ValueError, match="the data set and its preprocessing must be such that they can be sent"):
        results(1, task, shards_of(20, 4))


class Ended(Future):
    """Of a worker that has ended, or of a shard that it has computed before."""

    def __init__(self, shard: Shard, deadly: bool):
        super().__init__()
        self.shard, self.deadly = shard, deadly
        self.set_result(None)


class Mortal(Remote):
    """Workers that end with some shards."""

    def __init__(self, deadly: set[int]):
        self.deadly = deadly

    @property
    def _capacity(self):
        return 2

    def _begin(self, task):
        pass

    def _submit(self, shard):
        return Ended(shard, shard.number in self.deadly)

    def _result(self, future):
        if future.deadly:
            raise LostError("killed")
        return Outcome(shard=future.shard, value={})

    def _end(self):
        pass


def test_a_shard_that_ends_its_worker_is_told_from_a_model_that_ends_all():
    task = Task(load=squares, model=Small(), given={})
    found = results(Mortal({0, 3}), task, shards_of(20, 4))
    assert [number for number, one in found.items() if one.value is None] == [0, 3]
    assert found[3].error == "its worker ended 3 times: killed"
    with pytest.raises(LoadError, match=r"workers end whatever shard they are given, 3 times each: the model, or"):
        results(Mortal({0, 1, 2, 3, 4}), task, shards_of(20, 4))


def test_processes_get_the_model_as_it_is():
    pytest.importorskip("loky")
    task = Task(load=squares, model=Small(), given={}, build=lambda: None)  # which nobody can import
    assert len(results(np.int64(1), task, shards_of(20, 4))) == 5


def test_processes_end_with_the_one_that_started_them(tmp_path):
    """That one is killed: it cannot tell them."""
    pytest.importorskip("loky")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\n"
        "from nnlens.scale.processes import Processes\n"
        "from nnlens.scale.task import Task\n"
        "from nnlens.scale.shard import shards_of\n"
        "from scale_data import Small, squares\n"
        "processes = Processes(1)\n"
        "steps = processes.map(Task(load=squares, model=Small(), given={}), shards_of(20, 4))\n"
        "next(one for one in steps if one is not None)\n"
        "print(*processes._pool._processes, flush=True)\n"
        "time.sleep(100)\n"
    )
    paths = os.pathsep.join([str(Path(__file__).parents[1] / "helpers"), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as child:
        worker = int(child.stdout.readline())
        child.kill()
    end = time.monotonic() + 20
    while _runs(worker) and time.monotonic() < end:
        time.sleep(0.1)
    assert not _runs(worker)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_that_ended_while_nobody_looked_is_replaced():
    pytest.importorskip("loky")
    task = Task(load=squares, model=Small(), given={})
    processes = workers_for(1)
    steps = processes.map(task, shards_of(20, 4))
    found = [next(one for one in steps if one is not None)]
    for process in processes._pool._processes:
        os.kill(process, signal.SIGKILL)
    found += [one for one in steps if one is not None]
    assert sorted(one.shard.number for one in found) == [0, 1, 2, 3, 4]
    assert all(one.value is not None for one in found)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"shard_size": 0}, ValueError, "shard_size must be a whole number of inputs, 1 or more, got 0"),
        ({"store": ""}, TypeError, "store must be a folder, got ''"),
        ({"store": "a\0b"}, TypeError, "store must be a folder, got 'a"),
        ({"store": "x" * 5000}, ValueError, "store must be a folder, got 'xxx"),
        ({"shard_size": 2.5}, ValueError, "shard_size must be a whole number of inputs, 1 or more, got 2.5"),
        ({"build": 5}, TypeError, "build must be a function, or its import path"),
        ({"store": 5}, TypeError, "store must be a folder, got 5"),
        ({"store": __file__}, ValueError, "store must be a folder, got the file"),
    ],
)
def test_options_that_are_none(options, error, words):
    with pytest.raises(error, match=words):
        Sharding(**options)


@pytest.mark.parametrize(
    ("workers", "error", "words"),
    [
        (0, ValueError, "workers must be 1 or more processes, got 0"),
        (2.5, TypeError, "workers must be a number of processes, the address of a Dask scheduler or a dask"),
        (True, TypeError, "workers must be a number of processes, the address of a Dask scheduler or a dask"),
    ],
)
def test_workers_that_are_none(workers, error, words):
    with pytest.raises(error, match=words):
        workers_for(workers)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (Small(), {}),
        (Sized(7), {"build": sized}),
        (Sized(7), {"build": "scale_data:sized"}),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), {"allow_pickle": True}),
    ],
)
def test_a_model_arrives_as_it_was_sent(model, options):
    sent = ShippedModel.of(model, **options)
    made = sent.model()
    assert made is not model
    assert digest_of(made) == digest_of(model)
    assert bool(sent.build) == ("allow_pickle" not in options)


def test_models_that_workers_cannot_build():
    with pytest.raises(
        ValueError, match=r"model must be one that workers can build: Sized takes arguments .* Give build="
    ):
        ShippedModel.of(Sized(7))
    with pytest.raises(
        ValueError, match=r"build must return the model's structure, but 'scale_data:other_width' makes"
    ):
        ShippedModel.of(Sized(7), other_width)
    with pytest.raises(ValueError, match=r'build must be "module:function", or the function itself, got .sized'):
        ShippedModel.of(Sized(7), "sized")
    with pytest.raises(TypeError, match="build must be a function, or its import path"):
        ShippedModel.of(Sized(7), 3)
    here = type("Mine", (Small,), {"__module__": "__main__"})()
    with pytest.raises(ValueError, match=r"the model's class Mine is defined in __main__, which workers cannot import"):
        ShippedModel.of(here)


def test_a_model_that_can_neither_be_pickled_nor_built():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)))
    with pytest.raises(ValueError, match=r"(?s)model must be one that can be pickled, but: .* Give build=, a function"):
        Task(load=squares, model=model, given={}).sent(own=True, threads=1)


def test_another_version_of_the_code_is_noticed():
    sent = ShippedModel.of(Sized(7), sized)
    with pytest.raises(ValueError, match=r"the model that scale_data:sized makes here is not the one that was sent"):
        ShippedModel(build=sent.build, content=sent.content, digest=digest_of(Sized(7))).model()


def test_another_forward_or_setting_is_another_model():
    class Other(Small):
        def forward(self, x):
            return -super().forward(x)

    Other.__qualname__ = Other.__name__ = "Small"
    plain, other, scaled = Small(), Other(), Small()
    for model in (other, scaled):
        model.load_state_dict(plain.state_dict())
    assert digest_of(scaled) == digest_of(plain)
    scaled.scale = 5.0
    masked, sliced, hooked = Small(), Small(), Small()
    for model in (masked, sliced, hooked):
        model.load_state_dict(plain.state_dict())
    masked.mask, sliced.parts = torch.ones(3), [slice(0, 3), None]
    hooked.first.register_forward_hook(lambda module, inputs, output: -output)
    models = [plain, other, scaled, masked, sliced, hooked]
    assert len({digest_of(model) for model in models}) == 6
    before = digest_of(masked)
    masked.mask = torch.zeros(3)
    assert digest_of(masked) != before
    with pytest.raises(ValueError, match="model must be as its class makes it, but 'scale_data:Small' makes another"):
        ShippedModel.of(scaled)
