"""The attribution methods against captum, brute force, published numbers, and what must hold of any of them."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.testing.helpers.basic_models import BasicModel_ConvNet_One_Conv, BasicModel_MultiLayer
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net, same_state, state_of
from torch import nn
from zoo import ZOO, ViT

from nnlens import kernels, record
from nnlens.kernels import METHODS, Prepared, Subject, attribution, attribution_steps
from nnlens.kernels.attribution.methods.rise import drawn_cells, soft_masks

X = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
QUICK = {  # options that keep the tests short
    "smoothgrad": {"samples": 6},
    "integrated_gradients": {"steps": 12},
    "lime": {"samples": 60, "segments": 8, "segmentation": "grid"},
    "kernel_shap": {"samples": 40, "segments": 8, "segmentation": "grid"},
    "rise": {"samples": 40, "cells": 4},
    "extremal_perturbation": {"steps": 8},
    "occlusion": {"size": 4, "stride": 2},
}
OF_IMAGES = [name for name in METHODS if name != "attention_rollout"]


def network() -> nn.Module:
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU()]
    model = nn.Sequential(*body, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 9, 12), nn.ReLU(), nn.Linear(12, 5))
    model(torch.randn(8, 3, 16, 16))
    return model.eval()


class Linear(nn.Module):
    """Scores that are linear in the image."""

    def __init__(self, size: int = 12, classes: int = 3):
        super().__init__()
        self.head = nn.Linear(3 * size * size, classes)

    def forward(self, x):
        return self.head(x.flatten(1))


def of(model, x, name, **options):
    return attribution(model, x, name, **{**QUICK.get(name, {}), **options})


# captum and fixtures


@pytest.mark.parametrize("target", [0, 3])
def test_gradients_are_captums(target):
    model = network()
    x = X.clone().requires_grad_()
    theirs = captum.attr.Saliency(model).attribute(x, target=target, abs=False)[0].detach()
    np.testing.assert_allclose(kernels.gradient(model, X, target=target).values, theirs, atol=1e-5)
    theirs = captum.attr.InputXGradient(model).attribute(x, target=target)[0].detach()
    np.testing.assert_allclose(kernels.input_x_gradient(model, X, target=target).values, theirs, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Setting (forward, )?backward hooks")
@pytest.mark.parametrize(
    ("name", "theirs"), [("deconvnet", captum.attr.Deconvolution), ("guided_backprop", captum.attr.GuidedBackprop)]
)
def test_the_rules_are_captums_and_published(name, theirs):
    model = network()
    expected = theirs(model).attribute(X.clone().requires_grad_(), target=2)[0].detach()
    found = attribution(model, X, name, target=2)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    assert "3 of 3 rectifiers, 2 pools by their switches" in found.describe()
    published = {
        "deconvnet": [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]],
        "guided_backprop": [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]],
    }
    small = torch.arange(16.0).view(1, 1, 4, 4)
    found = attribution(BasicModel_ConvNet_One_Conv(), small, name, target=0)
    np.testing.assert_allclose(found.values[0], published[name], atol=1e-5)


@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_integrated_gradients_are_captums(baseline):
    model = network()
    theirs, delta = captum.attr.IntegratedGradients(model).attribute(
        X, baselines=baseline, target=1, n_steps=50, return_convergence_delta=True
    )
    found = kernels.integrated_gradients(model, X, target=1, baseline=baseline)
    np.testing.assert_allclose(found.values, theirs[0].detach(), atol=1e-5)
    assert found.delta == pytest.approx(float(delta), abs=1e-4)


def test_smoothgrad_is_captums_with_the_same_noise():
    model = network()
    noises = torch.randn(5, 3, 16, 16) * 0.3
    found = kernels.smoothgrad(model, X, target=4, noises=noises)
    saliency = captum.attr.Saliency(model)
    each = [saliency.attribute((X + one).requires_grad_(), target=4, abs=False)[0] for one in noises]
    np.testing.assert_allclose(found.values, torch.stack(each).mean(0).detach(), atol=1e-5)


def test_smoothgrad_draws_the_noise_that_it_says():
    class Keeping(nn.Module):
        seen: list = []  # noqa: RUF012

        def forward(self, x):
            self.seen.append(x.detach())
            return x.flatten(1)[:, :2]

    model = Keeping()
    kernels.smoothgrad(model, X, samples=200, noise=0.2, seed=3)
    noisy = torch.cat([batch for batch in model.seen if len(batch) > 2]) - X
    assert float(noisy.std()) == pytest.approx(0.2 * float(X.max() - X.min()), rel=0.02)
    assert abs(float(noisy.mean())) < 0.01


def test_grad_cam_is_captums():
    model = network()
    theirs = captum.attr.LayerGradCam(model, model[4]).attribute(X, target=2, relu_attributions=True)
    found = kernels.grad_cam(model, X, target=2, layer="4", upsample="none")
    np.testing.assert_allclose(found.values, theirs[0].detach(), atol=1e-5)
    large = F.interpolate(theirs, size=(16, 16), mode="bilinear")[0].detach()
    np.testing.assert_allclose(kernels.grad_cam(model, X, target=2, layer="4").values, large, atol=1e-5)
    signed = captum.attr.LayerGradCam(model, model[4]).attribute(X, target=2)[0].detach()
    assert float(signed.min()) < 0
    found = kernels.grad_cam(model, X, target=2, layer="4", relu=False, upsample="none")
    np.testing.assert_allclose(found.values, signed, atol=1e-5)


def test_grad_cam_has_the_published_numbers():
    model, x = BasicModel_ConvNet_One_Conv(), torch.arange(16.0).view(1, 1, 4, 4)
    for layer, expected in (("conv1", [[11.25, 13.5], [20.25, 22.5]]), ("relu1", [[0, 4], [28, 32.5]])):
        found = kernels.grad_cam(model, x, target=0, layer=layer, upsample="none")
        np.testing.assert_allclose(found.values[0], expected, atol=1e-5)


def test_grad_cam_plus_plus_is_its_formula():
    model = network()
    layer = model[:6](X).detach().requires_grad_()
    score = model[6:](layer)[0, 1]
    (g,) = torch.autograd.grad(score, layer)
    a, g = layer.detach()[0], g[0]
    expected = torch.zeros(a.shape[1:])
    for unit in range(len(a)):
        weight = 0.0
        for position in np.ndindex(*a.shape[1:]):
            below = 2 * g[unit][position] ** 2 + a[unit].sum() * g[unit][position] ** 3
            if below != 0:
                weight += g[unit][position] ** 2 / below * max(g[unit][position], 0)
        expected += weight * a[unit]
    found = kernels.grad_cam_plus_plus(model, X, target=1, layer="5", upsample="none")
    np.testing.assert_allclose(found.values[0], expected.clamp(min=0), atol=1e-5)


def test_guided_grad_cam_is_the_product():
    model = network()
    fine = kernels.guided_backprop(model, X, target=2).values
    where = kernels.grad_cam(model, X, target=2, layer="5").values
    np.testing.assert_allclose(kernels.guided_grad_cam(model, X, target=2, layer="5").values, fine * where, atol=1e-7)


def test_occlusion_is_captums():
    model = network()
    theirs = captum.attr.Occlusion(model).attribute(X, (3, 5, 5), strides=(3, 3, 3), target=1)[0, 0]
    found = attribution(model, X, "occlusion", target=1, size=5, stride=3, score="logit")
    np.testing.assert_allclose(found.values[0], theirs, atol=1e-5)
    assert found.forwards == 1 + 5 * 5


def test_vectors_go_through_the_gradients_methods():
    model = BasicModel_MultiLayer()
    x = torch.tensor([[20.0, 50.0, 30.0]])
    for name, theirs in (
        ("gradient", captum.attr.Saliency(model).attribute(x.clone().requires_grad_(), target=0, abs=False)),
        ("integrated_gradients", captum.attr.IntegratedGradients(model).attribute(x, target=0)),
    ):
        np.testing.assert_allclose(attribution(model, x, name, target=0).values, theirs[0].detach(), atol=1e-3)
    with pytest.raises(ValueError, match=r"x must be an image \(1, channels, height, width\).*got \(1, 3\)"):
        attribution(model, x, "rise")


# RISE and extremal perturbation


def test_rise_is_brute_force_with_given_masks():
    model, masks = network(), torch.rand(30, 16, 16)
    found = kernels.rise(model, X, target=3, masks=masks, keep=0.4, fill=0.2)
    expected = torch.zeros(16, 16)
    for mask in masks:
        with torch.no_grad():
            expected += mask * model(X * mask + 0.2 * (1 - mask)).softmax(-1)[0, 3] / (30 * 0.4)
    np.testing.assert_allclose(found.values[0], expected, atol=1e-5)


def test_a_growing_rise_is_the_mean_of_the_masks_so_far(monkeypatch):
    from nnlens.passes.whole_passes import WholePasses

    monkeypatch.setattr(WholePasses, "chunk", property(lambda self: 10))
    model, masks = network(), torch.rand(40, 16, 16)
    subject = Subject(model, X, target=3, score="probability")
    first = next(iter(attribution_steps(subject, "rise", masks=masks)))
    assert first.done == 0.25
    expected = kernels.rise(model, X, target=3, masks=masks[:10])
    np.testing.assert_allclose(first.values, expected.values, atol=1e-6)


def test_rises_masks_are_what_the_paper_says():
    masks = soft_masks(*drawn_cells(np.random.default_rng(0), 4000, 5, 0.3, 33, 47), 33, 47)
    assert masks.shape == (4000, 33, 47)
    assert (float(masks.min()), float(masks.max())) == (0, 1)
    np.testing.assert_allclose(masks.mean(0), 0.3, atol=0.04)
    assert len({tuple(mask.flatten().tolist()) for mask in masks[:50]}) == 50


def test_extremal_perturbation_keeps_the_patch_that_matters():
    class Patch(nn.Module):
        """Sees the mean of one quarter's middle alone."""

        def forward(self, x):
            seen = x[:, :, 4:12, 18:26].mean((1, 2, 3))
            return torch.stack([seen * 5, -seen], 1)

    x = torch.ones(1, 3, 32, 32)
    found = kernels.extremal_perturbation(Patch(), x, target=0, fill=0.0, area=0.1, steps=60)
    mask = found.values[0]
    assert 0 <= mask.min() <= mask.max() <= 1
    assert mask[4:12, 18:26].mean() > 0.8
    assert mask.mean() == pytest.approx(0.1, abs=0.06)
    outside = mask.copy()
    outside[1:15, 15:29] = 0
    assert outside.mean() < 0.02


