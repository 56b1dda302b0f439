"""Orientation and Gabor fits on planted patterns, dead and duplicate filters, expanded weights, gratings, heads."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import torch
from torch import nn

import nnlens
from nnlens.kernels import weights


def planted(count: int, noise: float, seed: int = 0, side: int = 11):
    """Gabor functions with their angles and frequencies."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side].astype(float)
    planes, known = [], []
    for _ in range(count):
        angle, frequency, phase = rng.uniform(0, 180), rng.uniform(0.14, 0.34), rng.uniform(0, 2 * np.pi)
        sigma, centre = rng.uniform(1.6, 3, 2), rng.uniform(4, 6, 2)
        turn = np.radians(angle)
        right, up = x - centre[0], centre[1] - y
        u, v = right * np.cos(turn) + up * np.sin(turn), up * np.cos(turn) - right * np.sin(turn)
        envelope = np.exp(-(u**2) / 2 / sigma[0] ** 2 - v**2 / 2 / sigma[1] ** 2)
        plane = envelope * np.cos(2 * np.pi * frequency * u + phase)
        planes.append(plane + noise * plane.std() * rng.standard_normal((side, side)))
        known.append((angle, frequency))
    return np.array(planes), np.array(known)


def turned(one, other):
    """The difference of two directions in degrees."""
    return np.abs((np.asarray(one) - other + 90) % 180 - 90)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_planted_gabors_are_recovered(noise):
    planes, known = planted(60, noise)
    fit = weights.fit_gabor(planes)
    assert turned(fit.angle, known[:, 0]).max() < 2
    assert np.abs(fit.frequency / known[:, 1] - 1).max() < 0.03
    assert fit.r_squared.min() > (0.999999 if noise == 0 else 0.97)


def test_the_gabor_fit_is_as_good_as_scipys():
    planes, _ = planted(8, 0.6, seed=3)
    fit = weights.fit_gabor(planes)
    y, x = np.mgrid[:11, :11].reshape(2, -1).astype(float)

    def function(p):
        right, up = x - p[0], p[1] - y
        u, v = right * np.cos(p[2]) + up * np.sin(p[2]), up * np.cos(p[2]) - right * np.sin(p[2])
        envelope = np.exp(-(u**2) / 2 / p[4] ** 2 - v**2 / 2 / p[5] ** 2)
        return envelope * p[6] * np.cos(2 * np.pi * p[3] * u + p[7]) + p[8]

    lower = [0, 0, -10, 0, 0.6, 0.6, -9, -10, -9]
    upper = [10, 10, 10, 0.5, 11, 11, 9, 10, 9]
    for index, plane in enumerate(planes):
        begin = [
            fit.centre[index, 1], fit.centre[index, 0], np.radians(fit.angle[index]), fit.frequency[index],
            *fit.sigma[index], fit.amplitude[index], np.radians(fit.phase[index]) - 2 * np.pi, fit.offset[index],
        ]  # fmt: skip
        begin = np.clip(begin, np.array(lower) + 1e-6, np.array(upper) - 1e-6)
        # The parameters mean what the documentation says, and scipy finds nothing better from there.
        np.testing.assert_allclose(function(begin), fit.fitted[index].ravel(), atol=1e-4)
        peer = scipy.optimize.least_squares(
            lambda p, plane=plane: function(p) - plane.ravel(), begin, bounds=(lower, upper)
        )
        total = ((plane - plane.mean()) ** 2).sum()
        assert fit.r_squared[index] >= 1 - 2 * peer.cost / total - 2e-3


def test_noise_fits_badly_and_little_patterns_are_refused():
    noise = weights.noise_fit(11, 11)
    assert noise.r_squared.max() < 0.3
    with pytest.raises(ValueError, match="25 pixels"):
        weights.fit_gabor(np.zeros((4, 3, 3)))
    with pytest.raises(ValueError, match="finite"):
        weights.fit_gabor(np.full((1, 7, 7), np.nan))
    flat = weights.fit_gabor(np.ones((1, 7, 7)))
    assert np.isnan(flat.r_squared[0])


def test_rotating_a_bank_rotates_its_angles():
    planes, known = planted(40, 0)
    bank = torch.from_numpy(planes).unsqueeze(1)
    one, other = weights.orientation(bank), weights.orientation(bank.rot90(1, (2, 3)))
    assert np.median(turned(one.angle, known[:, 0])) < 4
    assert turned(other.angle, one.angle + 90).max() < 1e-9
    np.testing.assert_allclose(one.frequency, other.frequency)
    np.testing.assert_allclose(
        weights.fit_gabor(planes).frequency, weights.fit_gabor(np.rot90(planes, 1, (1, 2))).frequency, rtol=1e-3
    )
    before, after = one.uniformity(), other.uniformity()
    assert before.resultant == pytest.approx(after.resultant)
    assert turned(after.direction, before.direction + 90) < 1e-6


