"""The view of how small changes grow."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from traitlets import TraitError

import nnlens
from nnlens.kernels import chaos


@pytest.fixture(scope="module")
def network():
    return nnlens.zoo.digits()


@pytest.fixture(scope="module")
def digit():
    return nnlens.zoo.DigitImages()[3][0]


@pytest.fixture
def lens(network):
    return nnlens.Lens(network.model, preprocess=network.preprocess, labels=network.labels)


def rows_of(view, of):
    return [row for row in view.growth["rows"] if row["of"] == of]


def test_the_growth_is_that_of_the_kernel(lens, network, digit):
    view = lens.sensitivity(digit)
    assert view.wait(60)
    assert view.error is None
    x = network.preprocess(digit)[None]
    expected = chaos.growth(network.model, x, chaos.random_directions(x, 8))
    chance, gradient, stretched = rows_of(view, "model")
    np.testing.assert_allclose(chance["middle"], np.median(expected.factors, 0), rtol=1e-4)
    assert tuple(view.growth["layers"]) == expected.layers
    # Adversarial changes grow more than random ones, and none more than the most stretched.
    assert stretched["middle"][-1] >= gradient["middle"][-1] > chance["high"][-1]
    found = chaos.stretch(network.model, x, directions=4, rounds=3)
    assert view.stretches[0]["exponents"] == pytest.approx(found.exponents.tolist(), rel=1e-3)
    assert [row["of"] for row in view.stretches] == ["model", "initial"]
    assert len(rows_of(view, "initial")) == 1


def test_the_weights_are_scaled(digit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 20, bias=False), nn.ReLU(), nn.Linear(20, 5, bias=False))
    view = nnlens.Lens(model).sensitivity(torch.rand(1, 1, 28, 28))
    assert view.wait(60)
    view.weight_scale = 2.0
    assert view.wait(60)
    # Without biases all relative changes stay; the Jacobian is 2 × 2 times as large: ln 2 more for each of two layers.
    (scaled,) = rows_of(view, "scaled")
    np.testing.assert_allclose(scaled["middle"], rows_of(view, "model")[0]["middle"], rtol=1e-3)
    own, _initial, more = (row["exponents"] for row in view.stretches)
    np.testing.assert_allclose(np.subtract(more, own), math.log(2), atol=0.01)
    assert "σw² = 1.4" in view.growth["facts"][-1]  # 4 times the 1/3 of uniform ±1/√n, and chance
    view.weight_scale = 1.0
    assert view.wait(60)
    assert rows_of(view, "scaled") == []
    assert len(view.stretches) == 2


def test_the_nearest_image_of_another_class(lens, network, digit):
    view = lens.sensitivity(digit)
    assert view.wait(60)
    found = view.result.adversarial
    assert (view.adversarial["before"], view.adversarial["after"]) == (found.before, found.after)
    with torch.no_grad():
        assert int(network.model(found.x).argmax()) == found.after != found.before
    deepfool, gradient, chance = view.adversarial["rows"]
    assert deepfool["distance"] < gradient["distance"] < chance["distance"]
    assert deepfool["levels"] == pytest.approx(
        255 * float((found.x - network.preprocess(digit)[None]).abs().max()) * view.selection.sample.input.scale.std[0],
        rel=1e-3,
    )
    # The difference that is drawn is the change.
    codes = np.frombuffer(view.adversarial["difference"]["data"], np.int8)
    change = (found.x - network.preprocess(digit)[None]).flatten().numpy()
    assert np.corrcoef(codes, change)[0, 1] > 0.999


def test_other_predictions_are_fitted_when_asked(lens, digit):
    view = lens.sensitivity(digit)
    assert view.wait(60)
    assert view.surrogates is None
    assert view.result.surrogates is None
    view.fit += 1
    assert view.wait(120)
    assert view.error is None
    assert view.fitted is None
    rows = {row["kind"]: row for row in view.surrogates["rows"]}
    assert rows["linear"]["scores"][0] > 0.99
    assert rows["linear"]["scores"][-1] < 0.9
    assert view.result.surrogates is not None
    assert "linear: fails at" in view.describe()


def test_another_image_starts_again(lens, digit):
    view = lens.sensitivity(digit)
    assert view.wait(60)
    before = view.growth
    view.selection.show(lens._session.samples.of(nnlens.zoo.DigitImages()[5][0]))
    assert view.wait(60)
    assert view.growth["rows"] != before["rows"]
    assert view.error is None


def test_a_network_that_does_not_react(digit):
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.tensor([[1.0, 0.0]]))

        def forward(self, x):
            return 0 * x.flatten(1)[:, :2] + self.bias

    view = nnlens.Lens(Constant()).sensitivity(torch.rand(1, 1, 8, 8))
    assert view.wait(60)
    assert view.adversarial["before"] == view.adversarial["after"]


def test_bad_options(lens, digit):
    with pytest.raises(TraitError, match=r"(?s)weight_scale.*0\.1"):
        lens.sensitivity(digit, weight_scale=0.0)


def test_the_page_has_everything(lens, digit, tmp_path):
    view = lens.sensitivity(digit)
    assert view.save(tmp_path / "page.html").stat().st_size < 400_000
    assert view.adversarial is not None
    assert len(view.stretches) == 2
    assert view.picture().size[0] > 300


def test_surrogates_follow_the_class(lens, digit):
    view = lens.sensitivity(digit)
    assert view.wait(60)
    view.fit_surrogates()
    first = view.surrogates
    view.target = view.selection.sample.top(3)[-1]
    assert view.wait(60)
    assert view.surrogates is None
    view.target = view.selection.sample.top(1)[0]
    assert view.wait(60)
    assert view.surrogates == first


def test_a_black_image(network):
    view = nnlens.Lens(network.model).sensitivity(torch.zeros(1, 1, 28, 28))
    assert view.wait(60)
    assert view.error is None
    assert view.adversarial is not None
