"""Local maps, borders and distances to other classes on trained networks that are kept beside the checkout."""

from __future__ import annotations

import copy
import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nnlens.kernels import chaos, functions
from nnlens.recording import record

DATA = Path(os.environ.get("NNLENS_DATA", Path(__file__).parents[2] / "shared" / "data"))
pytestmark = pytest.mark.skipif(not (DATA / "networks.py").is_file(), reason="no trained networks beside the checkout")
NAMES = ["squeezenet1_0_imagenet", "cifar10_resnet20"]


@pytest.fixture(scope="module")
def networks():
    spec = importlib.util.spec_from_file_location("networks", DATA / "networks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=NAMES)
def case(request, networks):
    """A network and a real photograph as its input, both in double precision."""
    model = networks.load(request.param)
    if "cifar" in request.param:
        with np.load(DATA / "datasets" / "cifar10_test1200.npz") as file:
            x = torch.from_numpy(file["x"][:1]).permute(0, 3, 1, 2).double() / 255
        x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    else:
        x = networks.image(DATA / "photos" / "pug.jpg").double()
    return copy.deepcopy(model).double(), x


def switches(model, x, direction, distance) -> bool:
    """Whether a unit is on another side at a distance: by counting, not by slopes."""
    return functions.line_samples(model, x, x + distance * direction, points=2).pieces > 1


@pytest.mark.parametrize("which", ["random", "gradient"])
def test_the_map_is_exact_to_the_border_and_wrong_beyond(case, which):
    model, x = case
    direction = chaos.random_directions(x, 1).to(x) if which == "random" else chaos.gradient_direction(model, x)
    piece = functions.local_map(model, x, outputs=[0, 1, 2])
    reach = functions.border(model, x, direction).distance
    # Bisection for the first switch, from below and above.
    low, high = 0.0, 4 * reach
    assert switches(model, x, direction, high)
    for _step in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if switches(model, x, direction, middle) else (middle, high)
    assert reach == pytest.approx(high, rel=1e-6, abs=1e-12)
    with torch.no_grad():
        for distance in (0.0, 0.9 * reach):
            there = x + distance * direction
            assert np.abs(model(there)[0, :3].numpy() - piece.at(there)[0]).max() < 1e-9
        beyond = x + max(1e4 * reach, 0.3) * direction
        assert np.abs(model(beyond)[0, :3].numpy() - piece.at(beyond)[0]).max() > 1e-3


def test_the_nearest_facet_is_where_a_unit_switches(case):
    model, x = case
    facet = functions.nearest_facet(model, x)
    assert facet.certain
    direction = torch.from_numpy(facet.direction)
    along = functions.border(model, x, direction)
    assert along.distance == pytest.approx(facet.distance, rel=1e-4)
    assert (along.layer, along.place) == (facet.layer, facet.place)
    assert not switches(model, x, direction, 0.99 * facet.distance)
    assert switches(model, x, direction, 1.01 * facet.distance)
    for way in chaos.random_directions(x, 4).to(x):
        assert functions.border(model, x, way[None]).distance >= facet.distance


def test_deepfool_changes_the_class_by_little(case):
    model, x = case
    found = chaos.deepfool(model, x)
    with torch.no_grad():
        assert int(model(found.x).argmax()) == found.after != found.before
    assert found.relative < 0.03
    assert record(model, x).output.argmax() == found.before
