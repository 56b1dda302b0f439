"""Copies with other weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nnlens.kernels import chaos


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5))


def test_the_copy_is_drawn_anew_and_the_model_stays():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    one, other, third = (chaos.at_initialisation(model, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(one[0].weight, other[0].weight)
    assert not torch.equal(one[0].weight, third[0].weight)
    # As the module itself draws: uniform between ±1/√inputs, with the variance 1 / (3 inputs).
    assert chaos.weight_variance(one) == pytest.approx(1 / 3, rel=0.15)


def test_scaled_weights_scale_a_network_without_biases():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20, bias=False), nn.ReLU(), nn.Linear(20, 3, bias=False))
    x = torch.randn(4, 6)
    torch.testing.assert_close(chaos.with_scaled_weights(model, 2.0)(x), 4 * model(x))
    assert chaos.weight_variance(chaos.with_scaled_weights(model, 3.0)) == pytest.approx(
        9 * chaos.weight_variance(model), rel=1e-6
    )
    assert math.isnan(chaos.weight_variance(nn.ReLU()))
    with pytest.raises(ValueError, match="factor must be above 0"):
        chaos.with_scaled_weights(model, 0)


def test_shared_and_computed_weights_are_scaled_once():
    tied = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    tied[1].weight = tied[0].weight
    x = torch.randn(3, 4)
    torch.testing.assert_close(chaos.with_scaled_weights(tied, 2.0)(x), 4 * tied(x))
    computed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3, bias=False)))
    torch.testing.assert_close(chaos.with_scaled_weights(computed, 5.0)(x), 5 * computed(x))
