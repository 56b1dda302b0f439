"""The nearest facet, by brute force and by the border in its direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from nnlens.kernels.functions import border, nearest_facet


def mlp(seed: int, width: int = 12) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(5, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3)
    ).double()


def by_hand(model: nn.Module, x: torch.Tensor) -> float:
    """The distance of each unit's hyperplane, with its gradient."""
    nearest = math.inf
    for depth in (1, 3):
        units = len(model[depth - 1].bias)
        for unit in range(units):
            point = x.clone().requires_grad_()
            height = model[:depth](point)[0, unit]
            (slope,) = torch.autograd.grad(height, point)
            if float(slope.norm()) > 0:
                nearest = min(nearest, abs(height.item()) / float(slope.norm()))
    return nearest


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_nearest_hyperplane_of_all_units(seed):
    model = mlp(seed)
    x = torch.randn(1, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    facet = nearest_facet(model, x)
    assert facet.distance == pytest.approx(by_hand(model, x), rel=1e-9)
    assert facet.certain
    # The border along its direction is exactly there, and no nearer along others.
    direction = torch.from_numpy(facet.direction)
    along = border(model, x, direction)
    assert along.distance == pytest.approx(facet.distance, rel=1e-9)
    assert (along.layer, along.place) == (facet.layer, facet.place)
    for other in torch.nn.functional.normalize(torch.randn(50, 1, 5, dtype=torch.float64), dim=2):
        assert border(model, x, other).distance >= facet.distance - 1e-12


def test_convolutions_maxima_and_residuals():
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(2, 6, 3, padding=1)
            self.norm = nn.BatchNorm2d(6)
            self.second = nn.Conv2d(6, 6, 3, padding=1)
            self.pool = nn.MaxPool2d(2)
            self.head = nn.Linear(6 * 9, 4)

        def forward(self, x):
            x = torch.relu(self.norm(self.first(x)))
            x = self.pool(torch.relu_(x + self.second(x)))
            return self.head(nn.functional.leaky_relu(x.flatten(1), 0.1))

    torch.manual_seed(0)
    model = Small().double().eval()
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64)
    facet = nearest_facet(model, x)
    direction = torch.from_numpy(facet.direction)
    assert border(model, x, direction).distance == pytest.approx(facet.distance, rel=1e-8)
    for other in torch.randn(40, 1, 2, 6, 6, dtype=torch.float64):
        assert border(model, x, other / other.norm()).distance >= facet.distance - 1e-12
    assert facet.examined < 6 * 36
    assert facet.certain


def test_a_linear_network_has_no_facet():
    facet = nearest_facet(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), torch.zeros(1, 2))
    assert facet.distance == math.inf
    assert "linear everywhere" in facet.describe()


def test_it_is_known_in_closed_form():
    model = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, 4.0]]))
        model[0].bias.fill_(-5.0)
    facet = nearest_facet(model, torch.zeros(1, 2))
    assert facet.distance == pytest.approx(1.0)
    np.testing.assert_allclose(facet.direction, [[0.6, 0.8]], atol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="must be piecewise linear"):
        nearest_facet(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="x must be one input"):
        nearest_facet(mlp(0), torch.zeros(2, 5))
