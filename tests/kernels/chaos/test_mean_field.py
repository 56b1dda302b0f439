"""The edge of chaos: published values, and wide random networks that behave as the theory says."""

from __future__ import annotations

import math

import pytest
import torch

from nnlens.kernels import chaos


@pytest.mark.parametrize(
    ("bias", "weight", "length"),
    [(0.0025, 1.26009, 0.15369), (0.01, 1.42421, 0.27330), (0.05, 1.76095, 0.57005), (0.3, 2.50513, 1.46117)],
)
def test_the_critical_variance_of_tanh(bias, weight, length):
    # Computed once by another program, with 201-point Gauss-Hermite quadrature; published is 1.76 at 0.05.
    found = chaos.critical_weight_variance("tanh", bias)
    assert found == pytest.approx(weight, abs=1e-4)
    at_edge = chaos.mean_field("tanh", found, bias)
    assert at_edge.length == pytest.approx(length, abs=1e-4)
    assert at_edge.growth == pytest.approx(1, abs=1e-6)
    assert at_edge.depth > 1e5


@pytest.mark.parametrize(
    ("weight", "growth", "exponent"),
    [(0.9, 0.70635, -0.1738), (1.3, 0.88016, -0.0638), (2.5, 1.13352, 0.0627), (4.0, 1.34240, 0.1472)],
)
def test_order_and_chaos_of_tanh(weight, growth, exponent):
    found = chaos.mean_field("tanh", weight, 0.05)
    assert found.growth == pytest.approx(growth, abs=1e-5)
    assert found.exponent == pytest.approx(exponent, abs=1e-4)
    assert found.depth == pytest.approx(1 / abs(math.log(growth)), rel=1e-3)
    assert ("chaos" if growth > 1 else "order") in found.describe()


@pytest.mark.parametrize(
    ("activation", "weight", "bias"), [("tanh", 2.5, 0.05), ("tanh", 1.3, 0.05), ("relu", 1.5, 0.1)]
)
def test_a_wide_random_network_behaves_so(activation, weight, bias):
    torch.manual_seed(0)
    width, depth, function = 1000, 12, getattr(torch, activation)
    expected = chaos.mean_field(activation, weight, bias)
    length = expected.length
    h = torch.randn(width) * math.sqrt(length)
    change = torch.randn(width) * 1e-4
    growths = []
    for _layer in range(depth):
        matrix = torch.randn(width, width) * math.sqrt(weight / width)
        before = change
        slope = 1 - h.tanh() ** 2 if activation == "tanh" else (h > 0).float()
        change = matrix @ (slope * before)
        h = matrix @ function(h) + math.sqrt(bias) * torch.randn(width)
        growths.append(float(change.square().sum() / before.square().sum()))
    assert float(h.var()) == pytest.approx(length, rel=0.25)
    assert sum(growths) / depth == pytest.approx(expected.growth, rel=0.08)


def test_relu_is_critical_at_two():
    assert chaos.critical_weight_variance("relu", 0.3) == 2.0
    assert chaos.mean_field("relu", 2.0, 0.0).growth == 1
    assert chaos.mean_field("relu", 2.2, 0.0).length == math.inf
    assert chaos.mean_field("relu", 1.0, 0.5).length == 1.0
    with pytest.raises(ValueError, match="activation"):
        chaos.mean_field("gelu", 1.0, 0.1)
    with pytest.raises(ValueError, match="variance"):
        chaos.mean_field("tanh", -1.0, 0.1)
