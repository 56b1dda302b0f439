"""The runs that theories are held against: each beside its definition, or a case whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.integrate import dblquad
from torch import nn

from nnlens import zoo
from nnlens.kernels.chaos import mean_field
from nnlens.kernels.training import theories


def gaussian_mean(function) -> float:
    """The mean over two independent normal numbers, by scipy."""

    def weighted(v: float, u: float) -> float:
        return function(u, v) * math.exp(-(u * u + v * v) / 2) / (2 * math.pi)

    return dblquad(weighted, -8, 8, -8, 8, epsabs=1e-8)[0]


@pytest.mark.parametrize(("activation", "function"), [("tanh", math.tanh), ("relu", lambda x: max(x, 0.0))])
def test_correlations_follow_the_map_of_the_theory(activation, function):
    weight, bias, start = 2.0, 0.3, 0.4
    found = theories.expected_correlations(activation, weight, bias, correlation=start, depth=1)
    alike = weight * gaussian_mean(lambda u, _v: function(u) ** 2) + bias
    crossed = weight * gaussian_mean(lambda u, v: function(u) * function(start * u + math.sqrt(1 - start**2) * v))
    assert found == pytest.approx([start, (crossed + bias) / alike], abs=1e-5)


@pytest.mark.parametrize(
    ("activation", "weight", "bias"), [("tanh", 1.0, 0.05), ("tanh", 4.0, 0.05), ("relu", 2.0, 0.0)]
)
def test_wide_networks_keep_to_it(activation, weight, bias):
    found = theories.edge_of_chaos(activation, weight, bias, width=1000, depth=10, draws=3)
    assert found.measured == pytest.approx(found.expected, abs=0.08)
    assert (found.low <= found.measured).all()
    assert (found.measured <= found.high).all()
    assert found.growth == mean_field(activation, weight, bias).growth
    # Order makes all inputs alike; chaos does not.
    far = theories.expected_correlations(activation, weight, bias, depth=200)[-1]
    assert (far > 0.95) == (found.growth <= 1)


def test_a_signal_that_has_died_keeps_its_correlation():
    found = theories.expected_correlations("relu", 1e-200, 0.0, depth=3)
    assert np.isfinite(found).all()
    with pytest.raises(ValueError, match="correlation must be −1…1"):
        theories.expected_correlations("tanh", 1, 0, correlation=2)
    with pytest.raises(ValueError, match="width must be at least 2"):
        theories.edge_of_chaos("tanh", 1, 0, width=1)


def test_the_scale_of_a_layer_is_that_of_what_it_computes():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 7), nn.ReLU(), nn.Conv1d(7, 5, 1), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4, bias=False)
    )
    model[3].running_var.uniform_(0.5, 2)
    model[3].running_mean.normal_()
    nn.init.uniform_(model[3].weight)
    model.eval()
    convolution, last = theories.layer_scales(model)
    assert (convolution.name, last.name) == ("2", "5")
    # The folded layer by its answers to the axes.
    joined = nn.Sequential(model[2], model[3])
    with torch.no_grad():
        offset = joined(torch.zeros(1, 7, 1))[0, :, 0]
        weight = torch.stack([joined(row.reshape(1, 7, 1))[0, :, 0] - offset for row in torch.eye(7)], 1)
    assert convolution.weight_variance == pytest.approx(float(7 * weight.square().mean()), rel=1e-4)
    assert convolution.bias_variance == pytest.approx(float(offset.square().mean()), rel=1e-4)
    assert last.weight_variance == pytest.approx(float(5 * model[5].weight.detach().square().mean()), rel=1e-5)
    assert last.bias_variance == 0


def test_random_features_are_fitted_by_the_pseudoinverse_and_have_the_peak():
    rows, classes = zoo.digit_vectors(150, 8)
    x, y, z, w = rows[:40], classes[:40], rows[40:], classes[40:]
    found = theories.random_features(x, y, z, w, (10, 40, 400), draws=3)
    assert found.shape == (3, 3)
    assert np.median(found[1]) > 5 * max(np.median(found[0]), np.median(found[2]))
    generator = torch.Generator().manual_seed(0)
    weights = (torch.randn(64, 10, generator=generator, dtype=torch.float64) / 8).numpy()
    features, others = (np.maximum(part.double().numpy() @ weights, 0) for part in (x, z))
    fitted = np.linalg.pinv(features) @ np.eye(10)[y]
    assert found[0, 0] == pytest.approx(np.mean((others @ fitted - np.eye(10)[w]) ** 2), rel=1e-6)
    with pytest.raises(ValueError, match="counts must be at least 1"):
        theories.random_features(x, y, z, w, (0,))


def test_training_on_collapses_the_features():
    x, y = zoo.digit_vectors(200, 8)
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32), nn.BatchNorm1d(32))
    head = nn.Linear(32, 10)
    before = [item.clone() for item in (*body.state_dict().values(), *head.state_dict().values())]
    runs = list(theories.neural_collapse_steps(body, head, x - x.mean(0), y, steps=600, every=300))
    assert [step for step, _found, _right in runs] == [0, 300, 600]
    first, last = runs[0][1], runs[-1][1]
    assert last.within < 0.05 * first.within
    assert last.angles < 0.5 * first.angles
    assert last.dual < 0.2 * first.dual
    assert runs[-1][2] == 1
    # The first is that of the network as it was given, in eval mode.
    features = body.eval()(x - x.mean(0)).detach()
    expected = theories.neural_collapse(features, y, weight=head.weight.detach(), bias=head.bias.detach())
    assert first.within == pytest.approx(expected.within, rel=1e-5)
    assert all(map(torch.equal, before, (*body.state_dict().values(), *head.state_dict().values())))
    with pytest.raises(ValueError, match="batch at least 2"):
        list(theories.neural_collapse_steps(body, head, x, y, batch=1))


def test_the_kernel_of_a_wide_network_stands_still():
    x = F.normalize(torch.randn(12, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    answers = torch.sign(x[:, 0])
    narrow, wide = (theories.kernel_change(x, answers, width) for width in (8, 1024))
    assert wide < 0.1 * narrow
    assert theories.kernel_change(x, answers, 8, steps=0) == 0


def test_values_of_a_layer_are_those_of_the_training():
    x, y = zoo.digit_vectors(60, 8)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 5), nn.Tanh(), nn.Linear(5, 10))
    found = dict(theories.hidden_values_steps(model, x, y, layer=1, at=(0, 3), rate=0.1))
    assert torch.equal(found[0], model[:2](x).detach())
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    for _step in range(3):
        optimiser.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimiser.step()
    assert torch.allclose(found[3], model[:2](x), atol=1e-5)
    with pytest.raises(ValueError, match="at must be ascending"):
        next(theories.hidden_values_steps(model, x, y, layer=1, at=(3, 0)))


def test_a_shift_and_the_nearest_mean():
    images = torch.zeros(2, 1, 4, 8)
    images[:, :, :, 2] = 1.0
    # A column that moves away: ‖a − b‖ ÷ ‖a‖ = √2; the sum over columns does not see it.
    assert theories.shift_change(lambda x: x, images, (0, 1, 3)) == pytest.approx([0, math.sqrt(2), math.sqrt(2)])
    assert theories.shift_change(lambda x: x.sum(3), images, (2,)) == pytest.approx([0])
    rows = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    others = torch.tensor([[2.0], [9.0], [5.4]])
    found = theories.class_mean_accuracy(rows, torch.tensor([3, 3, 7, 7]), others, torch.tensor([3, 7, 7]))
    assert found == pytest.approx(2 / 3)
