"""Replacements tried by workers: the numbers of this process."""

from __future__ import annotations

import pytest
import torch
from scale_data import Images, Small

from nnlens.kernels import weights

FIELDS = ("method", "setting", "weight_error", "parameters", "flops", "accuracy", "agreement", "images", "lost", "won")


def model():
    torch.manual_seed(3)
    return Small().eval()


def numbers(sweep):
    return [[getattr(result, field) for field in FIELDS] for result in sweep.results]


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("workers", [None, 2])
def test_the_numbers_are_the_same(workers, labelled, tmp_path):
    if workers:
        pytest.importorskip("loky")
    labels = [item % 5 for item in range(50)] if labelled else None
    options = {"labels": labels, "methods": ["low-rank", "prune"]}
    plain = weights.sweep(model(), "second", Images(50), **options)
    assert any(result.agreement < 1 for result in plain.results)
    store = tmp_path / "store"
    found = weights.sweep(model(), "second", Images(50), **options, workers=workers, shard_size=16, store=store)
    assert numbers(found) == numbers(plain)
    assert (found.accuracy, found.done, found.total) == (plain.accuracy, plain.done, plain.total)
    # What is stored is not computed again: of each shard two inputs are read, to see whether they are the same.
    data = Images(50, tmp_path / "read.txt")
    again = weights.sweep(model(), "second", data, **options, shard_size=16, store=store)
    assert numbers(again) == numbers(plain)
    assert len(data.read()) <= 2 * 4 + 1


def test_an_image_that_cannot_be_read_is_left_out_and_listed(tmp_path):
    options = {"methods": ["prune"], "shard_size": 16}
    labels = [item % 5 for item in range(50)]
    found = weights.sweep(model(), "second", Images(50, broken=20), labels=labels, **options, store=tmp_path)
    assert found.skipped == ((20, "a broken file"),)
    whole = [Images(50)[item] for item in range(50) if item != 20]
    plain = weights.sweep(model(), "second", whole, labels=labels[:20] + labels[21:], methods=["prune"])
    assert numbers(found) == numbers(plain)
    assert len(list(tmp_path.rglob("*.npz"))) == 3  # the shard with that image is tried again
    with pytest.raises(ValueError, match="images must be readable, but none of 1 is: a broken file"):
        weights.sweep(model(), "second", Images(1, broken=0), **options)


def test_a_shard_without_result_is_told():
    images = [*(Images(20)[item] for item in range(20)), *[torch.zeros(3, 1, 1)] * 12]
    with pytest.raises(RuntimeError, match=r"images 16…31 have no result: RuntimeError: stack expects each tensor"):
        weights.sweep(model(), "second", images, methods=["prune"], shard_size=16)


def test_results_grow_with_the_images():
    steps = weights.sweep_steps(model(), "second", Images(40), methods=["prune"], settings=[0.5, 0.9], shard_size=10)
    images = [step.results[0].images for step in steps if step.results]
    assert sorted(set(images)) == [10, 20, 30, 40]


def test_images_that_have_changed_are_computed_anew(tmp_path):
    images = [Images(50)[item] for item in range(50)]
    options = {"methods": ["prune"], "settings": [0.9], "shard_size": 16}
    weights.sweep(model(), "second", images, **options, store=tmp_path)
    images[20] = torch.zeros(3, 12, 12)  # in the middle of a shard
    found = weights.sweep(model(), "second", images, **options, store=tmp_path)
    assert numbers(found) == numbers(weights.sweep(model(), "second", images, **options))
    assert len(list(tmp_path.rglob("*.npz"))) == 4 + 1


def test_a_model_that_changes_meanwhile_ends_it_and_nothing_wrong_is_stored(tmp_path):
    own = model()
    steps = weights.sweep_steps(own, "second", Images(50), methods=["prune"], shard_size=16, store=tmp_path)
    next(step for step in steps if step.results)
    kept = len(list(tmp_path.rglob("*.npz")))
    with torch.no_grad():
        own.head.weight.neg_()
    with pytest.raises(ValueError, match="the model has changed during the search: start again"):
        list(steps)
    assert len(list(tmp_path.rglob("*.npz"))) == kept
    with torch.no_grad():
        own.head.weight.neg_()
    options = {"methods": ["prune"], "shard_size": 16}
    found = weights.sweep(own, "second", Images(50), **options, store=tmp_path)
    assert numbers(found) == numbers(weights.sweep(own, "second", Images(50), **options))


class InTurn:
    """Stands for workers that a user has not."""


def test_workers_that_are_none_are_told():
    with pytest.raises(TypeError, match="workers must be a number of processes"):
        weights.sweep(model(), "second", Images(50), methods=["prune"], workers=InTurn())