def test_a_filters_pattern_is_its_best_product_of_channels_and_picture():
    torch.manual_seed(0)
    for channels in (2, 20):  # fewer and more than the nine pixels
        bank = torch.randn(5, channels, 3, 3)
        result = weights.orientation(bank)
        values = torch.linalg.svdvals(bank.flatten(2).double()).numpy()
        np.testing.assert_allclose(result.share, values[:, 0] ** 2 / (values**2).sum(1), rtol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(result.planes, axis=(1, 2)), values[:, 0], rtol=1e-9)
    with pytest.raises(ValueError, match="2 × 2 pixels"):
        weights.orientation(torch.randn(4, 3, 1, 1))


def test_dead_and_duplicate_filters_are_found():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 10, 5)
    with torch.no_grad():
        conv.weight[2] = 0
        conv.weight[5] = 2 * conv.weight[1] + 1e-3
        conv.weight[7] = conv.weight[1]
    result = weights.FilterStatistics(weights.find_one(conv, ""))
    assert np.flatnonzero(result.dead).tolist() == [2]
    assert result.duplicates == ((1, 5, 7),)
    assert result.redundant == 2
    order = result.order("similarity").tolist()
    assert sorted(order) == list(range(10))
    assert {1, 5, 7} == set(order[order.index(5) : order.index(5) + 3])
    assert result.order("norm")[0] == 5
    for by in weights.ORDERS:
        assert sorted(result.order(by)) == list(range(10))
    with pytest.raises(ValueError, match="by must be one of"):
        result.order("size")


def deep_net() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 5, 2), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(8, 6, 3, bias=False),
        nn.BatchNorm2d(6), nn.SiLU(), nn.Conv2d(6, 4, 1), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(16, 5),
    )  # fmt: skip
    net[4].running_mean.normal_()
    net[4].running_var.uniform_(0.5, 2)
    return net.eval()


