"""The attribution methods against captum, brute force and published numbers."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from attribution_cases import Transformer, X, network
from captum.testing.helpers.basic_models import BasicModel_ConvNet_One_Conv, BasicModel_MultiLayer
from torch import nn
from zoo import ViT

from nnlens import kernels, record
from nnlens.kernels import Subject, attribution, attribution_steps
from nnlens.kernels.attribution.methods.rise import drawn_cells, soft_masks

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
