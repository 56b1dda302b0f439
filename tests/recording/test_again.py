"""Later passes of a recorder of a part: the right values without watching the rest of the pass."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import nn

from nnlens.recording import Recorder

INPUTS = [torch.randn(2, 3, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]


class Overwrites(nn.Module):
    """What the first layer gives is overwritten: always, or for some inputs only."""

    def __init__(self, when=lambda x: True):
        super().__init__()
        self.first, self.last, self.when = nn.Linear(3, 4), nn.Linear(4, 2), when

    def forward(self, x):
        x = self.first(x)
        if self.when(x):
            x.relu_()
        return self.last(x)


@pytest.fixture
def guards(monkeypatch):
    """How many passes were watched."""
    module = importlib.import_module("nnlens.recording.record")
    made, guard = [], module.Guard
    monkeypatch.setattr(module, "Guard", lambda tape: made.append(tape) or guard(tape))
    return made


@pytest.mark.parametrize("block", [True, False])
@pytest.mark.parametrize("only", ["first", ["first", "last"]])
def test_a_value_that_is_overwritten_later(guards, only, block):
    model = Overwrites()
    recorder = Recorder(model, only=only)
    if block:
        with recorder:
            found = [recorder(x) for x in INPUTS]
    else:
        found = [recorder(x) for x in INPUTS]
    for x, recording in zip(INPUTS, found, strict=True):
        assert torch.equal(recording["first"], model.first(x))
        assert torch.equal(recording.output, model(x))
    assert len(guards) == 1


def test_a_part_that_runs_twice():
    class Twice(Overwrites):
        def forward(self, x):
            return super().forward(x) + super().forward(x + 1)

    model = Twice()
    with Recorder(model, only="first") as recorder:
        for x in INPUTS:
            recording = recorder(x)
            assert torch.equal(recording["first:1"], model.first(x))
            assert torch.equal(recording["first:2"], model.first(x + 1))


@pytest.mark.parametrize("when", [lambda x: True, lambda x: bool(x.sum() > 0)])
def test_states_of_a_layer_whose_input_is_overwritten_later(when):
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(3, 4, batch_first=True)

        def forward(self, x):
            found, _state = self.rnn(x)
            if when(x):
                x.zero_()
            return found

    model = Reads()
    with Recorder(model, only="rnn.cell_l0") as recorder:
        for x in (-INPUTS[0].abs(), *INPUTS, INPUTS[0].abs()):
            states = recorder(x[None])["rnn.cell_l0"]
            with torch.no_grad():
                _found, (_hidden, last) = model.rnn(x[None])
            assert torch.allclose(states[0, -1], last[0, 0], atol=1e-6)


def test_overwritten_for_some_inputs_only(guards):
    model = Overwrites(when=lambda x: bool(x.sum() > 5))
    with Recorder(model, only="first") as recorder:
        for x in (torch.zeros(1, 3), torch.ones(1, 3), *[100 * one for one in INPUTS], *INPUTS):
            x.requires_grad_(False)
            assert torch.equal(recorder(x)["first"], model.first(x))
    assert len(guards) > 2  # watched again from the first one on that was unlike the very first


def test_parameters_that_a_forward_writes_into_come_back():
    class Writes(Overwrites):
        def forward(self, x):
            with torch.no_grad():
                self.last.weight.mul_(2)
            return super().forward(x)

    model = Writes()
    before = model.last.weight.clone()
    with Recorder(model, only="first") as recorder:
        outputs = [recorder(INPUTS[0]).output for _pass in range(3)]
        assert torch.equal(model.last.weight, before)
    assert torch.equal(outputs[0], outputs[2])


def test_values_that_torch_does_not_count_are_always_watched(guards):
    class Inference(Overwrites):
        def forward(self, x):
            with torch.inference_mode():
                return super().forward(x.clone())

    model = Inference()
    with Recorder(model, only="first") as recorder:
        for x in INPUTS:
            assert torch.equal(recorder(x)["first"], model.first(x))
    assert len(guards) == len(INPUTS)
