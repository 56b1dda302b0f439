"""Checkpoints: what is read is what was written, and the files stay within their budget."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from nnlens.kernels.training import Checkpoints
from nnlens.kernels.training.checkpoints import crowded


def test_a_state_is_read_as_it_was_written(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    model[2].weight = nn.Parameter(torch.randn(4, 4).T)  # not contiguous
    model.again = model[2]  # shared
    state = {**model.state_dict(), "half": torch.ones(2, dtype=torch.bfloat16), "empty": torch.zeros(0)}
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save(7, state)
    read = Checkpoints(tmp_path / "run").load(7)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], value) for name, value in state.items())
    assert all(read[name].dtype == value.dtype for name, value in state.items())
    with pytest.raises(ValueError, match=r"step must be one with a checkpoint \(7\), got 8"):
        checkpoints.load(8)
    assert checkpoints.nearest(100) == 7


def test_files_are_thinned_logarithmically_within_the_budget(tmp_path):
    state = {"w": torch.zeros(250)}  # about 1 kB
    checkpoints = Checkpoints(tmp_path, megabytes=1, most=12)
    for step in range(1000):
        checkpoints.save(step, state)
    steps = checkpoints.steps
    assert len(steps) == 12
    assert (steps[0], steps[-1]) == (0, 999)
    gaps = [math.log((b + 1) / (a + 1)) for a, b in itertools.pairwise(steps)]
    assert max(gaps) < 3 * math.log(1000) / 11
    small = Checkpoints(tmp_path / "small", megabytes=0.004)
    for step in range(20):
        small.save(step, state)
    assert sum(path.stat().st_size for path in (tmp_path / "small").iterdir()) <= 4000
    assert small.steps[-1] == 19
    tiny = Checkpoints(tmp_path / "tiny", megabytes=0.0001)
    for step in range(3):
        tiny.save(step, state)
    assert tiny.steps == [2]  # the latest, though it is more than the budget


def test_the_most_crowded_step_goes_first():
    assert crowded([0, 1, 9, 10, 11, 100]) == 10


def test_bad_input_is_said(tmp_path):
    with pytest.raises(ValueError, match="most must be at least 2"):
        Checkpoints(tmp_path, most=1)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ValueError, match="folder must be a folder"):
        Checkpoints(file)
    with pytest.raises(ValueError, match="no checkpoint yet"):
        Checkpoints(tmp_path / "new").nearest(1)
