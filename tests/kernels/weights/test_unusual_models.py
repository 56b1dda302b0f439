"""Models that are unusual but plausible: other precisions, own forwards, shared and shrinking weights."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

import nnlens
from nnlens.kernels import weights


def ending(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_replacements_keep_the_precision(dtype):
    net, x = ending(nn.Conv2d(3, 4, 5)).to(dtype), torch.randn(2, 3, 9, 9).to(dtype)
    result = weights.sweep(net, "0", x)
    assert {one.method for one in result.results} == {"low-rank", "separable", "depthwise-separable", "gabor", "prune"}
    for one in result.results:
        assert one.model(x).dtype == dtype
        assert {parameter.dtype for parameter in one.model.parameters()} == {dtype}


def test_weights_in_any_memory_order_can_be_pruned():
    for layer in (nn.Conv2d(3, 4, 5).to(memory_format=torch.channels_last), nn.ConvTranspose2d(3, 4, 3)):
        net, x = ending(layer), torch.randn(1, 3, 9, 9)
        copy = weights.replace(net, "0", "prune", amount=0.5).model
        assert (copy[0].weight == 0).sum() == round(0.5 * layer.weight.numel())
        with torch.no_grad():
            torch.testing.assert_close(weights.replace(net, "0", "prune", amount=0.0).model(x), net(x))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.a, self.b = nn.Embedding(5, 5), nn.Linear(5, 5), nn.Linear(5, 5)
        self.b.weight = self.a.weight
        self.head = nn.Linear(5, 5)
        self.head.weight = self.embedding.weight


def test_the_module_that_was_asked_for_is_replaced_even_if_its_weight_is_shared():
    net = Tied()
    result = weights.replace(net, "b", "prune", amount=0.8)
    assert result.layer == "b"
    assert (result.model.b.weight == 0).sum() == 20
    assert torch.equal(result.model.a.weight, net.a.weight)
    assert weights.replace(net, "head", "low-rank", rank=5).layer == "head"


class Doubling(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) * 2 + 1


class Standardised(nn.Conv2d):
    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight / weight.std((1, 2, 3), keepdim=True), self.bias)


@pytest.mark.parametrize("method", ["low-rank", "depthwise-separable"])
@pytest.mark.parametrize("kind", [Doubling, Standardised])
def test_modules_that_compute_something_else_are_refused(kind, method):
    with pytest.raises(ValueError, match="forward or hooks of its own"):
        weights.replace(ending(kind(3, 4, 3)), "0", method, rank=1)


def test_hooks_that_change_a_layer_are_not_lost_unsaid():
    net = ending(nn.Conv2d(3, 4, 3))
    handle = net[0].register_forward_hook(lambda module, args, output: output * 3)
    for method, given in (("low-rank", {"rank": 4}), ("prune", {"amount": 0.0})):
        with pytest.raises(ValueError, match="hooks"):
            weights.replace(net, "0", method, **given)
    handle.remove()
    assert weights.replace(net, "0", "low-rank", rank=4).weight_error < 1e-6


class Halved(nn.Module):
    def forward(self, value):
        return value / 2


def test_a_parametrised_bias_stays():
    pruned = prune.random_unstructured(nn.Conv2d(3, 4, 3), "bias", 0.5)
    halved = nn.Conv2d(3, 4, 3)
    parametrize.register_parametrization(halved, "bias", Halved())
    for layer in (pruned, halved):
        net, x = ending(layer), torch.randn(1, 3, 9, 9)
        for method, given in (("low-rank", {"rank": 4}), ("prune", {"amount": 0.0})):
            with torch.no_grad():
                torch.testing.assert_close(weights.replace(net, "0", method, **given).model(x), net(x))


def test_the_random_state_stays_and_frozen_layers_stay_frozen():
    net = ending(nn.Conv2d(3, 4, 5)).requires_grad_(False)
    before = torch.get_rng_state()
    result = weights.sweep(net, "0", torch.ones(1, 3, 9, 9))
    assert torch.equal(before, torch.get_rng_state())
    assert not any(parameter.requires_grad for one in result.results for parameter in one.model.parameters())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"methods": ["prune"], "settings": [1.5]}, "amount must be"),
        ({"methods": ["low-rank"], "settings": [1.5]}, "rank must be a whole number 1…4"),
        ({"methods": ["low-rank"], "settings": [99]}, "rank must be a whole number 1…4"),
        ({"methods": ["gabor"], "settings": [1]}, "left out|needs"),
        ({"methods": "prune"}, "methods must be a list"),
        ({"settings": 0.5, "methods": ["prune"]}, "settings must be a list"),
        ({"labels": ["a", "b"]}, "labels must be class indices 0…3"),
        ({"labels": [0, 99]}, "labels must be class indices 0…3"),
    ],
)
def test_a_sweep_checks_what_it_is_given(given, words):
    with pytest.raises((TypeError, ValueError), match=words):
        weights.sweep(ending(nn.Conv2d(3, 4, 5)), "0", torch.ones(2, 3, 9, 9), **given)


def test_numbers_of_numpy_are_numbers():
    net = ending(nn.Conv2d(3, 4, 3))
    assert weights.replace(net, "0", "low-rank", rank=np.int64(2)).setting == 2
    assert weights.replace(net, "0", "prune", amount=np.float32(0.5)).setting == 0.5


class Scaled(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.lock = threading.Lock()

    def reset_parameters(self, std=None):
        if std is None:
            raise TypeError("std is missing")
        super().reset_parameters()


class Locked(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.lock = threading.Lock()


def test_a_layer_that_cannot_be_initialised_keeps_its_own_statistics():
    torch.manual_seed(0)
    layer = Locked(6, 6)
    layer.__class__ = Scaled
    net = nn.Sequential(layer, nn.ReLU(), Locked(6, 4), nn.Linear(4, 3))
    view = nnlens.Lens(net).weights(draws=3)
    assert view.wait(60)
    first, second, third = view.weight_rows
    assert (first["draws"], second["draws"], third["draws"]) == (0, 3, 3)
    assert first["numbers"]["std"]["value"] > 0
    assert "std is missing" in first["findings"][-1]
    assert view.weights_progress == {"done": 9, "total": 9, "running": False}
    assert len(view.result) == 3
    with pytest.raises(ValueError, match="can be copied"):
        weights.replace(net, "2", "low-rank", rank=2)


def test_heads_of_other_widths_have_no_symmetry():
    net = nn.ModuleDict({"a": nn.MultiheadAttention(8, 2, kdim=5, vdim=6)})
    heads = weights.heads(net, "a")
    assert heads.query_key.shape == (2, 8, 5)
    assert np.isnan(heads.copying()).all()
    assert np.isnan(heads.symmetry()).all()
    view = nnlens.Lens(net).filters("a.q_proj_weight")
    assert view.wait(30)
    assert view.heads["heads"][0]["copying"] is None


def test_dead_filters_have_no_direction():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 8, 5)
    with torch.no_grad():
        conv.weight[2] *= 1e-9
    statistics = weights.FilterStatistics(weights.find_one(conv, ""))
    assert np.flatnonzero(np.isnan(statistics.orientation.angle)).tolist() == [2]
    assert statistics.orientation.uniformity().count == 7


def test_a_layer_that_shrinks_or_goes_while_it_is_shown():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 9))
    view = nnlens.Lens(net).filters("4", torch.rand(1, 3, 9, 9), filter=8)
    net[4] = nn.Linear(4, 2)
    view.update(full=True)
    assert (view.bank["filters"], view.filter, view.detail["filter"]) == (2, 1, 1)
    net[4] = nn.Identity()
    view.update(full=True)
    assert (view.weight, view.bank["name"]) == ("0", "0")


def test_an_error_in_a_job_is_raised_and_does_not_hang():
    net = ending(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Conv2d(4, 6, 1))
    lens = nnlens.Lens(net)
    images = torch.rand(6, 3, 12, 12)
    with pytest.raises(ValueError, match="rank must be"):
        lens.replacements("0", images, methods=["low-rank"], settings=[99])
    view = lens.replacements("0", images, methods=["separable"], settings=[2])
    assert view.wait(30)
    view.weight = "2"  # of 1 × 1: separable still fits, and has the full rank 4
    assert view.wait(30)
    view = lens.replacements("0", images, methods=["depthwise-separable"])
    view.weight = "2"
    assert view.wait(30)
    assert "more than one pixel" in view.error["message"]
    with pytest.raises(ValueError, match="more than one pixel"):
        _ = view.result
    # All images are used where there are fewer than were asked for.
    assert lens.replace("0", "prune", amount=0.1, dataset=images).images == 6


def test_the_loss_has_an_interval():
    net = ending(nn.Conv2d(3, 4, 5))
    images = torch.rand(40, 3, 12, 12)
    result = weights.sweep(net, "0", images, methods=["low-rank", "prune"])
    full = result.results[[one.setting for one in result.results].index(4)]
    assert (full.lost, full.won, full.loss) == (0, 0, 0)
    low, high = full.loss_interval
    assert low < 0 < high < 0.1
    worst = max(result.results, key=lambda one: one.loss)
    assert worst.loss == pytest.approx(1 - worst.agreement)
    assert worst.loss_interval[0] <= worst.loss <= worst.loss_interval[1]
    labels = (net(images).argmax(1) + 1) % 4  # the model is always wrong: a replacement can only win
    won = weights.sweep(net, "0", images, labels=labels.tolist(), methods=["prune"])
    assert all(one.lost == 0 and one.loss <= 0 for one in won.results)


def test_unclear_calls_get_clear_errors():
    net = ending(nn.Conv2d(3, 4, 5))
    x = torch.rand(1, 3, 9, 9)
    recording = nnlens.record(net, x)
    for call, words in (
        (lambda: weights.find_one(net, None), "layer must be a module or its name"),
        (lambda: weights.expanded_weights(net, recording, x, "0", [0], images=[]), "at least one image"),
        (lambda: weights.full_rank(weights.find_one(nn.Linear(3, 2), ""), "separable"), "rows and columns"),
        (lambda: weights.find(nn.Linear(3, 2, device="meta")), "meta device"),
        (lambda: nnlens.Lens(net).weights(against={"initial": net}), '"initial"'),
        (lambda: nnlens.Lens(net).replacements(None, x), "layer must be"),
        (lambda: nnlens.Lens(nnlens.zoo.digits()), "give its .model"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            call()
