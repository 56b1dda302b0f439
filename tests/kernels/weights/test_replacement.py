"""Simpler weights in place of a layer: exact at full rank, optimal below, and what they cost on images."""

from __future__ import annotations

import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations

import nnlens
from nnlens.kernels import weights
from nnlens.kernels.weights.replacement.factors import full_rank


def make_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.Conv2d(8, 12, 3, groups=2, padding="same"),
        nn.Conv2d(12, 6, (3, 5), padding=(1, 2), bias=False), nn.Flatten(), nn.Linear(6 * 64, 10),
    ).eval()  # fmt: skip


CASES = [
    (layer, method)
    for layer, methods in {
        "0": ("low-rank", "separable", "depthwise-separable"),
        "2": ("low-rank", "separable"),
        "3": ("low-rank", "separable", "depthwise-separable"),
        "5": ("low-rank",),
    }.items()
    for method in methods
]


@pytest.mark.parametrize(("layer", "method"), CASES)
def test_full_rank_changes_nothing_and_the_module_computes_with_its_weights(layer, method):
    net, x = make_net(), torch.randn(2, 3, 16, 16)
    weight = weights.find_one(net, layer)
    with torch.no_grad():
        expected = net(x)
        full = weights.replace(net, layer, method, x, rank=full_rank(weight, method))
        torch.testing.assert_close(full.model(x), expected, atol=1e-6, rtol=1e-5)
        assert full.weight_error < 1e-6
        # At rank 1 the new modules compute what a dense layer with the approximate weights computes.
        result = weights.replace(net, layer, method, x, rank=1)
        dense = deepcopy(net)
        made = weights.replacement.replacing.factors(weight, method, 1)
        dense[int(layer)].weight.data = made.values
        torch.testing.assert_close(result.model(x), dense(x), atol=1e-6, rtol=1e-5)
    inside = [p for p in result.model[int(layer)].parameters() if p.ndim > 1]
    assert result.parameters == (weight.values.numel(), sum(p.numel() for p in inside))
    assert result.flops[1] < result.flops[0]
    assert result.weight_error == pytest.approx(
        float((made.values - weight.values).norm() / weight.values.norm()), rel=1e-5
    )
    assert [type(module) for module in net] == [type(module) for module in make_net()]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6))
def test_low_rank_is_the_best_of_its_rank(rank):
    net = make_net()
    matrix = weights.find_one(net, "0").matrix()
    values = torch.linalg.svdvals(matrix)
    best = float(values[rank:].square().sum().sqrt() / values.square().sum().sqrt())
    assert weights.replace(net, "0", "low-rank", rank=rank).weight_error == pytest.approx(best, rel=1e-5)


def test_separable_filters_are_recovered_exactly():
    net = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1))
    torch.manual_seed(1)
    down, across = torch.randn(2, 4, 3), torch.randn(6, 2, 3)
    net[0].weight.data = torch.einsum("rch,orw->ochw", down, across)
    assert weights.replace(net, "0", "separable", rank=2).weight_error < 1e-6
    assert weights.replace(net, "0", "separable", rank=1).weight_error > 0.1
    depthwise, pointwise = torch.randn(4, 3, 3), torch.randn(6, 4)
    net[0].weight.data = torch.einsum("chw,oc->ochw", depthwise, pointwise)
    assert weights.replace(net, "0", "depthwise-separable", rank=1).weight_error < 1e-6


def test_pruning_keeps_the_largest_weights():
    net = make_net()
    result = weights.replace(net, "3", "prune", amount=0.75)
    before, after = net[3].weight.detach(), result.model[3].weight.detach()
    assert (after == 0).sum() == round(0.75 * before.numel())
    assert before[after != 0].abs().min() >= before[after == 0].abs().max()
    assert torch.equal(after[after != 0], before[after != 0])
    assert result.parameters[1] == int((after != 0).sum())


def test_gabor_filters_stay_and_noise_does_not():
    y, x = torch.meshgrid(torch.arange(-3.0, 4), torch.arange(-3.0, 4), indexing="ij")
    angle = torch.linspace(0, 3, 8).view(-1, 1, 1)
    wave = torch.cos(1.4 * (x * angle.cos() + y * angle.sin())) * torch.exp(-(x**2 + y**2) / 8)
    net = nn.Sequential(nn.Conv2d(3, 8, 7))
    net[0].weight.data = torch.einsum("fhw,c->fchw", wave, torch.tensor([1.0, 0.5, -0.2]))
    assert weights.replace(net, "0", "gabor").weight_error < 1e-4
    assert weights.replace(nn.Sequential(nn.Conv2d(3, 8, 7)), "0", "gabor").weight_error > 0.5


def test_modules_with_their_own_padding_parametrisations_and_two_names():
    class Padding(nn.Conv2d):
        def forward(self, x):
            return super().forward(nn.functional.pad(x, (0, 1, 0, 1)))

    net = nn.ModuleDict({"own": Padding(3, 8, 3), "normed": parametrizations.weight_norm(nn.Conv2d(3, 8, 3))})
    net["again"] = net["own"]
    x = torch.randn(1, 3, 9, 9)
    for name in ("own", "normed"):
        result = weights.replace(net, name, "low-rank", rank=8)
        torch.testing.assert_close(result.model[name](x), net[name](x), atol=1e-6, rtol=1e-5)
        assert weights.replace(net, name, "prune", amount=0.0).weight_error == 0
    result = weights.replace(net, "own", "low-rank", rank=8).model
    assert result["again"] is result["own"]
    with pytest.raises(ValueError, match="pads as torch's does"):
        weights.replace(net, "own", "separable", rank=2)
    assert "separable" in weights.replacement.replacing.methods_for(weights.find_one(net, "normed"))


