"""Exponents that are known: maps, flows, products of matrices, recurrent layers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from nnlens.kernels import chaos


def test_the_logistic_map_the_tent_map_and_the_cat_map():
    logistic = chaos.lyapunov(lambda x, _t: 4 * x * (1 - x), torch.tensor([0.3]), steps=1500, transient=50)
    assert logistic.values[0] == pytest.approx(math.log(2), abs=0.02)
    assert abs(logistic.values[0] - math.log(2)) < 4 * logistic.errors[0]
    assert "grow" in logistic.describe()

    # With slope ±2 everywhere each step counts exactly; 1.9999 keeps the state off the binary fractions.
    tent = chaos.lyapunov(lambda x, _t: 1.9999 * torch.minimum(x, 1 - x), torch.tensor([0.3]), steps=200)
    assert tent.values[0] == pytest.approx(math.log(1.9999), abs=1e-12)

    matrix = torch.tensor([[2.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    cat = chaos.lyapunov(lambda x, _t: (matrix @ x) % 1, torch.tensor([0.1, 0.2]), steps=200, transient=50)
    assert cat.values == pytest.approx([0.962424, -0.962424], abs=1e-5)


def test_the_henon_map_shrinks_areas_exactly():
    def step(x, _t):
        for _iteration in range(5):
            x = torch.stack([1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])
        return x

    found = chaos.lyapunov(step, torch.tensor([0.1, 0.1]), steps=1500, transient=20)
    assert found.values.sum() / 5 == pytest.approx(math.log(0.3), abs=1e-12)
    assert found.values[0] / 5 == pytest.approx(0.4192, abs=0.015)
    assert found.dimension == pytest.approx(1 + found.values[0] / -found.values[1])


def test_the_lorenz_system():
    def flow(x):
        return torch.stack([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

    dt = 0.02

    def step(x, _t):
        one = flow(x)
        two = flow(x + dt / 2 * one)
        three = flow(x + dt / 2 * two)
        return x + dt / 6 * (one + 2 * two + 2 * three + flow(x + dt * three))

    found = chaos.lyapunov(step, torch.tensor([1.0, 1.0, 20.0]), steps=1200, transient=200)
    assert found.values / dt == pytest.approx([0.9056, 0.0, -14.572], abs=0.2)
    assert found.values.sum() / dt == pytest.approx(-(10 + 1 + 8 / 3), abs=0.01)


def test_a_deep_linear_network_has_the_exponents_of_gaussian_products():
    rng = torch.Generator().manual_seed(0)
    width, scale = 8, 1.3
    expected = chaos.gaussian_exponents(width, scale)
    published = [0.1973, 0.1208, 0.0306, -0.0792, -0.2194, -0.4125, -0.7194, -1.4125]
    assert expected == pytest.approx(published, abs=1e-4)
    matrices = torch.randn(2000, 10, width, width, generator=rng, dtype=torch.float64) * scale / math.sqrt(width)

    def step(x, t):
        for layer in range(10):
            x = matrices[t, layer] @ x
        return x

    # From a fixed point, so that the state does not overflow; 20,000 layers.
    found = chaos.lyapunov(step, torch.zeros(width, dtype=torch.float64), steps=2000)
    assert np.abs(found.values / 10 - expected).max() < 0.01
    assert (np.abs(found.values / 10 - expected) < 0.4 * found.errors + 1e-4).all()


def test_collapsed_directions_are_minus_infinity():
    found = chaos.lyapunov(lambda x, _t: x * torch.tensor([2.0, 0.5, 0.0]), torch.zeros(3), steps=40)
    assert found.values[:2] == pytest.approx([math.log(2), math.log(0.5)], abs=0.2)
    assert found.values[2] == -math.inf
    assert found.collapsed == 1
    assert math.isnan(found.errors[2])
    assert "1 of 3" in found.describe()


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_recurrent_layer_equals_the_products_of_its_jacobians(kind):
    torch.manual_seed(0)
    layer = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind](3, 5, num_layers=2, batch_first=True)

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x)[0][:, -1]

    x = torch.randn(1, 30, 3)
    model = Reader().eval()
    found = chaos.recurrent_exponents(model, x, directions=4, transient=5)
    assert found.steps == 25

    exact = layer.double()
    count = 2 * 5 * (2 if kind == "lstm" else 1)

    def step(state, t):
        parts = tuple(item.reshape(2, 1, 5) for item in state.chunk(2 if kind == "lstm" else 1))
        _out, new = exact(x[:, t : t + 1].double(), parts if kind == "lstm" else parts[0])
        new = new if isinstance(new, tuple) else (new,)
        return torch.cat([item.flatten() for item in new])

    state, product = torch.zeros(count, dtype=torch.float64), None
    start = torch.randn(count, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q, logs = torch.linalg.qr(start)[0], []
    if kind == "lstm":  # torch keeps all hidden states before all cells
        q = q.view(2, 2, 5, 4).transpose(0, 1).reshape(20, 4)
    for t in range(30):
        product = torch.autograd.functional.jacobian(lambda value, t=t: step(value, t), state)
        state = step(state, t).detach()
        q, r = torch.linalg.qr(product @ q)
        logs.append(r.diagonal().abs().log())
    expected = torch.stack(logs[5:]).mean(0).sort(descending=True).values
    np.testing.assert_allclose(found.values, expected, atol=1e-5)


def test_a_linear_recurrent_network_has_the_logarithms_of_its_eigenvalues():
    torch.manual_seed(1)
    layer = nn.RNN(2, 4, nonlinearity="relu", batch_first=True)
    with torch.no_grad():  # all units stay on: the layer is linear
        layer.weight_hh_l0.copy_(torch.rand(4, 4) * 0.4)
        layer.weight_ih_l0.abs_()
        layer.bias_ih_l0.fill_(1.0)
        layer.bias_hh_l0.fill_(0.0)
    expected = torch.linalg.eigvals(layer.weight_hh_l0.double()).abs().log().sort(descending=True).values
    found = chaos.recurrent_exponents(layer, torch.rand(1, 600, 2), transient=100)
    assert found.values[0] == pytest.approx(float(expected[0].detach()), abs=1e-6)
    np.testing.assert_allclose(found.values, expected.detach(), atol=0.02)


def test_wrong_input_is_refused():
    state = torch.zeros(2)
    for words, given in (
        ("directions", {"directions": 3}),
        ("steps", {"steps": 0}),
        ("steps", {"transient": -1}),
    ):
        with pytest.raises(ValueError, match=words):
            chaos.lyapunov(lambda x, _t: x, state, **{"steps": 5, **given})
    with pytest.raises(ValueError, match="finite"):
        chaos.lyapunov(lambda x, _t: x / 0, torch.ones(2), steps=5)
    with pytest.raises(ValueError, match="recurrent"):
        chaos.recurrent_exponents(nn.Linear(2, 2), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="one direction"):
        chaos.recurrent_exponents(nn.LSTM(2, 3, bidirectional=True), torch.zeros(4, 1, 2))
    with pytest.raises(ValueError, match="transient"):
        chaos.recurrent_exponents(nn.LSTM(2, 3), torch.zeros(4, 1, 2), transient=9)