# Attention


class Transformer(nn.Module):
    """A vision transformer of a 3 × 4 grid, with or without a class token."""

    def __init__(self, token: bool = True):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8)) if token else None
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True) for _ in range(3))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.head(x[:, 0] if self.token is not None else x.mean(1))


@pytest.mark.parametrize("token", [True, False])
def test_rollout_is_the_product_of_the_attentions(token):
    model, x = Transformer(token).eval(), torch.randn(1, 3, 12, 16)
    recording = record(model, x)
    total = None
    for block in range(3):
        weights = recording[f"blocks.{block}.self_attn.attention_weights"][0].double()
        mixed = 0.5 * weights.mean(0) + 0.5 * torch.eye(12 + token, dtype=torch.float64)
        total = mixed if total is None else mixed @ total
    row = total[0, 1:] if token else total.mean(0)
    expected = F.interpolate(row.view(1, 1, 3, 4).float(), size=(12, 16), mode="bilinear")[0]
    found = kernels.attention_rollout(model, x)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert "the same for every class" in found.describe()


def test_grad_cam_of_tokens_takes_a_layer_that_the_class_token_still_reads():
    model, x = ViT().eval(), torch.randn(1, 3, 8, 8)
    found = kernels.grad_cam(model, x, relu=False, upsample="none")
    assert found.layer == "blocks.1.norm1"
    assert found.values.shape == (1, 2, 2)
    assert not found.all_zero
    # By hand: the mean over the patches of the gradient, times the values.
    recording = record(model, x)
    kept = recording["blocks.1.norm1"].clone().requires_grad_()
    block = model.blocks[1]
    with torch.enable_grad():
        before = recording["blocks.0.add:2"]
        batch, tokens, width = kept.shape
        qkv = block.qkv(kept).reshape(batch, tokens, 3, 2, 4).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*qkv.unbind(0)).transpose(1, 2).reshape(batch, tokens, width)
        y = before + block.proj(mixed)
        y = y + block.mlp(block.norm2(y))
        (g,) = torch.autograd.grad(model.head(y[:, 0])[0].max(), kept)
    expected = (kept[0, 1:] * g[0, 1:].mean(0)).sum(-1).view(1, 2, 2).detach()
    np.testing.assert_allclose(found.values, expected, atol=1e-5)


