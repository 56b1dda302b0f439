"""The search for examples in shards: the same results whoever computes them, and nothing lost or counted twice."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from scale_data import Images, Small

from nnlens.kernels import examples, examples_steps
from nnlens.scale.task import outcome
from nnlens.scale.workers import ThisProcess

HELPERS = Path(__file__).parents[2] / "helpers"
LAYERS = ["first", "second"]


class InAnyOrder(ThisProcess):
    """Computes the shards in one order, and gives them in another one."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def map(self, task, shards):
        run, shards = task.here(), list(shards)
        self.random.shuffle(shards)
        found = [outcome(run, shard) for shard in shards]
        self.random.shuffle(found)
        for one in found:
            yield one
            yield None


def model():
    torch.manual_seed(3)
    made = Small()
    made.train()
    made(torch.randn(16, 3, 12, 12))
    return made.eval()


def assert_same(one, other):
    """Bit for bit."""
    for layer in LAYERS:
        mine, theirs = one[layer].state(), other[layer].state()
        assert sorted(mine) == sorted(theirs)
        for name, values in mine.items():
            assert np.array_equal(values, theirs[name]), (layer, name)


def search(data, **options):
    return examples(model(), data, LAYERS, shard_size=16, batch_size=8, **options)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_does_not_matter(seed, tmp_path):
    data = Images(150)
    plain = search(data)
    assert_same(search(data, workers=InAnyOrder(seed)), plain)
    assert_same(search(data, workers=InAnyOrder(seed), store=tmp_path), plain)


