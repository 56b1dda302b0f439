"""Evaluation by workers: the rows of the evaluation in this process."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nnlens
from nnlens.kernels import prepare_passes
from nnlens.passes.whole_passes import WholePasses
from nnlens.session.evaluation import evaluate_steps

OPTIONS = {"samples": 30, "segments": 9, "segmentation": "grid", "checks": ["faithfulness"]}


@pytest.fixture
def folder(tmp_path):
    """Eight files, of which two cannot be read."""
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(8):
        image = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{seed}.png")
    for broken in (0, 5):
        (folder / f"{broken}.png").write_bytes(b"broken")
    return folder


def evaluated(lens, folder, **options):
    *_, last = evaluate_steps(lens, folder, ["gradient", "lime"], **OPTIONS, **options)
    return last


def numbers(report):
    """The rows without the time, which differs."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in report.rows]


def assert_same(one, other):
    np.testing.assert_equal(numbers(one), numbers(other))  # NaN is equal to itself
    assert (one.images, one.total, one.skipped) == (other.images, other.total, other.skipped)


@pytest.mark.parametrize("count", [None, 3])
@pytest.mark.parametrize("workers", [None, 2])
def test_the_rows_are_the_same_whoever_computes_them(lens, folder, tmp_path, count, workers):
    if workers:
        pytest.importorskip("loky")
    plain = evaluated(lens, folder, count=count)
    assert plain.images == (6 if count is None else 3)
    store = tmp_path / "store"
    assert_same(evaluated(lens, folder, count=count, workers=workers, shard_size=2, store=store), plain)
    assert_same(evaluated(lens, folder, count=count, shard_size=2, store=store), plain)


def test_what_is_stored_is_not_computed_again(lens, folder, tmp_path, monkeypatch):
    for broken in (0, 5):
        (folder / f"{broken}.png").unlink()
    options = {"store": tmp_path / "store", "shard_size": 2}
    first = evaluated(lens, folder, **options)
    another = nnlens.Lens(lens.model, preprocess={"size": 32, "mean": 0.5, "std": 0.25})
    monkeypatch.setattr(
        type(another.session.attributions),
        "map_steps",
        lambda *_given, **_options: pytest.fail("it was computed again"),
    )
    again = evaluated(lens, folder, **options)
    assert_same(again, first)
    assert [row["seconds"] for row in again.rows] == [row["seconds"] for row in first.rows]


@pytest.mark.parametrize(("error", "kept"), [(OSError("no memory"), 3), (ValueError("does not fit"), 4)])
def test_an_error_that_may_pass_is_tried_again(lens, folder, tmp_path, monkeypatch, error, kept):
    for broken in (0, 5):
        (folder / f"{broken}.png").write_bytes((folder / "1.png").read_bytes())
    jobs, options = type(lens.session.attributions), {"store": tmp_path / "store", "shard_size": 2}
    steps = jobs.map_steps

    def failing(self, sample, *arguments):
        if sample.input.name == "3.png":
            raise error
        return steps(self, sample, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "map_steps", failing)
        failed = evaluated(lens, folder, **options)
    assert [row.get("error") for row in failed.rows if row["image"] == "3.png"] == [str(error)] * 2
    assert len(list(tmp_path.rglob("*.npz"))) == kept
    again = evaluated(lens, folder, **options)
    assert any("error" in row for row in again.rows) == isinstance(error, ValueError)


@pytest.mark.parametrize("count", [0, 2.5, "3", True])
def test_a_count_that_is_none_is_told(lens, folder, count):
    with pytest.raises(ValueError, match=f"count must be a whole number, 1 or more, got {count!r}"):
        evaluated(lens, folder, count=count)


def test_other_labels_and_settings_are_not_taken_for_the_stored_ones(lens, folder, tmp_path):
    store = tmp_path / "store"
    evaluated(lens, folder, store=store, shard_size=2)
    other = nnlens.Lens(lens.model, preprocess={"size": 32, "mean": 0.5, "std": 0.25}, labels=list("abcde"))
    assert {row["class"] for row in evaluated(other, folder, store=store, shard_size=2).rows} <= set("abcde")
    before = len(list(store.rglob("*.npz")))
    evaluated(lens, folder, store=store, shard_size=2, max_passes=50)
    assert len(list(store.rglob("*.npz"))) > before