# What must hold of any


@pytest.mark.parametrize("name", OF_IMAGES)
def test_the_model_goes_back_untouched(name):
    model = Net()
    model(torch.randn(4, 3, 32, 32))
    model.head.weight.grad = torch.ones_like(model.head.weight)
    model.stem.weight.requires_grad_(False)
    model.train()
    x = torch.randn(1, 3, 32, 32)
    before, given = state_of(model), x.clone()
    found = of(model, x, name)
    assert same_state(before, state_of(model))
    assert torch.equal(x, given)
    assert not x.requires_grad
    assert found.complete
    assert np.isfinite(found.values).all()
    assert found.values.shape[1:] == (32, 32)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_a_constant_model_owes_nothing_to_any_place(name):
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x):
            y = self.conv(x).relu()
            return y.mean((2, 3)) * 0 + torch.tensor([1.0, 2.0, 0.5, 0.1])

    found = of(Constant(), X, name, target=1)
    if name in ("rise", "extremal_perturbation"):  # what they say is the mask's own shape: no place beats another
        return
    assert np.abs(found.values).max() < 1e-6
    if name not in ("lime", "kernel_shap", "occlusion"):
        assert found.all_zero
        assert "all zero" in found.describe()


@pytest.mark.parametrize("name", [one for one in OF_IMAGES if METHODS[one].random])
def test_one_seed_one_result(name):
    model = network()
    first, second = of(model, X, name, seed=5), of(model, X, name, seed=5)
    np.testing.assert_array_equal(first.values, second.values)
    assert not np.array_equal(first.values, of(model, X, name, seed=6).values)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_the_size_of_the_batches_changes_nothing(name, monkeypatch):
    from nnlens.passes.whole_passes import WholePasses

    model = network()
    whole = of(model, X, name, target=1)
    monkeypatch.setattr(WholePasses, "size", property(lambda self: 1))
    alone = of(model, X, name, target=1)
    scale = np.abs(whole.values).max()
    np.testing.assert_allclose(alone.values, whole.values, atol=max(1e-6, 2e-3 * scale))
    assert (whole.forwards, whole.backwards) == (alone.forwards, alone.backwards)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_permuted_channels_with_permuted_filters_change_nothing(name):
    model, order = network(), [2, 0, 1]
    other = network()
    with torch.no_grad():
        other[0].weight.copy_(model[0].weight[:, order])
    options = {"segmentation": "grid"} if name in ("lime", "kernel_shap") else {}
    one = of(model, X, name, target=1, **options)
    two = of(other, X[:, order], name, target=1, **options)
    if name == "smoothgrad":  # its noise is drawn channel by channel
        return
    expected = one.values if len(one.values) == 1 else one.values[order]
    np.testing.assert_allclose(two.values, expected, atol=max(1e-6, 2e-3 * np.abs(expected).max()))