def test_it_finds_what_the_search_without_shards_finds():
    data = Images(150, broken=70)
    ours, plain = search(data), examples(model(), data, LAYERS)
    assert ours.skipped == plain.skipped == ((70, "a broken file"),)
    assert (ours.done, ours.complete, ours.failed) == (150, True, ())
    for layer in LAYERS:
        one, other = ours[layer], plain[layer]
        assert (one.seen, one.units) == (other.seen, other.units) == (149, one.units)
        np.testing.assert_allclose(one.mean, other.mean, atol=1e-6)
        np.testing.assert_allclose(one.active, other.active)
        for unit in range(one.units):
            for kind in ("top", "bottom", "median"):
                mine, theirs = one.examples(unit, kind), other.examples(unit, kind)
                # Each image occurs three times: ties go to the earlier one.
                assert [(item.item, item.position) for item in mine] == [(item.item, item.position) for item in theirs]
                np.testing.assert_allclose([item.value for item in mine], [item.value for item in theirs], atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_processes_find_the_same(count):
    pytest.importorskip("loky")
    data = Images(150)
    assert_same(search(data, workers=count), search(data))


def test_a_worker_that_ends_once_loses_nothing(tmp_path):
    pytest.importorskip("loky")
    data = Images(150, tmp_path / "read.txt", deadly_once=40)
    found = search(data, workers=2)
    assert (tmp_path / "read.died").exists()
    assert found.complete
    assert_same(found, search(Images(150)))


def test_an_input_that_ends_its_worker_costs_its_shard_only(tmp_path):
    pytest.importorskip("loky")
    found = search(Images(150, tmp_path / "read.txt", deadly=40), workers=2, store=tmp_path / "store")
    ((shard, why),) = found.failed
    assert (shard.start, shard.stop) == (32, 48)
    assert why.startswith("its worker ended 3 times: ")
    assert not found.complete
    assert found["first"].seen == 150 - 16
    # In the next search it is tried again, and only it.
    data = Images(150, tmp_path / "again.txt")
    again = search(data, store=tmp_path / "store")
    assert again.complete
    inside = [item for item in data.read() if 33 <= item < 47]
    assert inside == list(range(33, 47))
    assert set(data.read()) <= set(range(32, 48)) | {0} | {
        edge for start in range(0, 150, 16) for edge in (start, start + 15, 149)
    }
    assert_same(again, search(Images(150)))


def test_only_new_inputs_are_computed(tmp_path):
    search(Images(96), store=tmp_path)
    data = Images(150, tmp_path / "read.txt")
    found = search(data, store=tmp_path)
    assert_same(found, search(Images(150)))
    # Of the earlier shards the first and the last input are read, to see whether they are the same.
    edges = {edge for start in range(0, 96, 16) for edge in (start, start + 15)}
    assert {item for item in data.read() if item < 96} == edges


def test_a_changed_model_is_searched_anew(tmp_path):
    search(Images(48), store=tmp_path)
    changed = model()
    with torch.no_grad():
        changed.first.weight.mul_(-1)
    data = Images(48, tmp_path / "read.txt")
    found = examples(changed, data, LAYERS, shard_size=16, batch_size=8, store=tmp_path)
    assert set(data.read()) == set(range(48))
    assert_same(found, examples(changed, Images(48), LAYERS, shard_size=16, batch_size=8))


def test_a_model_that_changes_meanwhile_is_noticed():
    changing = model()
    steps = examples_steps(changing, Images(48), LAYERS, shard_size=16)
    next(steps)
    with torch.no_grad():
        changing.first.weight.mul_(2)
    with pytest.raises(ValueError, match="the model has changed during the search: start again"):
        list(steps)


def test_a_full_disk_does_not_cost_the_results(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # no file may be larger
    try:
        with pytest.warns(UserWarning, match="the results are not stored on disk: "):
            found = search(Images(96), store=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert found.complete
    assert "the results are not stored on disk" in found.unsaved
    assert_same(found, search(Images(96)))


def test_a_damaged_file_counts_as_missing(tmp_path):
    search(Images(96), store=tmp_path)
    files = sorted(tmp_path.rglob("*.npz"))
    assert len(files) == 6
    files[2].write_bytes(files[2].read_bytes()[:100])
    data = Images(96, tmp_path / "read.txt")
    assert_same(search(data, store=tmp_path), search(Images(96)))
    assert len(set(data.read())) < 6 * 2 + 16


SCRIPT = """
import sys, time
sys.path.insert(0, {helpers!r})
import torch
from pathlib import Path
from scale_data import Images, Small
from nnlens.kernels import examples

class Slow(Images):
    def __getitem__(self, item):
        time.sleep(0.02)
        return super().__getitem__(item)

torch.manual_seed(3)
model = Small()
model.train()
model(torch.randn(16, 3, 12, 12))
examples(model.eval(), Slow(150), ["first", "second"], shard_size=16, batch_size=8, store={store!r})
"""


def start(store):
    script = SCRIPT.format(helpers=str(HELPERS), store=str(store))
    return subprocess.Popen([sys.executable, "-c", script])


def test_a_killed_search_continues_and_two_share_a_store(tmp_path):
    store = tmp_path / "store"
    both = [start(store), start(store)]
    end = time.monotonic() + 120
    while len(list(store.rglob("*.npz"))) < 3 and time.monotonic() < end:
        time.sleep(0.02)
    both[0].kill()
    both[0].wait()
    known = len(list(store.rglob("*.npz")))
    assert 3 <= known < 10
    assert both[1].wait(120) == 0
    assert len(list(store.rglob("*.npz"))) == 10
    data = Images(150, tmp_path / "read.txt")
    found = search(data, store=store)
    assert len(data.read()) <= 21  # the first one, and two of each shard
    assert_same(found, search(Images(150)))


def test_bad_shard_sizes_and_stores(tmp_path):
    with pytest.raises(ValueError, match="shard_size must be a whole number of inputs"):
        examples(model(), Images(9), LAYERS, shard_size=0)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="store must be a folder, got the file"):
        search(Images(9), store=tmp_path / "file")
    with pytest.raises(ValueError, match="inputs must be readable, but none of"):
        examples(model(), Images(1, broken=0), LAYERS, shard_size=4)
    assert os.listdir(tmp_path) == ["file"]


def test_a_disk_that_fills_up_meanwhile_loses_nothing(tmp_path, monkeypatch):
    search(Images(96), store=tmp_path)
    sorted(tmp_path.rglob("0-*.npz"))[0].unlink()  # the other shards are on disk, and wait for it
    monkeypatch.setattr("nnlens.scale.store.replacing", full)
    with pytest.warns(UserWarning, match="the results are not stored on disk: "):
        found = search(Images(96), store=tmp_path)
    assert (found.complete, found["first"].seen) == (True, 96)
    assert_same(found, search(Images(96)))


def full(path):
    raise OSError(28, "No space left on device")


def test_what_was_of_other_data_is_not_used(tmp_path):
    search(Images(1500), store=tmp_path)
    assert_same(search(Images(96), store=tmp_path), search(Images(96)))  # of less data the sample has all
    search(Images(48), store=tmp_path, mark="one")
    data = Images(48, tmp_path / "read.txt")
    search(data, store=tmp_path, mark="other")
    assert set(data.read()) == set(range(48))


def test_an_input_that_could_not_be_read_is_tried_again(tmp_path):
    assert search(Images(48, broken=20), store=tmp_path).skipped == ((20, "a broken file"),)
    again = search(Images(48), store=tmp_path)
    assert again.skipped == ()
    assert_same(again, search(Images(48)))
