"""Tasks on shards, whoever computes them."""

from __future__ import annotations

import pytest
from scale_data import Locked, Sized, Small, other_width, sized, squares
from torch import nn

from nnlens.scale import Shard, Task, shards_of, workers_for
from nnlens.scale.shipped_model import ShippedModel, digest_of
from nnlens.scale.task import LoadError


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
    assert found[1].value == [16, 25, 36, 49]
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
    assert len({digest_of(model) for model in (plain, other, scaled)}) == 3
    with pytest.raises(ValueError, match="model must be as its class makes it, but 'scale_data:Small' makes another"):
        ShippedModel.of(scaled)
