"""A recorder that borrows the model once for many passes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnlens.recording import ForwardError, Recorder, record


class Counts(nn.Module):
    """Counts its passes in a buffer, which it also returns, and fails for negative inputs."""

    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        if float(x.min()) < 0:
            raise ValueError("negative")
        self.count += 1
        return self.norm(self.linear(x)).relu() + self.count


def state_of(model):
    return (
        {name: value.clone() for name, value in model.state_dict().items()},
        model.training,
        len(model._forward_hooks),
    )


@pytest.mark.parametrize("only", [None, "linear", "activation"])
def test_passes_of_a_block_equal_single_ones(only):
    model = Counts().train()
    before, *rest = state_of(model)
    inputs = [torch.rand(2, 3) for _ in range(4)]
    alone = [record(model, x, only=only) for x in inputs]
    with Recorder(model, only=only) as recorder:
        assert not model.training
        together = [recorder(x) for x in inputs]
    for one, other in zip(alone, together, strict=True):
        assert one.names == other.names
        assert all(torch.equal(one[name], other[name]) for name in one.names)
        assert torch.equal(one.output, other.output)
    after, *others = state_of(model)
    assert others == rest
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_value_that_is_a_buffer_stays_as_it_was():
    class Gives(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("kept", torch.zeros(2))

        def forward(self, x):
            return self.kept.add_(x)

    model = Gives()
    with Recorder(model) as recorder:
        first, second = recorder(torch.ones(2)), recorder(torch.full((2,), 3.0))
    assert first[first.names[-1]].tolist() == [1, 1]
    assert second[second.names[-1]].tolist() == [3, 3]
    assert model.kept.tolist() == [0, 0]


def test_a_failed_pass_ends_nothing():
    model = Counts()
    before, *rest = state_of(model)
    with Recorder(model, only="linear") as recorder:
        with pytest.raises(ForwardError, match="negative"):
            recorder(torch.full((1, 3), -1.0))
        assert recorder(torch.ones(1, 3)).names == ("linear",)
        with pytest.raises(RuntimeError, match="leave the block before it is entered again"), recorder:
            pass
        assert recorder(torch.ones(1, 3)).names == ("linear",)
    with pytest.raises(ZeroDivisionError), Recorder(model):
        raise ZeroDivisionError
    after, *others = state_of(model)
    assert others == rest
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert recorder(torch.ones(1, 3)).names == ("linear",)  # as before, without a block