@pytest.mark.parametrize(
    ("layer", "method", "given", "words"),
    [
        ("0", "lowrank", {"rank": 2}, "did you mean 'low-rank'"),
        ("0", "low-rank", {}, "needs rank"),
        ("0", "low-rank", {"rank": 2, "amount": 0.5}, "nothing else"),
        ("0", "low-rank", {"rank": 9}, "1…8"),
        ("0", "low-rank", {"rank": 2.5}, "whole number"),
        ("0", "prune", {"amount": 1.0}, "0…1"),
        ("0", "gabor", {"rank": 3}, "left out"),
        ("3", "gabor", {}, "25 pixels"),
        ("2", "depthwise-separable", {"rank": 1}, "not grouped"),
        ("5", "separable", {"rank": 1}, "needs a convolution"),
        ("1", "low-rank", {"rank": 1}, "no weights"),
    ],
)
def test_settings_that_do_not_fit_are_refused(layer, method, given, words):
    with pytest.raises((TypeError, ValueError), match=words):
        weights.replace(make_net(), layer, method, **given)


def test_layers_without_a_simpler_form_are_refused():
    with pytest.raises(ValueError, match="convolution or linear"):
        weights.replace(nn.ModuleDict({"a": nn.LSTM(3, 4)}), "a.weight_hh_l0", "low-rank", rank=1)
    with pytest.raises(ValueError, match="transposed"):
        weights.replace(nn.Sequential(nn.ConvTranspose2d(3, 4, 3)), "0", "low-rank", rank=1)


def test_a_sweep_measures_agreement_and_accuracy():
    network, data = nnlens.zoo.digits(), nnlens.zoo.DigitImages()
    pictures = nnlens.Lens(network.model, preprocess=network.preprocess).dataset(data)
    images, labels = torch.stack([pictures[item] for item in range(60)]), [data[item][1] for item in range(60)]
    steps = list(weights.sweep_steps(network.model, "features.3", images, labels=labels, methods=["low-rank", "prune"]))
    last = steps[-1]
    assert (steps[0].done, last.done) == (0, last.total)
    assert len(last.results) == last.total
    full = next(r for r in last.results if r.method == "low-rank" and r.setting == 16)
    assert full.agreement == 1
    assert full.accuracy[0] == full.accuracy[1] == last.accuracy
    with torch.no_grad():
        one = last.results[0]
        expected = one.model(images).argmax(1)
    assert one.agreement == pytest.approx(float((expected == network.model(images).argmax(1)).float().mean()))
    assert one.accuracy[1] == pytest.approx(float((expected.numpy() == np.array(labels)).mean()))
    smallest = last.smallest()
    assert smallest.accuracy[0] - smallest.accuracy[1] <= 0.01
    assert smallest.flops[1] < smallest.flops[0]
    unlabelled = weights.sweep(network.model, "features.3", images, methods=["prune"], settings=[0.0, 0.99])
    assert unlabelled.results[0].agreement == 1
    assert unlabelled.results[0].accuracy is None
    assert unlabelled.smallest() is None
    for wrong, words in (({"labels": [1]}, "one for each"), ({"methods": ["x"]}, "method must"),
                         ({"settings": [1]}, "one method")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            weights.sweep(network.model, "features.3", images, **wrong)


def test_the_copy_keeps_each_modules_mode_and_the_original_its_hooks():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Conv2d(4, 2, 3)).train()
    net[1].eval()
    for method, setting in (("low-rank", {"rank": 2}), ("prune", {"amount": 0.5})):
        copy = weights.replace(net, "0", method, **setting).model
        assert [module.training for module in copy] == [True, False, True, True]
    assert [module.training for module in net] == [True, False, True, True]


def test_a_model_with_torchs_older_weight_norm_can_be_copied():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        net = nn.Sequential(nn.utils.weight_norm(nn.Linear(5, 6)), nn.Linear(6, 3))
    x = torch.randn(2, 5)
    expected = net(x)  # leaves a computed weight in the module
    result = weights.replace(net, "1", "low-rank", rank=3)
    torch.testing.assert_close(result.model(x), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weights.replace(net, "0", "low-rank", rank=5).model(x), expected, atol=1e-6, rtol=1e-5)


def test_weights_that_their_parent_reads_are_not_replaced_by_several_layers():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.randn(1, 4, 8)
    for name in ("linear1", "self_attn.out_proj"):
        with pytest.raises(ValueError, match="reads its weight itself"):
            weights.replace(layer, name, "low-rank", rank=2)
        with torch.no_grad():
            assert weights.replace(layer, name, "prune", amount=0.5).model(x).shape == x.shape
    with pytest.raises(ValueError, match="convolution or linear"):
        weights.replace(nn.ModuleDict({"a": nn.Bilinear(3, 4, 5)}), "a", "low-rank", rank=1)
