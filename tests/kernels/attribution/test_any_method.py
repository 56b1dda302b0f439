"""What must hold of any attribution method: identities, an untouched model, growing results, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attribution_cases import OF_IMAGES, QUICK, Linear, X, network, of
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net, same_state, state_of
from torch import nn
from zoo import ZOO

from nnlens import kernels
from nnlens.kernels import METHODS, Prepared, Subject, attribution, attribution_steps

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
