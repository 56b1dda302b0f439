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
    assert len(found) == lines_in_a_box(model[0], half)
    if half > 1000:  # nearly all of the plane: lines in general position
        assert len(found) == sum(comb(width, dimension) for dimension in range(3))
    assert sum(region.area for region in found.regions) == pytest.approx(4 * half**2, rel=1e-6)


@pytest.mark.parametrize(("widths", "count"), [((2, 10, 5, 1), 124), ((2, 16, 16, 1), 572)])
def test_deep_networks_have_the_published_counts(widths, count):
    # Counted over the whole plane by the package relucent 1.0.0, for torch's default initialisation with seed 0.
    found = functions.regions(network(*widths), ORIGIN, ACROSS, DOWN, box=((-1e4, 1e4), (-1e4, 1e4)))
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


def test_each_edge_knows_the_layer_whose_unit_switches_there():
    model = network(2, 6, 5, 1)
    exact = copy.deepcopy(model).double()
    found = functions.regions(model, ORIGIN, ACROSS, DOWN, box=((-3, 3), (-3, 3)))
    assert (found.operations, found.units) == (("1", "3"), (6, 5))
    seen = set()
    for region in found.regions:
        for place, edge in enumerate(region.edges):
            middle = torch.from_numpy(region.corners[[place, (place + 1) % len(region.corners)]].mean(0))
            with torch.no_grad():
                first = exact[0](middle)
                second = exact[2](first.relu())
            nearest = [float(abs(values).min()) for values in (first, second)]
            if edge == -1:
                assert float(abs(middle).max()) == pytest.approx(3)
            else:
                assert nearest[edge] < 1e-9
            seen.add(edge)
    assert seen == {-1, 0, 1}


def test_the_largest_number_is_that_of_lines_in_general_position():
    found = functions.regions(network(2, 8, 1), ORIGIN, ACROSS, DOWN, box=((-1e4, 1e4), (-1e4, 1e4)))
    assert found.largest == len(found) == 37
    assert found.at_initialisation == 32
    assert "37 linear pieces" in found.describe()


def test_the_package_regioncam_finds_as_many():
    regioncam = pytest.importorskip("regioncam")
    for widths in ((2, 5, 1), (2, 8, 6, 2), (2, 12, 8, 8, 3)):
        model = network(*widths)
        peer = regioncam.Regioncam(size=2)
        for layer in model:
            if isinstance(layer, nn.Linear):
                peer.linear(layer.weight.detach().numpy().T, layer.bias.detach().numpy())
            else:
                peer.relu()
        found = functions.regions(model, ORIGIN, ACROSS, DOWN, box=((-2, 2), (-2, 2)))
        assert len(found) == peer.num_faces


def test_a_maximum_cuts_where_another_value_becomes_the_largest():
    class Largest(nn.Module):
        def forward(self, x):
            return nn.functional.max_pool1d(torch.cat([x, -x.sum(1, keepdim=True)], 1)[:, None], 3)[:, 0]

    found = functions.regions(Largest(), ORIGIN, ACROSS, DOWN)
    assert len(found) == 3
    slopes = {tuple(np.round(region.weights[0], 9)) for region in found.regions}
    assert slopes == {(1.0, 0.0), (0.0, 1.0), (-1.0, -1.0)}
    assert sum(region.area for region in found.regions) == pytest.approx(4)


def test_a_flat_background_is_not_cut_by_rounding():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 2)).eval()
    first, second, third = torch.full((3, 1, 1, 8, 8), 0.3)
    second[..., 2:4, 2:4], third[..., 5, 5] = 1.0, -1.0
    found = functions.regions(model, first, second - first, third - first, box=((0.0, 1.0), (0.0, 1.0)))
    assert len(found) < 40
    assert sum(region.area for region in found.regions) == pytest.approx(1, rel=1e-9)


def test_a_plane_through_images_of_a_network_with_maxima():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)).eval()
    first, second, third = torch.randn(3, 1, 1, 6, 6)
    found = functions.regions(model, first, second - first, third - first, box=((0.0, 1.0), (0.0, 1.0)))
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
    with pytest.raises(functions.TooManyRegionsError, match="more than 7 linear pieces"):
        functions.regions(model, ORIGIN, ACROSS, DOWN, most=7)
    with pytest.raises(ValueError, match="box"):
        functions.regions(model, ORIGIN, ACROSS, DOWN, box=((1.0, 0.0), (0.0, 1.0)))
    with pytest.raises(ValueError, match="one shape"):
        functions.regions(model, ORIGIN, ACROSS, torch.zeros(1, 3))
    with pytest.raises(ValueError, match="piecewise linear"):
        functions.regions(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), ORIGIN, ACROSS, DOWN)
