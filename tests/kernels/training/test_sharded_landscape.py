"""A landscape in shards of the examples: the losses of all of them, whoever computes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scale_data import Images, Small

from nnlens.kernels import training


def model():
    torch.manual_seed(3)
    return Small().eval()


def loss(count=50, **faults):
    return training.mean_loss(Images(count, **faults), torch.arange(count) % 5)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("workers", [None, 2])
def test_the_losses_are_those_of_all_examples(directions, workers, tmp_path):
    if workers:
        pytest.importorskip("loky")
    options = {"directions": directions, "points": 5, "span": 0.7}
    whole = torch.stack([Images(50)[item] for item in range(50)])
    plain = training.landscape(model(), training.mean_loss(whole, torch.arange(50) % 5), **options)
    found = training.landscape(model(), loss(), **options, workers=workers, shard_size=16, store=tmp_path)
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-5)
    assert found.centre == pytest.approx(plain.centre, rel=1e-5)
    assert found.values[(2,) * directions] == found.centre
    assert (found.done, found.skipped) == (1, ())
    # Of a tensor, from the store and by whoever: the same bits.
    here = training.landscape(model(), loss(), **options, shard_size=16)
    assert np.array_equal(here.values, found.values)
    assert len(list(tmp_path.rglob("*.npz"))) == 4
    read = tmp_path / "read.txt"
    again = training.landscape(model(), loss(log=read), **options, shard_size=16, store=tmp_path)
    assert np.array_equal(again.values, found.values)
    assert len(read.read_text().split()) == 2 * 4  # those that say which data it is
    other = training.landscape(model(), loss(), **{**options, "seed": 5}, shard_size=16, store=tmp_path)
    assert not np.allclose(other.values, found.values)
    changed = model()
    with torch.no_grad():
        changed.head.bias[0] += 1
    assert not np.allclose(training.landscape(changed, loss(), **options, store=tmp_path).values, found.values)


def test_the_losses_so_far_are_of_the_examples_so_far():
    steps = list(training.landscape_steps(model(), loss(), points=3, shard_size=10))
    first = next(step for step in steps if step.done)
    assert first.read == 0.2
    some = training.landscape(model(), loss(10), points=3)
    np.testing.assert_allclose(first.values, some.values, rtol=1e-5)
    assert steps[-1].read == 1
    assert len(steps) > 5 * 4  # points and shards: whoever shares the thread is not held up


def test_examples_that_cannot_be_read_are_left_out_and_listed(tmp_path):
    options = {"points": 3, "shard_size": 16, "store": tmp_path}
    found = training.landscape(model(), loss(broken=20), **options)
    assert found.skipped == ((20, "a broken file"),)
    rest = [item for item in range(50) if item != 20]
    whole = training.mean_loss(torch.stack([Images(50)[item] for item in rest]), torch.tensor(rest) % 5)
    np.testing.assert_allclose(found.values, training.landscape(model(), whole, points=3).values, rtol=1e-5)
    assert len(list(tmp_path.rglob("*.npz"))) == 3  # that shard is tried again
    with pytest.raises(ValueError, match="inputs must be readable, but none of 1 is: a broken file"):
        training.landscape(model(), loss(1, broken=0), **options)
    here = training.landscape(model(), loss(broken=20), points=3)
    assert here.skipped == found.skipped
    np.testing.assert_allclose(here.values, found.values, rtol=1e-5)


def test_what_cannot_be_computed_in_shards_is_told():
    with pytest.raises(TypeError, match="loss must be one of `mean_loss` to be computed in shards, got function"):
        training.landscape(model(), lambda model: torch.zeros(()), shard_size=4)
    with pytest.raises(RuntimeError, match=r"examples 0…9 have no result: ValueError: targets must be classes 0…4"):
        training.landscape(model(), training.mean_loss(Images(10), torch.arange(10)), shard_size=16)


def test_losses_that_are_not_finite():
    made = model()
    with torch.no_grad():
        made.head.weight *= 1e38
    found = training.landscape(made, loss(), points=3, span=9.0, shard_size=16)
    assert np.isinf(found.values).any()
    assert not np.isnan(found.values).any()


def test_a_model_may_be_trained_meanwhile(tmp_path):
    own, options = model(), {"points": 5, "shard_size": 16}
    expected = training.landscape(model(), loss(), **options)
    steps = training.landscape_steps(own, loss(), **options, store=tmp_path)
    next(steps)
    with torch.no_grad():
        own.head.weight.neg_()
    *_, found = steps
    assert np.array_equal(found.values, expected.values)


@pytest.mark.parametrize("sharded", [{}, {"shard_size": 16}])
def test_a_loss_that_is_no_number_counts_as_computed(sharded):
    broken = model()
    with torch.no_grad():
        broken.head.bias[0] = torch.nan
    found = training.landscape(broken, loss(), directions=1, points=5, **sharded)
    assert found.centre == np.inf
    assert np.isinf(found.values).all()
    assert found.done == 1