@pytest.mark.parametrize("name", OF_IMAGES)
def test_steps_grow_to_the_same_result_and_can_be_left(name):
    model = network()
    subject = Subject(model, X, target=2, score=METHODS[name].score)
    found = list(attribution_steps(subject, name, **QUICK.get(name, {})))
    assert [one.done for one in found] == sorted(one.done for one in found)
    assert [one.complete for one in found] == [False] * (len(found) - 1) + [True]
    np.testing.assert_array_equal(found[-1].values, of(model, X, name, target=2).values)
    before = state_of(model)
    steps = attribution_steps(Subject(model, X, target=2), name, **QUICK.get(name, {}))
    next(steps)
    steps.close()
    assert same_state(before, state_of(model))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, -1.0]))
def test_identities_of_a_linear_model(seed, baseline):
    torch.manual_seed(seed)
    model, x = Linear(), torch.randn(1, 3, 12, 12)
    weights = model.head.weight[1].detach().view(3, 12, 12)
    np.testing.assert_allclose(kernels.gradient(model, x, target=1).values, weights, atol=1e-6)
    found = kernels.integrated_gradients(model, x, target=1, baseline=baseline, steps=3)
    np.testing.assert_allclose(found.values, (x[0] - baseline) * weights, atol=1e-5)
    assert found.delta == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(kernels.smoothgrad(model, x, target=1, samples=3, seed=seed).values, weights, atol=1e-6)
    # Occlusion without overlap: Σ w (x − b) per window, at each of its pixels.
    found = attribution(model, x, "occlusion", target=1, size=4, stride=4, fill=baseline, score="logit")
    sums = ((x[0] - baseline) * weights).sum(0).view(3, 4, 3, 4).sum((1, 3))
    np.testing.assert_allclose(found.values[0], sums.repeat_interleave(4, 0).repeat_interleave(4, 1), atol=1e-4)


