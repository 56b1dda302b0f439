"""What the axes of an input are, by the operations that read it."""

from __future__ import annotations

import pytest
import torch
from input_networks import cases
from torch import nn

from nnlens.geometry.input_axes import input_axes
from nnlens.recording import record

CASES = {name: case for name, case in cases().items() if isinstance(case.given, torch.Tensor) and not case.keywords}


@pytest.mark.parametrize("name", [name for name in CASES if name != "a video"])
def test_the_first_operation_that_knows_says_what_the_axes_are(name):
    case = CASES[name]
    recording = record(case.model(), case.given)
    assert input_axes(recording, "input", tuple(case.given.shape)) == (case.axes, True)


class Mixes(nn.Module):
    """Nothing in it says what its axes are."""

    def forward(self, x):
        return x.flatten(1).sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((1, 9), "nf"),
        ((1, 2, 50), "nct"),
        ((1, 50, 2), "ntc"),
        ((50, 1, 2), "tnc"),
        ((1, 3, 8, 8), "nchw"),
        ((1, 8, 8, 3), "nhwc"),
        ((1, 1, 8, 9, 10), "ncdhw"),
        ((1, 8, 3, 9, 10), "ntchw"),
    ],
)
def test_otherwise_the_usual_axes_are_taken_and_not_called_sure(shape, axes):
    x = torch.randn(shape)
    assert input_axes(record(Mixes(), x), "input", shape) == (axes, False)


def test_of_several_inputs_each_has_its_own():
    both = cases()["keywords"]
    model = both.model()
    rgb, meta = both.given, both.keywords["meta"]
    recording = record(model, rgb, both.keywords["depth"], meta)
    assert input_axes(recording, "input[2]", tuple(meta.shape)) == ("nf", True)
    assert input_axes(recording, "input", tuple(rgb.shape)) == ("nchw", True)
