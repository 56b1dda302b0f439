"""Linear pieces in a plane: the counts that are known, the area, and the function on each piece."""

from __future__ import annotations

import copy
import itertools
from math import comb

import numpy as np
import pytest
import torch
from torch import nn

from nnlens.kernels import functions

ORIGIN, ACROSS, DOWN = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])


def network(*widths: int) -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


def lines_in_a_box(layer: nn.Linear, half: float) -> int:
    """1 + the lines that cross the box + the crossings of two of them in it."""
    weights = torch.cat([layer.weight, layer.bias[:, None]], 1).detach().double().numpy()
    corners = np.array([[u, v, 1.0] for u in (-half, half) for v in (-half, half)])
    sides = corners @ weights.T
    crossing = int(((sides > 0).any(0) & (sides < 0).any(0)).sum())
    inside = 0
    for one, other in itertools.combinations(weights, 2):
        u, v = np.linalg.solve(np.stack([one[:2], other[:2]]), -np.array([one[2], other[2]]))
        inside += abs(u) < half and abs(v) < half
    return 1 + crossing + inside


@pytest.mark.parametrize("width", [3, 8, 16])
@pytest.mark.parametrize("half", [1.0, 1e4])
def test_one_hidden_layer_has_as_many_pieces_as_its_lines_make(width, half):
    model = network(2, width, 1)
    found = functions.regions(model, ORIGIN, ACROSS, DOWN, box=((-half, half), (-half, half)))
    assert found.whole
    assert len(found) == lines_in_a_box(model[0], half)
    if half > 1000:  # nearly all of the plane: lines in general position
        assert len(found) == sum(comb(width, dimension) for dimension in range(3))
    assert sum(region.area for region in found.regions) == pytest.approx(4 * half**2, rel=1e-6)


@pytest.mark.parametrize(("widths", "count"), [((2, 10, 5, 1), 124), ((2, 16, 16, 1), 572)])
def test_deep_networks_have_the_published_counts(widths, count):
    # Counted over the whole plane by the package relucent 1.0.0, for torch's default initialisation with seed 0.
    found = functions.regions(network(*widths), ORIGIN, ACROSS, DOWN, box=((-1e4, 1e4), (-1e4, 1e4)))
    assert found.whole
    assert len(found) == count


def test_the_function_on_each_piece_is_the_networks():
    model = network(2, 12, 8, 3)
    exact = copy.deepcopy(model).double()
    found = functions.regions(model, ORIGIN, ACROSS, DOWN, box=((-2, 2), (-2, 2)))
    for region in found.regions:
        share = np.random.default_rng(0).dirichlet(np.ones(len(region.corners)), 4)
        points = share @ region.corners
        with torch.no_grad():
            expected = exact(torch.from_numpy(points)).numpy()
        np.testing.assert_allclose(points @ region.weights.T + region.bias, expected, atol=1e-9)
    assert sum(region.area for region in found.regions) == pytest.approx(16, rel=1e-9)


def test_stacked_tents_have_two_to_the_k_pieces():
    class Tents(nn.Module):
        """k tent maps, each of two ReLUs, on the first of two inputs."""

        def __init__(self, count: int):
            super().__init__()
            self.count = count

        def forward(self, x):
            x = x[:, :1]
            for _step in range(self.count):
                x = 2 * x.relu() - 4 * (x - 0.5).relu()
            return x

    for count in (1, 3, 5):
        found = functions.regions(Tents(count), ORIGIN, ACROSS, DOWN, box=((0.0, 1.0), (0.0, 1.0)))
        slopes = {(round(float(region.bias[0]), 6), round(float(region.weights[0, 0]), 6)) for region in found.regions}
        assert len(slopes) == 2**count


def test_a_plane_through_images_of_a_network_with_maxima():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)).eval()
    first, second, third = torch.randn(3, 1, 1, 6, 6)
    found = functions.regions(model, first, second - first, third - first, box=((0.0, 1.0), (0.0, 1.0)))
    assert found.whole
    assert sum(region.area for region in found.regions) == pytest.approx(1, rel=1e-6)
    exact = copy.deepcopy(model).double()
    for region in found.regions[:40]:
        u, v = region.corners.mean(0)
        point = first.double() + u * (second - first).double() + v * (third - first).double()
        with torch.no_grad():
            expected = exact(point)[0].numpy()
        np.testing.assert_allclose(region.weights @ [u, v] + region.bias, expected, atol=1e-9)


def test_limits_and_wrong_input():
    model = network(2, 16, 16, 1)
    assert len(functions.regions(model, ORIGIN, ACROSS, DOWN, most=7)) == 7
    assert not functions.regions(model, ORIGIN, ACROSS, DOWN, most=7).whole
    with pytest.raises(ValueError, match="box"):
        functions.regions(model, ORIGIN, ACROSS, DOWN, box=((1.0, 0.0), (0.0, 1.0)))
    with pytest.raises(ValueError, match="one shape"):
        functions.regions(model, ORIGIN, ACROSS, torch.zeros(1, 3))
    with pytest.raises(ValueError, match="piecewise linear"):
        functions.regions(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), ORIGIN, ACROSS, DOWN)