def test_smoothgrad_of_one_sample_without_noise_is_the_gradient():
    model = network()
    found = kernels.smoothgrad(model, X, target=2, samples=1, noise=0)
    np.testing.assert_array_equal(found.values, kernels.gradient(model, X, target=2).values)


def test_occluding_with_the_image_itself_changes_nothing():
    found = attribution(network(), X, "occlusion", size=4, stride=4, fill=X[0])
    assert np.abs(found.values).max() < 1e-6


def test_probabilities_are_explained_too():
    model = network()
    x = X.clone().requires_grad_()
    model(x).softmax(-1)[0, 3].backward()
    found = kernels.gradient(model, X, target=3, score="probability")
    np.testing.assert_allclose(found.values, x.grad[0], atol=1e-6)
    assert found.value == pytest.approx(float(model(X).softmax(-1)[0, 3].detach()), abs=1e-6)


def test_a_prepared_model_says_the_same():
    model = network()
    prepared = Prepared(model, X)
    for name in OF_IMAGES:
        one, two = of(model, X, name, target=1), of(model, X, name, target=1, prepared=prepared)
        np.testing.assert_allclose(one.values, two.values, atol=max(1e-6, 1e-4 * np.abs(one.values).max()))


# Models that are not made for it


def test_a_model_without_a_gradient_still_has_the_methods_that_only_look():
    class Counting(nn.Module):
        def forward(self, x):
            return torch.stack([(x > 0).float().mean((1, 2, 3)), (x > 1).float().mean((1, 2, 3))], 1)

    for name, method in METHODS.items():
        if name == "attention_rollout":
            continue
        if method.gradient:
            with pytest.raises(ValueError, match=r"the model has no gradient|layer must have maps"):
                of(Counting(), X, name)
        else:
            assert not of(Counting(), X, name, score="logit").all_zero


def test_a_model_that_mixes_its_batch_is_asked_one_by_one():
    class Mixing(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 4)

        def forward(self, x):
            return self.head((x - x.mean((0, 2, 3), keepdim=True)).abs().mean((2, 3)) * 3)

    model = Mixing()
    masks = torch.rand(9, 16, 16)
    found = kernels.rise(model, X, target=1, masks=masks)
    with torch.no_grad():
        alone = torch.stack([mask * model(X * mask).softmax(-1)[0, 1] for mask in masks]).sum(0) / (9 * 0.5)
    np.testing.assert_allclose(found.values[0], alone, atol=1e-5)


def test_a_path_that_depends_on_the_input_is_followed():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x):
            seen = x.mean((2, 3))
            return self.one(seen) if bool(x.mean() > 0.1) else self.two(seen).relu()

    model, x = Branching(), X + 0.3
    found = kernels.integrated_gradients(model, x, target=0, steps=8)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    total = torch.zeros(3, 16, 16)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        at = (x * float(node)).requires_grad_()
        total += torch.autograd.grad(model(at)[0, 0], at)[0][0] * float(weight)
    np.testing.assert_allclose(found.values, total * x[0], atol=1e-5)


def test_models_that_cannot_be_recorded_can_still_be_explained():
    class Leaving(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, x):
            return self.head(torch.from_numpy(x.mean((2, 3)).detach().numpy()))

    found = of(Leaving(), X, "lime", fill=0.0)
    assert found.surrogate.r2 > 0.9
    with pytest.raises(ValueError, match="no gradient from class"):
        of(Leaving(), X, "gradient")


@pytest.mark.parametrize("name", ["FunctionalReLU", "Residual", "SqueezeExcite", "ViT", "Dense", "Branches"])
def test_the_zoos_networks_have_gradients_like_autograds(name):
    specimen = ZOO[name]
    torch.manual_seed(0)
    model = specimen.build().eval()
    (x,) = specimen.inputs()
    leaf = x.clone().requires_grad_()
    scores = kernels.class_scores(model(leaf * 1))
    (expected,) = torch.autograd.grad(scores[0, 1], leaf)
    np.testing.assert_allclose(kernels.gradient(model, x, target=1).values, expected[0], atol=1e-5)