def test_a_cluster(lens, folder, monkeypatch):
    distributed = pytest.importorskip("distributed")
    plain = evaluated(lens, folder, count=2)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "helpers"))  # where the network's class is
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:
        found = evaluated(lens, folder, count=2, workers=cluster.scheduler_address)
    assert_same(found, plain)


def test_examples_of_a_lens_by_workers(lens, folder, tmp_path):
    pytest.importorskip("loky")
    plain = lens.examples(folder, layers=["block"], store=False, shard_size=3)
    result = lens.session.search.finish()
    view = lens.examples(folder, layers=["block"], store=tmp_path / "store", workers=2, shard_size=3)
    found = lens.session.search.finish()
    assert view.error is plain.error is None
    assert found.skipped == result.skipped
    one, other = result["block.1"].state(), found["block.1"].state()
    assert all(np.array_equal(values, other[name]) for name, values in one.items())
    assert view.search["done"] == view.search["total"] == 8
    assert [item for item, _why in view.search["skipped"]] == [0, 5]


def test_another_preprocessing_is_not_taken_for_the_stored_one(net, folder, tmp_path):
    found = []
    for mean in (0.5, 0.0, 0.5):
        lens = nnlens.Lens(net, preprocess={"size": 32, "mean": mean, "std": 0.25})
        lens.examples(folder, layers=["block"], store=tmp_path / "store", shard_size=3)
        found.append(lens.session.search.finish()["block.1"].mean)
    assert np.array_equal(found[0], found[2])
    assert not np.allclose(found[0], found[1])


def test_the_rows_do_not_depend_on_the_images_before(lens, folder):
    plain = with_occlusion(lens, folder)
    # This lens has looked at another image first, and shards begin with other images.
    lens.session.prepared(lens.session.samples.of(folder / "6.png"))
    for options in ({}, {"shard_size": 1}, {"shard_size": 3}):
        assert_same(with_occlusion(lens, folder, **options), plain)


def with_occlusion(lens, folder, methods=("occlusion",), **options):
    *_, last = evaluate_steps(lens, folder, methods, checks=(), **options)
    return last


@pytest.mark.parametrize("reproducible", [True, False])
def test_the_number_of_images_in_a_step_depends_on_time_only_in_views(net, reproducible):
    x = torch.randn(1, 3, 32, 32)
    prepared = prepare_passes(net, x, engine="torch")
    prepared.reproducible = reproducible
    passes, sizes = WholePasses(net, x, prepared=prepared), set()
    for pace in (1e-6, 10.0):
        passes._pace = pace
        sizes.add(passes.chunk)
    assert len(sizes) == (1 if reproducible else 2)


def test_images_that_cannot_be_read_are_listed_to_the_last(lens, folder):
    for place in range(3, 8):
        (folder / f"{place}.png").write_bytes(b"broken")
    *_, last = evaluate_steps(lens, folder, ["gradient"], checks=())
    assert last.images == 2
    assert len(last.skipped) == 6


def test_names_that_are_no_utf_8_and_numbers_of_half_the_size(net, folder, tmp_path):
    (folder / "1.png").rename(folder / os.fsdecode(b"im-\xe9.png"))
    lens = nnlens.Lens(net, preprocess={"size": 32, "mean": 0.5, "std": 0.25})
    *_, stored = evaluate_steps(lens, folder, ["gradient"], checks=(), store=tmp_path / "store")
    assert stored.images == 6
    view = lens.examples(folder, layers=["block"], store=tmp_path / "examples")
    assert view.wait(60)
    assert view.error is None
    half = nnlens.Lens(net.to(torch.bfloat16))
    *_, stored = evaluate_steps(half, torch.randn(4, 3, 32, 32), ["gradient"], checks=(), store=tmp_path / "half")
    assert stored.images == 4
