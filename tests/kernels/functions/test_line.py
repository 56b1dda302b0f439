"""The pieces along a line, by walking from border to border and by dense sampling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nnlens.kernels.functions import TooManyRegionsError, border, line_pieces, line_samples


def networks():
    torch.manual_seed(0)
    yield nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU6(), nn.Linear(20, 3)), (1, 4)
    yield (
        nn.Sequential(
            *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 2), nn.Hardtanh(), nn.Flatten()),
            nn.Linear(16, 2),
        ),
        (1, 1, 8, 8),
    )
    yield nn.Sequential(nn.Conv2d(1, 3, 3), nn.MaxPool2d(3, 1, 1), nn.Flatten(), nn.Linear(48, 2)), (1, 1, 6, 6)


def ends(shape):
    generator = torch.Generator().manual_seed(1)
    return (2 * torch.randn(shape, generator=generator, dtype=torch.float64) for _end in range(2))


@pytest.mark.parametrize("number", range(3))
def test_the_pieces_are_those_of_a_walk_from_border_to_border(number):
    model, shape = list(networks())[number]
    a, b = ends(shape)
    line = line_pieces(model, a, b)
    walked, at = [], 0.0
    while at < 1:
        # A hair beyond the last border, for there a unit is exactly at its kink.
        there = at + 1e-9
        at = there + border(model, a + there * (b - a), b - a).distance
        walked.append(min(at, 1.0))
    np.testing.assert_allclose(line.at[1:], walked, atol=2e-9)
    assert line.pieces == len(walked) > 5
    assert line.exact
    # The outputs at the ends of the pieces, and half way between.
    exact = model.double()
    for shares, expected in (
        (line.at, line.outputs),
        ((line.at[:-1] + line.at[1:]) / 2, (line.outputs[:-1] + line.outputs[1:]) / 2),
    ):
        points = torch.cat([a + share * (b - a) for share in shares])
        np.testing.assert_allclose(exact(points).detach().numpy(), expected, atol=1e-9)


def test_samples_miss_few_pieces_and_add_none():
    model, shape = next(iter(networks()))
    model = model.double()
    a, b = ends(shape)
    exact = line_pieces(model, a, b).pieces
    coarse, fine = (line_samples(model, a, b, points=points) for points in (9, 2000))
    assert coarse.pieces <= fine.pieces <= exact
    assert fine.pieces >= 0.9 * exact
    assert not fine.exact
    np.testing.assert_allclose(coarse.outputs, fine.outputs[:: 1999 // 8][:9], atol=0.2)
    np.testing.assert_allclose(coarse.outputs[[0, -1]], model(torch.cat([a, b])).detach().numpy(), atol=1e-12)


def test_bad_arguments():
    model, shape = next(iter(networks()))
    a, b = ends(shape)
    with pytest.raises(TooManyRegionsError, match="more than 3 linear pieces"):
        line_pieces(model, a, b, most=3)
    with pytest.raises(ValueError, match="one shape"):
        line_pieces(model, a, torch.zeros(1, 5))
    with pytest.raises(ValueError, match="points must be at least 2"):
        line_samples(model.double(), a, b, points=1)