# Bad input


def test_bad_input_is_told():
    model = network()
    for options, error, words in (
        ({"target": 5}, ValueError, "target must be 0…4, got 5"),
        ({"target": "cat"}, TypeError, "target must be a class index, got str"),
        ({"score": "odds"}, ValueError, 'score must be "logit" or "probability"'),
    ):
        with pytest.raises(error, match=words):
            attribution(model, X, "gradient", **options)
    with pytest.raises(ValueError, match=r"method must be one of gradient, input_x_gradient.*got 'shap'"):
        attribution(model, X, "shap")
    with pytest.raises(
        TypeError, match=r"lime has no option 'sample'; did you mean 'samples'\?; it takes samples, segments"
    ):
        attribution(model, X, "lime", sample=3)
    with pytest.raises(ValueError, match=r"x must be one input as a tensor \(1, …\), got \(2, 3, 16, 16\)"):
        attribution(model, X.repeat(2, 1, 1, 1), "gradient")
    with pytest.raises(ValueError, match="x must be finite"):
        attribution(model, X * torch.nan, "gradient")
    for name, options, words in (
        ("smoothgrad", {"samples": 0}, "samples must be 1…, got 0"),
        ("smoothgrad", {"noise": -1}, "noise must be at least 0"),
        ("smoothgrad", {"noises": torch.ones(3, 2)}, r"noises must have the shape \(samples, 3, 16, 16\)"),
        ("integrated_gradients", {"steps": 0}, "steps must be 1…"),
        ("integrated_gradients", {"baseline": "surround"}, "baseline must not be"),
        ("grad_cam", {"layer": "9"}, "layer must have maps"),
        ("grad_cam", {"layer": "nothing"}, "layer must be one of the 11 operations"),
        ("grad_cam", {"layer": "4", "upsample": "cubic"}, "upsample must be"),
        ("rise", {"keep": 1.0}, "keep must be above 0 and below 1"),
        ("rise", {"masks": torch.ones(2, 3, 3)}, r"masks must be \(samples, 16, 16\)"),
        ("extremal_perturbation", {"area": 0}, "area must be above 0"),
        ("lime", {"width": 0}, "width must be above 0"),
        ("lime", {"segments": np.zeros((3, 3), int)}, r"segments must be whole numbers of the shape \(16, 16\)"),
        ("lime", {"segmentation": "voronoi"}, "segmentation must be one of"),
        ("lime", {"segments": 0}, "segments must be 1…256"),
        ("attention_rollout", {}, "needs a model with self-attention"),
        ("occlusion", {"size": 17}, "size must be 1…16 high"),
    ):
        with pytest.raises(ValueError, match=words):
            attribution(model, X, name, **options)


def test_scores_that_are_none():
    class Nothing(nn.Module):
        def forward(self, x):
            return "cat"

    with pytest.raises(TypeError, match="the scores must be a tensor, got str"):
        attribution(Nothing(), X, "gradient")

    class Rows(nn.Module):
        def forward(self, x):
            return x.flatten(0, 1).mean((1, 2))[:, None]

    with pytest.raises(ValueError, match=r"one row of scores for one (input|image), got \(3, 1\)"):
        attribution(Rows(), X, "gradient")

    class Broken(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)) * torch.nan

    with pytest.raises(ValueError, match="the model must give finite scores"):
        attribution(Broken(), X, "gradient")


def test_a_constant_image_is_nothing_special():
    model = network()
    x = torch.full((1, 3, 16, 16), 0.5)
    for name in OF_IMAGES:
        found = of(model, x, name, **({"segmentation": "slic"} if name in ("lime", "kernel_shap") else {}))
        assert np.isfinite(found.values).all(), name


def test_every_method_is_a_function_with_its_options():
    import inspect

    for name, method in METHODS.items():
        assert method.cost() > 0
        if name == "occlusion":
            continue
        function = getattr(kernels, name)
        shown = inspect.signature(function).parameters
        assert {"target", "score", "prepared", *method.options} <= set(shown)
        assert len(function.__doc__) > 80
    found = kernels.lime(network(), X, segments=4, segmentation="grid", samples=20)
    assert (found.method, found.parameters["samples"]) == ("lime", 20)
