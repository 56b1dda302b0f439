"""A Dask cluster as workers: the same results, and the faults of clusters."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from scale_data import Images, Letters, Sized, Small, sized, squares

from nnlens.inputs.text import as_codec
from nnlens.kernels import examples, training, weights
from nnlens.kernels.text import contexts_steps
from nnlens.scale.shard import shards_of
from nnlens.scale.task import Task
from nnlens.scale.workers import workers_for

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
HELPERS = Path(__file__).parents[1] / "helpers"


def local_cluster(count):
    """So many worker processes, which can import the helpers."""
    return distributed.LocalCluster(
        n_workers=count, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    )


@pytest.fixture(scope="module", autouse=True)
def _importable():
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HELPERS), *([before] if before else [])])
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def client(_importable):
    with local_cluster(2) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def own_client(_importable, monkeypatch):
    """Of a cluster whose workers may be ended."""
    monkeypatch.setattr("nnlens.scale.cluster.ABSENCE", 60)
    # By default a local cluster gives a worker up that is just being started again 15 seconds after it has ended.
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "120s"}),
        local_cluster(2) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def model():
    torch.manual_seed(3)
    return Small().eval()


def search(data, workers, model=None, **options):
    return examples(model or Small().eval(), data, ["first", "second"], shard_size=16, workers=workers, **options)


def assert_same(one, other):
    for layer in ("first", "second"):
        mine, theirs = one[layer].state(), other[layer].state()
        assert all(np.array_equal(values, theirs[name]) for name, values in mine.items())


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_cluster_of_any_size_finds_the_same(count, client):
    data, net = Images(150, broken=70), model()
    plain = search(data, None, net)
    if count == 2:
        found = search(data, client, net)
    else:
        with local_cluster(count) as cluster:
            found = search(data, cluster.scheduler_address, net)  # by its address
    assert_same(found, plain)
    assert found.skipped == plain.skipped == ((70, "a broken file"),)
    assert found.complete


def test_a_file_that_workers_do_not_find(client):
    assert search(Images(40, missing=30), None).skipped == ((30, "no such file"),)
    ((item, why),) = search(Images(40, missing=30), client).skipped
    assert item == 30
    assert why.startswith("no such file (on ")
    assert why.endswith(", where a worker runs: workers open files by the same paths)")


def test_a_model_by_a_function_of_a_module(client):
    torch.manual_seed(1)
    net = Sized(7).eval()
    options = {"shard_size": 16, "workers": client}
    plain = examples(net, Images(40), ["first"], shard_size=16)
    for how in ({"build": sized}, {"build": "scale_data:sized"}, {"allow_pickle": True}):
        found = examples(net, Images(40), ["first"], **options, **how)
        assert np.array_equal(found["first"].mean, plain["first"].mean)
    with pytest.raises(ValueError, match="model must be one that workers can build: Sized takes arguments"):
        examples(net, Images(40), ["first"], **options)


def test_a_killed_worker_loses_nothing(own_client, tmp_path):
    net = model()
    found = search(Images(150, tmp_path / "read.txt", deadly_once=40), own_client, net)
    assert (tmp_path / "read.died").exists()
    assert found.complete
    assert_same(found, search(Images(150), None, net))


def test_an_input_that_ends_its_workers_costs_its_shard_only(own_client, tmp_path):
    found = search(Images(100, tmp_path / "read.txt", deadly=40), own_client, model())
    ((shard, why),) = found.failed
    assert (shard.start, shard.stop) == (32, 48)
    assert why.startswith("its worker ended 3 times: ")
    assert found["first"].seen == 100 - 16


def test_all_workers_restarted(own_client, tmp_path):
    data = SlowImages(150, tmp_path / "read.txt")

    class Restart(threading.Thread):
        def run(self):
            while len(data.read()) < 20:  # some of a shard
                time.sleep(0.05)
            own_client.restart(timeout=60)

    net, thread = model(), Restart()
    thread.start()
    found = search(data, own_client, net)
    thread.join()
    assert found.complete
    assert_same(found, search(Images(150), None, net))


class SlowImages(Images):
    """As slow as files."""

    def __getitem__(self, item):
        time.sleep(0.01)
        return super().__getitem__(item)


def test_landscapes_and_replacements_are_the_same(client):
    loss, labels = training.mean_loss(Images(50), torch.arange(50) % 5), [item % 5 for item in range(50)]
    options = {"labels": labels, "methods": ["prune"], "shard_size": 16}
    losses, sweeps = [], []
    for workers in (None, client):
        losses.append(training.landscape(model(), loss, points=5, shard_size=16, workers=workers).values)
        found = weights.sweep(model(), "second", Images(50), **options, workers=workers)
        sweeps.append([(one.agreement, one.accuracy, one.lost, one.won) for one in found.results])
    assert np.array_equal(*losses)
    assert sweeps[0] == sweeps[1]


def test_contexts_in_files_are_the_same(client, tmp_path, monkeypatch):
    torch.manual_seed(3)
    reader, letters = Letters().eval(), np.random.default_rng(0).integers(0, 4, 9000)
    (tmp_path / "words.txt").write_text("".join("abc\n"[letter] for letter in letters))
    monkeypatch.chdir(tmp_path)  # workers are elsewhere
    found = []
    for workers in (None, client):
        options = {"part": 100, "shard_size": 1000, "workers": workers}
        *_, last = contexts_steps(reader, Path("words.txt"), as_codec(alphabet="abc\nd"), "rnn.cell_l0", **options)
        found.append(last.found.state())
    assert all(np.array_equal(values, found[1][name]) for name, values in found[0].items())
    assert len(found[0]) > 3


def test_a_worker_of_several_threads_finds_the_same():
    data, labels = torch.stack([Images(50)[item] for item in range(50)]), torch.arange(50) % 5
    options = {"points": 9, "shard_size": 4}
    expected = training.landscape(model(), training.mean_loss(data, labels), **options).values
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=4, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:
        workers = cluster.scheduler_address
        found = training.landscape(model(), training.mean_loss(data, labels), **options, workers=workers)
    assert np.array_equal(found.values, expected)


def test_one_run_may_end_before_another_of_the_same_work(client):
    options = {"methods": ["prune"], "shard_size": 4, "workers": client}
    one, other = (weights.sweep_steps(model(), "second", Images(50), **options) for _run in range(2))
    next(one)
    next(other)
    one.close()
    *_, found = other
    plain = weights.sweep(model(), "second", Images(50), methods=["prune"])
    assert [entry.agreement for entry in found.results] == [entry.agreement for entry in plain.results]


def test_a_client_that_does_not_wait(client):
    class Asynchronous:
        asynchronous, status = True, "running"
        scheduler_info = submit = None

    with pytest.raises(ValueError, match="workers must be a client that waits for its answers"):
        search(Images(20), Asynchronous(), model())


def test_a_shard_that_always_raises(client):
    task = Task(load=squares, model=model(), given={"raises": 2})
    found = {one.shard.number: one for one in workers_for(client).map(task, shards_of(20, 4)) if one is not None}
    assert list(found[1].value["squares"]) == [16, 25, 36, 49]
    assert "this shard always raises" in found[2].error
    assert len(found) == 5


def test_closing_ends_the_work(client):
    steps = workers_for(client).map(Task(load=squares, model=model(), given={}), shards_of(100, 1))
    next(steps)
    steps.close()
    end = time.monotonic() + 20
    while any(client.processing().values()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(client.processing().values())
    # It can be used again.
    assert search(Images(20), client, model()).complete


def test_an_address_that_does_not_answer(monkeypatch):
    from nnlens.scale import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with pytest.raises(
        ValueError, match="workers must be the address of a Dask scheduler that answers, got 'tcp://127"
    ):
        search(Images(20), "tcp://127.0.0.1:9", model())
    with pytest.raises(ValueError, match="workers must be the address of a Dask scheduler that answers, got 'nowhere"):
        search(Images(20), "nowhere at all", model())


def test_another_version_is_named(client, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "1.2.3")
    words = r"worker tcp://.* has torch 2.*, and this process 1\.2\.3: install the same version on both"
    with pytest.raises(ValueError, match=words):
        search(Images(20), client, model())


def test_a_client_that_is_closed():
    with local_cluster(1) as cluster:
        client = distributed.Client(cluster, set_as_default=False)
        client.close()
        with pytest.raises(ValueError, match="workers must be a client that is connected, got one that is closed"):
            search(Images(20), client, model())


def test_a_client_that_is_closed_meanwhile():
    with local_cluster(1) as cluster:
        client = distributed.Client(cluster, set_as_default=False)
        steps = workers_for(client).map(Task(load=squares, model=model(), given={}), shards_of(100, 1))
        next(one for one in steps if one is not None)
        client.close()
        with pytest.raises(ConnectionError, match=r"workers must stay connected, but the client is closed\. Run again"):
            list(steps)


def test_workers_that_do_not_come_back(monkeypatch):
    monkeypatch.setattr("nnlens.scale.cluster.ABSENCE", 1)
    with local_cluster(1) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        steps = workers_for(client).map(Task(load=squares, model=model(), given={}), shards_of(2000, 1))
        next(one for one in steps if one is not None)
        cluster.scale(0)
        words = r"workers must be a cluster that has workers, but there has been none for 1 seconds\. Run again"
        with pytest.raises(ConnectionError, match=words):
            list(steps)
        cluster.scale(1)
        assert search(Images(20), client, model()).complete  # those that come later can be used


def test_a_result_that_is_lost_on_its_way_is_computed_again(client):
    workers, submit, lost = workers_for(client), distributed.cfexecutor.ClientExecutor.submit, []

    def losing(executor, function, key, shard):
        future = submit(executor, function, key, shard)
        if shard.number == 2 and not lost:
            lost.append(shard)
            future = concurrent.futures.Future()
            future.set_exception(TypeError("cannot unpack non-iterable Outcome object"))
        return future

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed.cfexecutor.ClientExecutor, "submit", losing)
        task = Task(load=squares, model=model(), given={})
        found = [one.shard.number for one in workers.map(task, shards_of(20, 4)) if one is not None]
    assert lost
    assert sorted(found) == [0, 1, 2, 3, 4]


def test_a_cluster_without_workers(monkeypatch):
    from nnlens.scale import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with local_cluster(0) as empty, distributed.Client(empty, set_as_default=False) as client:
        words = "workers must be a cluster that has workers, but none came within 0.5 seconds"
        with pytest.raises(ValueError, match=words):
            search(Images(20), client, model())
