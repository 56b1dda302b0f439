"""Growth, stretch and decision borders: against dense Jacobians, closed forms and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import nnlens
from nnlens.kernels import chaos
from nnlens.recording import record


class Residual(nn.Module):
    """A small network with a residual, normalisation and pools, whose activations write in place."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        x = nn.functional.relu(self.norm(self.first(x)), inplace=True)
        x = nn.functional.gelu(self.second(x)) + x
        return self.head(nn.functional.max_pool2d(x, 2).mean((2, 3)))


def case():
    torch.manual_seed(0)
    model = Residual()
    model(torch.randn(8, 1, 6, 6))
    return model.eval(), torch.randn(1, 1, 6, 6)


def test_growth_equals_a_very_small_change():
    model, x = case()
    directions = chaos.random_directions(x, 5)
    found = chaos.growth(model, x, directions)
    exact, point = model.double(), x.double()
    base = record(exact, point)
    names = found.layers
    assert {"first", "second", "head"} <= set(names)
    size = 1e-6
    for number, direction in enumerate(directions.double()):
        moved = record(exact, point + size * direction)
        for name in names:
            change = float((moved[name] - base[name]).norm() / base[name].norm())
            expected = change / (size / float(point.norm()))
            assert found.factors[number, found.layers.index(name)] == pytest.approx(expected, rel=1e-3), name
    assert "5 directions" in found.describe()


@pytest.mark.parametrize("layer", [None, "second"])
def test_stretch_equals_the_singular_values_of_the_dense_jacobian(layer):
    model, x = case()
    found = chaos.stretch(model, x, layer, directions=3, rounds=60)

    def value(given):
        if layer is None:
            return model(given)[0]
        seen = []
        handle = model.second.register_forward_hook(lambda _module, _args, output: seen.append(output))
        model(given)
        handle.remove()
        return seen[0].flatten()

    dense = torch.autograd.functional.jacobian(value, x).flatten(1)
    _rows, expected, right = torch.linalg.svd(dense, full_matrices=False)
    np.testing.assert_allclose(found.values, expected[:3], rtol=1e-3)
    overlap = (found.directions.flatten(1)[0] @ right[0]).abs()
    assert float(overlap) == pytest.approx(1, abs=1e-3)
    assert found.depth == (3 if layer is None else 2)
    np.testing.assert_allclose(found.exponents, np.log(found.values) / found.depth)


def linear(classes: int) -> nn.Module:
    torch.manual_seed(classes)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, classes)).eval()


@pytest.mark.parametrize("classes", [2, 5, 20])
def test_deepfool_is_the_closed_form_on_linear_classifiers(classes):
    model = linear(classes)
    weights, bias = model[1].weight.detach(), model[1].bias.detach()
    for seed in range(4):
        torch.manual_seed(seed)
        x = torch.randn(1, 3, 4)
        scores = weights @ x.flatten() + bias
        own = int(scores.argmax())
        ways = [
            float((scores[own] - scores[other]) / (weights[own] - weights[other]).norm())
            for other in range(classes)
            if other != own
        ]
        found = chaos.deepfool(model, x, candidates=classes, overshoot=0.0)
        assert found.distance == pytest.approx(min(ways), rel=1e-3, abs=1e-3)
        assert (found.before, found.steps) == (own, 1)
        assert int(model(found.x).argmax()) == found.after != own
        with_more = chaos.deepfool(model, x, candidates=classes)
        assert with_more.distance == pytest.approx(1.02 * found.distance, rel=1e-4)
        # Along its direction the border is as far by trying as by the formula; along a random one it is farther.
        along = chaos.decision_distance(model, x, found.x - x)
        assert along == pytest.approx(min(ways), rel=2e-3)
        assert chaos.decision_distance(model, x, torch.randn(1, 3, 4)) >= along * 0.999


def test_a_single_score_is_yes_or_no():
    model = nn.Sequential(nn.Linear(3, 1))
    x = torch.randn(1, 3)
    found = chaos.deepfool(model, x, overshoot=0.0)
    expected = abs(float(model(x).detach())) / float(model[0].weight.detach().norm())
    assert found.distance == pytest.approx(expected, abs=1e-3)
    assert found.found


def test_a_trained_network_is_fooled_by_less_than_along_other_directions():
    network = nnlens.zoo.digits()
    lens = nnlens.Lens(network.model, preprocess=network.preprocess, labels=network.labels)
    x = lens.sample(nnlens.zoo.DigitImages()[3][0]).input.x
    found = chaos.deepfool(network.model, x)
    assert found.found
    assert int(network.model(found.x).argmax()) == found.after
    gradient = chaos.decision_distance(network.model, x, chaos.gradient_direction(network.model, x))
    random = chaos.decision_distance(network.model, x, chaos.random_directions(x, 1))
    assert found.distance < 1.05 * gradient
    assert gradient < random


def test_the_model_is_untouched_and_wrong_input_is_refused():
    model, x = case()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    chaos.growth(model, x, chaos.random_directions(x, 2))
    chaos.stretch(model, x, directions=2, rounds=2)
    chaos.deepfool(model, x, steps=2)
    assert model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    with pytest.raises(ValueError, match="directions"):
        chaos.growth(model, x, torch.zeros(2, 1, 6, 6))
    with pytest.raises(ValueError, match="one input"):
        chaos.deepfool(model, torch.zeros(2, 1, 6, 6))
    with pytest.raises(ValueError, match="candidates"):
        chaos.deepfool(model, x, candidates=1)
    with pytest.raises(ValueError, match="direction"):
        chaos.decision_distance(model, x, torch.zeros_like(x))
    with pytest.raises(ValueError, match="directions"):
        chaos.stretch(model, x, directions=0)
    constant = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        constant[1].weight.zero_()
    assert not chaos.deepfool(constant, torch.ones(1, 2, 2)).found
    assert chaos.decision_distance(constant, torch.ones(1, 2, 2), torch.ones(1, 2, 2)) == math.inf
    with pytest.raises(ValueError, match="gradient"):
        chaos.gradient_direction(constant, torch.ones(1, 2, 2))