def test_expanded_weights_are_the_gradient_of_the_linear_network():
    net, x = deep_net(), torch.randn(1, 3, 40, 40)
    recording = nnlens.record(net, x)
    linear = nn.Sequential(
        net[0], nn.AvgPool2d(2), net[3], net[4], net[6], nn.AdaptiveAvgPool2d(2), nn.Flatten(), net[9]
    )
    for layer, end in (("6", 5), ("9", 8)):
        start = torch.randn_like(x).requires_grad_()
        output = linear[:end](start)
        number = output[0, 2] if layer == "9" else output[0, 2, output.shape[2] // 2, output.shape[3] // 2]
        (gradient,) = torch.autograd.grad(number, start)
        result = weights.expanded_weights(net, recording, x, layer, [0, 2])
        top, left, bottom, right = result.box
        torch.testing.assert_close(
            torch.from_numpy(result.values[1]), gradient[0, :, top : bottom + 1, left : right + 1]
        )
        assert gradient.abs().sum() == pytest.approx(abs(result.values[1]).sum(), rel=1e-5)  # nothing was cut off
        assert result.linear
    assert result.replaced == ("1", "2", "5", "7")


def test_expanded_weights_of_the_first_layer_are_its_filters():
    net, x = deep_net(), torch.zeros(1, 3, 40, 40)
    result = weights.expanded_weights(net, nnlens.record(net, x), x, "0", range(8))
    assert np.array_equal(result.values, net[0].weight.detach().numpy())
    assert result.replaced == ()


def test_the_mean_gradient_is_the_mean_of_the_gradients():
    net = deep_net()
    images = torch.randn(3, 3, 40, 40)
    recording = nnlens.record(net, images[:1])
    result = weights.expanded_weights(net, recording, images[:1], "6", [1], images=images)
    start = images.clone().requires_grad_()
    output = net[:7](start)
    (gradient,) = torch.autograd.grad(output[:, 1, output.shape[2] // 2, output.shape[3] // 2].sum(), start)
    top, left, bottom, right = result.box
    torch.testing.assert_close(
        torch.from_numpy(result.values[0]), gradient.mean(0)[:, top : bottom + 1, left : right + 1]
    )
    assert (result.linear, result.images) == (False, 3)


def test_expanded_weights_say_where_there_is_no_linear_part():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softmax(1), nn.Conv2d(4, 2, 3)).eval()
    x = torch.randn(1, 1, 9, 9)
    recording = nnlens.record(net, x)
    with pytest.raises(ValueError, match="mixes its inputs"):
        weights.expanded_weights(net, recording, x, "2", [0])
    assert not weights.expanded_weights(net, recording, x, "2", [0], images=x).linear
    with pytest.raises(ValueError, match="shape of x"):
        weights.expanded_weights(net, recording, x, "2", [0], images=torch.zeros(1, 1, 8, 8))


def test_a_filter_prefers_its_own_grating():
    planes, known = planted(6, 0, seed=5)
    conv = nn.Conv2d(1, 6, 11, bias=False)
    conv.weight.data = torch.from_numpy(planes).float().unsqueeze(1)
    x = torch.zeros(1, 1, 41, 41)
    recording = nnlens.record(conv, x)
    frequencies = np.array([0.08, 0.14, 0.2, 0.26, 0.32])
    tuning = weights.gratings(conv, recording, x, recording.names[0], frequencies=frequencies, orientations=18)
    for unit, (angle, frequency) in enumerate(known):
        best_angle, best_frequency, _ = tuning.best(unit)
        assert turned(best_angle, angle) <= 10
        assert abs(best_frequency - frequency) <= 0.07
        assert 0.2 < tuning.selectivity(unit) <= 1
    # A linear filter's response is the real part of its Fourier transform, at the best of four phases.
    row, column = np.unravel_index(tuning.values[0].argmax(), tuning.values[0].shape)
    shown = [
        weights.grating(41, 41, tuning.orientations[row], frequencies[column], phase) for phase in (0, 90, 180, 270)
    ]
    with torch.no_grad():
        responses = [float(conv(wave[None, None])[0, 0, 15, 15]) for wave in shown]
    assert tuning.values[0, row, column] == pytest.approx(max(responses), rel=1e-5)


def test_gratings_refuse_what_pixels_cannot_show():
    net, x = deep_net(), torch.zeros(1, 3, 40, 40)
    recording = nnlens.record(net, x)
    with pytest.raises(ValueError, match="at most 0\\.5"):
        weights.gratings(net, recording, x, "0", frequencies=np.array([0.7]))
    with pytest.raises(ValueError, match="orientations"):
        weights.gratings(net, recording, x, "0", orientations=0)


class Separate(nn.Module):
    """Attention whose keys and values are shared by pairs of heads."""

    def __init__(self):
        super().__init__()
        self.num_heads = 4
        self.q_proj, self.o_proj = nn.Linear(12, 16), nn.Linear(16, 12)
        self.k_proj, self.v_proj = nn.Linear(12, 8), nn.Linear(12, 8)


def test_the_products_of_heads_are_those_of_their_projections():
    torch.manual_seed(0)
    net = nn.ModuleDict({"torchs": nn.MultiheadAttention(12, 3), "shared": Separate()})
    assert weights.attention_modules(net) == ("torchs", "shared")
    torchs = weights.heads(net, "torchs")
    query, key, value = (part.reshape(3, 4, 12) for part in net["torchs"].in_proj_weight.detach().chunk(3))
    torch.testing.assert_close(torchs.query_key[1], query[1].T @ key[1])
    output = net["torchs"].out_proj.weight.detach()
    torch.testing.assert_close(torchs.value_output[2], output[:, 8:12] @ value[2])
    shared = weights.heads(net, "shared")
    assert (len(shared), shared.width) == (4, 4)
    torch.testing.assert_close(
        shared.query_key[3], net["shared"].q_proj.weight[12:].T @ net["shared"].k_proj.weight[4:].detach()
    )
    for products, values in zip((shared.query_key, shared.value_output), shared.spectra(), strict=True):
        np.testing.assert_allclose(values, torch.linalg.svdvals(products.double())[:, :4].detach(), atol=1e-7)
    with pytest.raises(ValueError, match="torchs, shared"):
        weights.heads(net, "shared.q_proj")


def test_copying_and_symmetric_heads_are_told():
    module = nn.MultiheadAttention(8, 2, bias=False)
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.cat([torch.eye(8)] * 3))
        module.out_proj.weight.copy_(torch.eye(8))
    result = weights.heads(nn.ModuleDict({"a": module}), "a")
    np.testing.assert_allclose(result.copying(), 1, atol=1e-9)
    np.testing.assert_allclose(result.symmetry(), 1, atol=1e-9)
