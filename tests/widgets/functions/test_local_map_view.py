"""The view of the linear function at an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from traitlets import TraitError

import nnlens
from nnlens.kernels.functions import line_pieces, nearest_facet


@pytest.fixture(scope="module")
def network():
    return nnlens.zoo.digits()


@pytest.fixture(scope="module")
def digits():
    return nnlens.zoo.DigitImages()


@pytest.fixture
def lens(network):
    return nnlens.Lens(network.model, preprocess=network.preprocess, labels=network.labels)


def smooth():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(4 * 36, 3)).eval()


def test_weights_and_bias_add_up_to_the_lead(lens, network, digits):
    image = digits[3][0]
    view = lens.local_map(image)
    with torch.no_grad():
        scores = network.model(network.preprocess(image)[None])[0]
    first, second = scores.topk(2).indices.tolist()
    assert (view.target, view.local_map["against"]) == (first, second)
    assert view.local_map["value"] == pytest.approx(float(scores[first] - scores[second]), abs=1e-4)
    assert view.local_map["exact"]
    view.map_of = "class"
    assert view.local_map["against"] is None
    assert view.local_map["value"] == pytest.approx(float(scores[first]), abs=1e-4)
    view.target = second
    assert view.local_map["value"] == pytest.approx(float(scores[second]), abs=1e-4)
    # The picture of the weights is the gradient.
    codes = np.frombuffer(view.local_map["texture"]["data"], np.int8).astype(float)
    x = network.preprocess(image)[None].requires_grad_()
    (gradient,) = torch.autograd.grad(network.model(x)[0, second], x)
    assert np.corrcoef(codes, gradient.flatten().numpy())[0, 1] > 0.999


def test_how_far_it_holds(lens, network, digits):
    view = lens.local_map(digits[3][0])
    assert view.wait(60)
    assert view.error is None
    nearest, falling, chance = view.reach["rows"]
    facet = nearest_facet(network.model, network.preprocess(digits[3][0])[None])
    assert nearest["distance"] == pytest.approx(facet.distance, abs=1e-9)
    assert nearest["distance"] <= falling["distance"]
    assert nearest["distance"] <= chance["distance"]
    assert len(view.reach["validity"]["errors"]) == 6
    assert "off by 10 % of the change" in view.describe()


def test_the_line_to_another_image(lens, network, digits):
    a, b = digits[3][0], digits[5][0]
    view = lens.local_map(a, b)
    assert view.wait(60)
    assert view.error is None
    ends = network.model(torch.stack([network.preprocess(a), network.preprocess(b)])).argmax(1).tolist()
    assert [view.line["best"][0], view.line["best"][-1]] == ends
    assert set(view.line["best"]) <= set(view.line["classes"])  # each part of the line has a class of the legend
    assert view.line["pieces"] > 100
    assert not view.line["exact"]
    # A small network has few pieces: all are found.
    torch.manual_seed(0)
    small = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2))
    one, other = torch.rand(2, 1, 1, 8, 8)
    few = nnlens.Lens(small).local_map(one, other)
    assert few.wait(60)
    assert few.line["exact"]
    assert few.line["pieces"] == line_pieces(small, one, other).pieces < 20


def test_classes_that_win_on_the_line_are_shown():
    # Of ten scores, lines along t that touch a parabola, each is the largest in its turn; the units have kinks along t.
    first = nn.Linear(64, 20)
    first.weight.data.fill_(1 / 64)
    first.bias.data = -torch.arange(20) / 20
    last = nn.Linear(20, 10)
    at = torch.arange(10) / 9
    last.weight.data.zero_()
    last.weight.data[:, 0] = 2 * at
    last.bias.data = -(at**2)
    network = nn.Sequential(nn.Flatten(), first, nn.ReLU(), last)
    view = nnlens.Lens(network).local_map(torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8))
    assert view.wait(60)
    assert view.error is None
    assert len(set(view.line["best"])) > 8  # more than are shown
    assert {0, 9} <= set(view.line["classes"])
    assert len(view.line["classes"]) == 8


def test_a_smooth_network_has_a_first_order_map():
    view = nnlens.Lens(smooth()).local_map(torch.rand(1, 1, 8, 8))
    assert view.wait(60)
    assert view.error is None
    assert not view.local_map["exact"]
    assert "gelu" in view.local_map["why"]
    assert view.reach["rows"] == []
    assert view.reach["validity"]["radius"] > 0
    assert not view.line["exact"]


def test_a_network_with_one_score():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 1))
    view = nnlens.Lens(model, task="binary", logits=True).local_map(torch.rand(1, 1, 8, 8))
    assert view.wait(60)
    assert view.error is None
    assert view.local_map["against"] is None
    assert set(view.line["best"]) <= {0, 1}


def test_another_image_of_another_shape():
    any_size = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    lens = nnlens.Lens(any_size)
    with pytest.raises(ValueError, match="other must become an input of the same shape"):
        lens.local_map(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 9, 9))
    with pytest.raises(TraitError, match="map_of"):
        lens.local_map(torch.rand(1, 1, 8, 8), map_of="all")


def test_the_page_has_everything(lens, digits, tmp_path):
    view = lens.local_map(digits[3][0], digits[5][0])
    assert view.save(tmp_path / "page.html").stat().st_size < 400_000
    assert view.reach is not None
    assert view.line is not None
    assert view.picture().size[0] > 300


def test_the_map_of_no_is_that_of_yes_turned_round():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 1))
    image = torch.rand(1, 1, 8, 8)
    score = model(image).item()
    view = nnlens.Lens(model, labels=["no", "yes"], task="binary", logits=True).local_map(image, target="yes")
    assert view.local_map["value"] == pytest.approx(score, abs=1e-5)
    view.target = 0
    assert view.local_map["value"] == pytest.approx(-score, abs=1e-5)


def test_a_single_score_that_is_picked_from_several_outputs():
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 1)

        def forward(self, x):
            return {"logits": self.head(x.flatten(1)), "more": x}

    lens = nnlens.Lens(Several(), output="logits", labels=["no", "yes"], task="binary", logits=True)
    view = lens.local_map(torch.rand(1, 1, 8, 8))
    assert view.wait(60)
    assert view.error is None


def test_a_smooth_network_has_no_pieces_on_a_line():
    view = nnlens.Lens(smooth()).local_map(torch.rand(1, 1, 8, 8))
    assert view.wait(60)
    assert view.line["about"] == "the network has no linear pieces"
