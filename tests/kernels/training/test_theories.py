"""Theories against closed forms, published values, and what is measured."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import mutual_info_score
from torch import nn

from nnlens.kernels import training
from nnlens.kernels.training import theories


def test_the_sharpness_settles_at_two_over_the_rate():
    digits = load_digits()
    x = torch.tensor(digits.data[:500] / 16, dtype=torch.float32)
    y = torch.nn.functional.one_hot(torch.tensor(digits.target[:500]), 10).float()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
    before = [item.clone() for item in model.parameters()]
    mean = training.mean_loss(x, y, batch=500)
    # Half the sum of squares of each example.
    found = theories.edge_of_stability(model, lambda item: 5 * mean(item), rate=0.2, steps=4000, every=200)
    assert found.bound == 10
    assert found.sharpness[0] < 0.8 * found.bound
    assert found.settled == pytest.approx(1, abs=0.03)
    assert found.losses[-1] < 0.5 * found.losses[0]
    assert found.describe()
    assert all(map(torch.equal, before, model.parameters()))


def test_a_quadratic_is_stable_below_the_bound_only():
    x, y = torch.eye(3).double() * torch.tensor([3.0, 2.0, 1.0]), torch.ones(3, 1).double()
    torch.manual_seed(0)
    model, loss = nn.Linear(3, 1, bias=False).double(), training.mean_loss(x, y)  # sharpness 6
    found = theories.edge_of_stability(model, loss, rate=0.33, steps=200, every=50)
    assert found.sharpness == pytest.approx([6] * 5, rel=1e-6)
    assert found.losses[-1] < 1e-3 < found.losses[0]
    with pytest.raises(ValueError, match="rate must be smaller"):
        theories.edge_of_stability(model, loss, rate=0.5, steps=5000, every=5000)
    with pytest.raises(ValueError, match="rate must be above 0"):
        theories.edge_of_stability(model, loss, rate=0.0)


def test_the_risk_of_the_shortest_fit_is_that_of_the_closed_form():
    found = theories.double_descent((0.2, 0.5, 0.7, 1.6, 3, 6), examples=120, draws=30)
    assert found.measured == pytest.approx(found.expected, rel=0.15)
    assert theories.expected_risk(0.5, noise=2) == pytest.approx(4)
    assert theories.expected_risk(2, signal=3, noise=1) == pytest.approx(5.5)
    assert theories.expected_risk(1) == math.inf
    peak = theories.double_descent((0.5, 1, 2), examples=100)
    assert peak.measured[1] > 5 * max(peak.measured[0], peak.measured[2])
    with pytest.raises(ValueError, match="ratios must leave at least one feature"):
        theories.double_descent((0.001,))


def test_collapsed_features_are_a_simplex():
    count = 10
    simplex = torch.eye(count).double() - 1 / count
    labels = torch.arange(count).repeat(4)
    features = torch.cat([simplex, torch.zeros(count, 3)], 1)[labels] + 5
    weight = torch.cat([simplex, torch.zeros(count, 3)], 1)
    found = theories.neural_collapse(features, labels, weight=weight)
    assert found.within == pytest.approx(0, abs=1e-12)
    assert found.lengths == pytest.approx(0, abs=1e-12)
    assert found.dual == pytest.approx(0, abs=1e-12)
    assert found.agreement == 1
    assert found.cosines[0, 1] == pytest.approx(-1 / 9)
    # With scatter the first number is that of its definition.
    torch.manual_seed(0)
    noisy = features + 0.1 * torch.randn(features.shape).double()
    noisy_found = theories.neural_collapse(noisy, labels)
    means = np.stack([noisy[labels == c].mean(0).numpy() for c in range(count)])
    left = noisy.numpy() - means[labels.numpy()]
    middle = means - means.mean(0)
    expected = np.trace(left.T @ left / 40 @ np.linalg.pinv(middle.T @ middle / count, rcond=1e-10)) / count
    assert noisy_found.within == pytest.approx(expected, rel=1e-6)
    assert math.isnan(noisy_found.dual)
    with pytest.raises(ValueError, match="labels must have each of the classes"):
        theories.neural_collapse(features, labels * 2)


def test_a_trained_network_collapses():
    torch.manual_seed(0)
    digits = load_digits(n_class=4)
    x, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    body, head = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU()), nn.Linear(16, 4)
    before = theories.neural_collapse(body(x), y, weight=head.weight, bias=head.bias)
    optimiser = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=3e-3, weight_decay=1e-4)
    for _step in range(400):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(body(x)), y).backward()
        optimiser.step()
    after = theories.neural_collapse(body(x), y, weight=head.weight, bias=head.bias)
    assert after.within < 0.2 * before.within
    assert after.dual < 0.5 * before.dual
    assert after.agreement > 0.99


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        (1, {1: 2, 0.5: 0.94233, 0: 0.31831, -0.5: -0.05767}),
        (2, {1: 3, 0.5: 1.35148, 0: 0.68571, -0.5: 0.34386}),
    ],
)
def test_the_kernel_has_its_published_values(hidden, expected):
    found = theories.neural_tangent_kernel(np.array(list(expected)), hidden=hidden)
    assert found == pytest.approx(list(expected.values()), abs=1e-4)
    with pytest.raises(ValueError, match="cosine must be −1…1"):
        theories.neural_tangent_kernel(1.5)


@pytest.mark.parametrize("hidden", [1, 2])
def test_a_wide_network_has_the_kernel_of_the_theory(hidden):
    x = torch.nn.functional.normalize(torch.randn(5, 6, generator=torch.Generator().manual_seed(1)), dim=1)
    width = 1024 if hidden == 2 else 4096
    models = [theories.TangentNetwork(6, width, hidden=hidden, seed=seed) for seed in range(20)]
    found = torch.stack([theories.finite_tangent_kernel(model, x) for model in models]).mean(0)
    expected = theories.neural_tangent_kernel((x @ x.T).clamp(-1, 1).numpy(), hidden=hidden)
    assert found.numpy() == pytest.approx(expected, abs=0.12)
    # The definition, by one gradient after the other.
    slopes = []
    for row in x[:2]:
        model = models[0]
        model.zero_grad()
        model(row[None]).sum().backward()
        slopes.append(torch.cat([item.grad.flatten() for item in model.parameters()]))
    exact = theories.finite_tangent_kernel(models[0], x)
    assert exact[0, 1].item() == pytest.approx((slopes[0] @ slopes[1]).item(), rel=1e-4)


def test_information_is_that_of_counting():
    torch.manual_seed(0)
    values, labels = torch.tanh(2 * torch.randn(200, 2)), torch.randint(0, 3, (200,))
    found = theories.information_plane(values, labels, bins=(2, 5, 30))
    low, high = values.min().item(), values.max().item()
    for place, count in enumerate((2, 5, 30)):
        codes = ((values.double() - low) / (high - low) * count).long().clamp(0, count - 1)
        names = [tuple(row) for row in codes.tolist()]
        numbers = [sorted(set(names)).index(name) for name in names]
        assert found.labels[place] == pytest.approx(mutual_info_score(numbers, labels.numpy()) / math.log(2), abs=1e-9)
        assert found.inputs[place] == pytest.approx(mutual_info_score(numbers, numbers) / math.log(2), abs=1e-9)
    assert all(a <= b for a, b in itertools.pairwise(found.inputs))
    assert found.inputs[-1] <= found.most
    with pytest.raises(ValueError, match="bins must be at least 2"):
        theories.information_plane(values, labels, bins=(1,))
