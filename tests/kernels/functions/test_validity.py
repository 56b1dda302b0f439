"""The measured radius of a first-order map, where it is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from nnlens.kernels.functions import border, local_map, validity


class Square(nn.Module):
    """x + a x²: the first-order map at 0 is x, and the error at r is a r² of a change of r + a r²."""

    def __init__(self, a):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(float(a)))

    def forward(self, x):
        return x + self.scale * x.square()


@pytest.mark.parametrize("a", [0.5, 20.0])
def test_of_a_parabola_it_is_known(a):
    x, model = torch.zeros(1, 1), Square(a)
    found = validity(model, x, local_map(model, x), torch.ones(1, 1), limit=0.1, most=1.0)
    # a r² = 0.1 (r + a r²): r = 0.1 / (0.9 a).
    assert found.radii[0] == pytest.approx(0.1 / (0.9 * a), rel=0.02)
    expected = a * found.distances / (1 + a * found.distances)
    np.testing.assert_allclose(found.errors[0], expected, rtol=1e-9, atol=1e-12)


def test_of_linear_pieces_it_is_not_below_the_border():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2)).double()
    x = torch.randn(1, 4, dtype=torch.float64)
    directions = torch.randn(8, 4, dtype=torch.float64)
    found = validity(model, x, local_map(model, x), directions)
    for way, errors, radius in zip(directions, found.errors, found.radii, strict=True):
        reach = border(model, x, (way / way.norm())[None]).distance
        assert radius >= reach * 0.99
        assert not errors[found.distances < reach].any()
    assert "in 8 directions" in found.describe()


def test_of_a_linear_network_it_has_no_end():
    model = nn.Linear(3, 2)
    x = torch.ones(1, 3)
    assert validity(model, x, local_map(model, x), torch.eye(3)).radii.tolist() == [math.inf] * 3


def test_bad_arguments():
    model, x = nn.Linear(3, 2), torch.ones(1, 3)
    piece = local_map(model, x)
    with pytest.raises(ValueError, match="directions must be"):
        validity(model, x, piece, torch.zeros(1, 3))
    with pytest.raises(ValueError, match="limit and most must be above 0"):
        validity(model, x, piece, torch.ones(1, 3), limit=0)


def test_it_is_said_where_some_directions_have_no_end():
    linear = nn.Linear(3, 2)
    x = torch.ones(1, 3)
    assert "as far as was tried" in validity(linear, x, local_map(linear, x), torch.eye(3)).describe()
    hinge = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
    with torch.no_grad():
        hinge[0].weight.copy_(torch.tensor([[1.0, 0.0]]))
        hinge[0].bias.fill_(1.0)
    found = validity(
        hinge, torch.zeros(1, 2), local_map(hinge, torch.zeros(1, 2)), torch.tensor([[-1.0, 0], [1, 0]]), most=9
    )
    assert math.isfinite(found.radii[0])
    assert math.isinf(found.radii[1])
    assert "to ∞" in found.describe()
