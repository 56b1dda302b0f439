"""The four rules against captum, published numbers, and each other over every form that a rectifier can have."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.testing.helpers.basic_models import BasicModel_ConvNet_One_Conv
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import same_state, state_of
from torch import nn
from zoo import ZOO

from nnlens import record
from nnlens.kernels import Prepared, back_projection
from nnlens.passes.strided import Strided

RULES = ("gradient", "input × gradient", "deconvnet", "guided backprop")


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def network(rectifier=nn.ReLU) -> nn.Module:
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 6, 3, padding=1), rectifier(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), rectifier()]
    return nn.Sequential(*body, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 9, 12), rectifier(), nn.Linear(12, 5))


X = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def captums(rule: str, model: nn.Module, x, target):
    method = {
        "gradient": captum.attr.Saliency,
        "input × gradient": captum.attr.InputXGradient,
        "deconvnet": captum.attr.Deconvolution,
        "guided backprop": captum.attr.GuidedBackprop,
    }[rule](model)
    options = {"abs": False} if rule == "gradient" else {}
    return method.attribute(x.clone().requires_grad_(), target=target, **options)[0].detach().numpy()


@pytest.mark.filterwarnings("ignore:Setting (forward, )?backward hooks")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("target", [0, 3])
def test_classes_are_captums(rule, target):
    model = network()
    before = state_of(model)
    found = back_projection(model, X, target, rule=rule)
    np.testing.assert_allclose(found.values, captums(rule, model, X, target), atol=1e-5)
    assert same_state(before, state_of(model))
    assert found.value == pytest.approx(float(model(X)[0, target].detach()), abs=1e-5)
    assert found.rectifiers == ((3, 3) if rule in ("deconvnet", "guided backprop") else (0, 3))


@pytest.mark.filterwarnings("ignore:Setting (forward, )?backward hooks")
def test_published_numbers():
    model, x = BasicModel_ConvNet_One_Conv(), torch.arange(16.0).view(1, 1, 4, 4)

    class WholeOutput(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model(x)

    deconvnet = [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]]
    guided = [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]]
    for rule, expected in (("deconvnet", deconvnet), ("guided backprop", guided)):
        np.testing.assert_allclose(captums(rule, model, x, 0)[0], expected, atol=1e-5)
        np.testing.assert_allclose(back_projection(WholeOutput(), x, 0, rule=rule).values[0], expected, atol=1e-5)


FORMS = {
    "functional": lambda x: F.relu(x),
    "method": lambda x: x.relu(),
    "in place": lambda x: x.relu_(),
    "functional in place": lambda x: F.relu(x, inplace=True),
    "clamp": lambda x: x.clamp(min=0),
    "clamp_": lambda x: x.clamp_(min=0),
    "threshold": lambda x: F.threshold(x, 0, 0),
    "the result is not read": lambda x: not_read(x),
}


def not_read(x):
    y = x * 1
    F.relu_(y)
    return y


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rule", RULES)
def test_every_form_of_a_rectifier_is_a_rectifier(form, rule):
    found = back_projection(network(lambda: Function(FORMS[form])), X, 2, rule=rule)
    np.testing.assert_allclose(found.values, back_projection(network(), X, 2, rule=rule).values, atol=1e-6)
    assert found.rectifiers[1] == 3


@pytest.mark.parametrize(
    ("rectifier", "slope"),
    [(nn.ReLU6, lambda x: ((x > 0) & (x < 6)).double()), (nn.LeakyReLU, lambda x: torch.where(x > 0, 1.0, 0.01))],
)
def test_other_rectifiers_by_hand(rectifier, slope):
    """One layer, so that the signal at the rectifier is the last layer's weight."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 9), rectifier(), nn.Linear(9, 2)).double()
    x = 20 * torch.randn(1, 3, 2, 2, dtype=torch.double)
    before, signal = model[1](x.flatten(1)), model[3].weight[1]
    for rule, at in (
        ("gradient", signal * slope(before)),
        ("deconvnet", signal.clamp(min=0)),
        ("guided backprop", signal.clamp(min=0) * slope(before)),
    ):
        expected = (at.view(1, -1) @ model[1].weight).view(3, 2, 2)
        found = back_projection(model, x, 1, rule=rule)
        np.testing.assert_allclose(found.values, expected.detach(), atol=1e-5)


def test_units_places_and_layers_to_stop_at():
    model = network()
    values = {}
    model[3].register_forward_hook(lambda m, a, output: values.update(value=output))
    x = X.clone().requires_grad_()
    model(x)
    unit = values["value"][0, 4]
    for of, objective in ((("3", 4), unit.max()), (("3", 4, (1, 2)), unit[1, 2]), (("3", 4, "map"), unit.sum())):
        (expected,) = torch.autograd.grad(objective, x, retain_graph=True)
        found = back_projection(model, X, of)
        np.testing.assert_allclose(found.values, expected[0], atol=1e-6)
        assert found.value == pytest.approx(float(objective.detach()), abs=1e-6)
    # At a layer: what the class's score draws from the units of another one, the frozen origin of deepvis.
    scores = model(x)
    (expected,) = torch.autograd.grad(scores[0, 1], values["value"])
    np.testing.assert_allclose(back_projection(model, X, 1, at="3").values, expected[0], atol=1e-6)


@pytest.mark.parametrize("name", ["Residual", "SqueezeExcite", "ViT", "FunctionalReLU", "Hooked"])
def test_the_zoo_by_automatic_differentiation(name):
    torch.manual_seed(0)
    model, inputs = ZOO[name].build().eval(), ZOO[name].inputs()
    before = state_of(model)
    found = back_projection(model, inputs[0][:1], 1)
    assert same_state(before, state_of(model))
    x = inputs[0][:1].clone().requires_grad_()
    scores = model(x * 1)
    scores = scores.flatten(2).mean(2) if scores.ndim > 2 else scores
    (expected,) = torch.autograd.grad(scores[0, 1], x)
    np.testing.assert_allclose(found.values, expected[0], atol=1e-5)


def test_what_stands_in_the_way_is_told():
    model = network(nn.GELU)
    found = back_projection(model, X, 0, rule="guided backprop")
    assert found.obstacles == ("gelu",)
    assert "0 of 0 rectifiers, 2 pools by their switches; gelu keep the plain gradient" in found.describe()
    assert "deconvnet of class 1: 3 of 3 rectifiers" in back_projection(network(), X, 1, rule="deconvnet").describe()


@pytest.mark.parametrize(
    ("of", "options", "message"),
    [
        (9, {}, "of must be a class index 0…4, got 9"),
        (("3", 8), {}, "of must name a unit 0…7 in layer '3', got 8"),
        (("3", 1, (9, 9)), {}, r"position must be inside the 6 × 6 map, got \(9, 9\)"),
        (("3", 1, "mpa"), {}, r"position must be \(row, column\), got 'mpa'"),
        (("3", 1.5), {}, "of must name a unit 0…7 in layer '3', got 1.5"),
        (("3", True), {}, "of must name a unit 0…7 in layer '3', got True"),
        ("3", {}, "of must be a class index"),
        (1, {"rule": "magic"}, "rule must be one of gradient, input × gradient, deconvnet, guided backprop"),
        (1, {"at": "nothing"}, "layer must be one of the"),
    ],
)
def test_bad_input(of, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        back_projection(network(), X, of, **options)


def test_a_model_without_a_gradient_says_so():
    class Rounds(nn.Module):
        def forward(self, x):
            return (x.detach() * 2).mean((2, 3))

    with pytest.raises(ValueError, match="the model has no gradient from class 0"):
        back_projection(Rounds(), X, 0)
    with pytest.raises(ValueError, match="arguments don't support automatic differentiation"):
        back_projection(ZOO["InPlace"].build(), *ZOO["InPlace"].inputs(), 0)


class Overlapping(nn.Module):
    """A functional and an in-place rectifier around a pool whose windows overlap."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 2, 3)

    def forward(self, x):
        x = F.max_pool2d(self.first(x).relu_(), 3, 2)
        return F.relu(self.second(x), inplace=True).sum((2, 3))


def by_brute_force(model: Overlapping, x: torch.Tensor, target: int, rule: str) -> np.ndarray:
    """Number by number, as the papers write it: no automatic differentiation."""
    x0 = x[0].double().numpy()
    first, second = (one.weight.detach().double().numpy() for one in (model.first, model.second))
    biases = [one.bias.detach().double().numpy() for one in (model.first, model.second)]
    side = x0.shape[1]
    padded = np.pad(x0, ((0, 0), (1, 1), (1, 1)))
    before = np.zeros((3, side, side))
    for c, i, j in np.ndindex(before.shape):
        before[c, i, j] = (padded[:, i : i + 3, j : j + 3] * first[c]).sum() + biases[0][c]
    rectified = np.maximum(before, 0)
    pooled_side = (side - 3) // 2 + 1
    pooled, switch = np.zeros((3, pooled_side, pooled_side)), {}
    for c, i, j in np.ndindex(pooled.shape):
        window = rectified[c, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        row, column = np.unravel_index(window.argmax(), window.shape)
        pooled[c, i, j], switch[c, i, j] = window.max(), (c, 2 * i + row, 2 * j + column)
    last_side = pooled_side - 2
    last = np.zeros((2, last_side, last_side))
    for c, i, j in np.ndindex(last.shape):
        last[c, i, j] = (pooled[:, i : i + 3, j : j + 3] * second[c]).sum() + biases[1][c]

    def through(signal: np.ndarray, given: np.ndarray) -> np.ndarray:
        signal = signal if rule == "gradient" else np.maximum(signal, 0)
        return signal if rule == "deconvnet" else signal * (given > 0)

    signal = np.zeros_like(last)
    signal[target] = 1
    signal = through(signal, last)
    at_pool = np.zeros_like(pooled)
    for c, i, j in np.ndindex(signal.shape):
        at_pool[:, i : i + 3, j : j + 3] += signal[c, i, j] * second[c]
    at_rectifier = np.zeros_like(rectified)
    for position, target_place in switch.items():
        at_rectifier[target_place] += at_pool[position]  # where windows share a maximum, what comes back adds up
    at_rectifier = through(at_rectifier, before)
    at_pixels = np.zeros_like(padded)
    for c, i, j in np.ndindex(at_rectifier.shape):
        at_pixels[:, i : i + 3, j : j + 3] += at_rectifier[c, i, j] * first[c]
    return at_pixels[:, 1:-1, 1:-1]


@pytest.mark.parametrize("rule", ["gradient", "deconvnet", "guided backprop"])
def test_overlapping_pools_functional_and_in_place_by_brute_force(rule):
    torch.manual_seed(0)
    model, x = Overlapping(), torch.randn(1, 2, 11, 11)
    for target in (0, 1):
        found = back_projection(model, x, target, rule=rule)
        np.testing.assert_allclose(found.values, by_brute_force(model, x, target, rule), atol=1e-5)
    assert found.rectifiers[1] == 2
    assert found.pools == 1


@pytest.mark.parametrize("rectifier", [nn.ReLU6, lambda: nn.Hardtanh(0, 1), lambda: Function(lambda x: x.clamp(0, 2))])
def test_at_its_ceiling_a_rectifiers_input_is_followed(rectifier):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), rectifier())
    x = 30 * torch.randn(1, 3, 8, 8)
    before = model[0](x)[0, 1].detach()
    row, column = divmod(int(before.argmax()), 6)
    found = back_projection(model, x, ("1", 1))
    expected = back_projection(model, x, ("0", 1, (row, column)))
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
    assert np.abs(found.values).max() > 0
    assert found.position == expected.position == (row, column)
    assert back_projection(model, x, ("1", 1, "map")).position is None
    low = divmod(int(before.argmin()), 6)
    assert np.abs(back_projection(model, x, ("1", 1, low)).values).max() == 0


@settings(max_examples=60, deadline=None)
@given(
    stride=st.integers(2, 4),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    sides=st.tuples(st.integers(9, 20), st.integers(9, 20)),
    channels=st.integers(1, 4),
)
def test_strided_convolutions_towards_few_channels(stride, kernel, padding, sides, channels):
    generator = torch.Generator().manual_seed(sum(kernel) + stride)
    weight = torch.randn(5, channels, *kernel, generator=generator, dtype=torch.double)
    x = torch.randn(2, channels, *sides, generator=generator, dtype=torch.double, requires_grad=True)
    plain = F.conv2d(x, weight, None, stride, padding)
    signal = torch.randn(plain.shape, generator=generator, dtype=torch.double)
    (expected,) = torch.autograd.grad(plain, x, signal)
    ours = Strided(weight, None, stride, padding)(x)
    torch.testing.assert_close(ours, plain)
    (found,) = torch.autograd.grad(ours, x, signal)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("rule", RULES)
def test_a_prepared_model_gives_the_same(rule):
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    model = nn.Sequential(*body, nn.Conv2d(8, 6, 3), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    model(torch.randn(8, 3, 32, 32))
    model.eval()
    x = torch.randn(1, 3, 32, 32)
    prepared = Prepared(model, x)
    for of in (2, ("4", 3), ("1", 5, (4, 4)), ("2", 1, "map")):
        expected = back_projection(model, x, of, rule=rule)
        found = back_projection(model, x, of, rule=rule, recording=prepared.recording, prepared=prepared)
        np.testing.assert_allclose(found.values, expected.values, atol=1e-5)
        assert found.rectifiers == expected.rectifiers


@pytest.mark.parametrize("inplace", [nn.ReLU(inplace=True), nn.ELU(inplace=True), Function(lambda x: x.sigmoid_())])
def test_towards_a_layer_that_was_written_over(inplace):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), inplace, nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(2 * 144, 3))
    values = {}
    model[2].register_forward_pre_hook(lambda module, given: values.update(value=given[0]))
    expected = torch.autograd.grad(model(X)[0, 1], values["value"])[0]
    found = back_projection(model, X, 1, at="1")
    np.testing.assert_allclose(found.values, expected[0], atol=1e-6)


def test_towards_a_layer_that_is_written_over_and_not_returned():
    """Who holds the tensor finds in it what the layer gave."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), Function(not_read), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(288, 3))
    values = {}
    model[2].register_forward_pre_hook(lambda module, given: values.update(value=given[0]))
    scores = model(X)
    expected = torch.autograd.grad(scores[0, 1], values["value"])[0]
    found = back_projection(model, X, 1, at="1.relu")
    np.testing.assert_allclose(found.values, expected[0], atol=1e-6)
    assert found.value == pytest.approx(float(scores[0, 1].detach()), abs=1e-5)


def test_one_input_that_is_finite_inside_inference_mode_too():
    with pytest.raises(ValueError, match=r"x must be one input \(1, …\), got the shape \(2, 3, 16, 16\)"):
        back_projection(network(), X.expand(2, -1, -1, -1), 0)
    with pytest.raises(ValueError, match="the model gives nan for class 0"):
        back_projection(network(), X * torch.nan, 0)
    model = network()
    expected = back_projection(model, X, ("3", 1)).values
    with torch.inference_mode():
        np.testing.assert_allclose(back_projection(model, X, ("3", 1)).values, expected, atol=1e-6)


def test_a_recording_of_another_size_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with pytest.raises(ValueError, match=r"recording is of inputs of the shape \(3, 16, 16\), got \(3, 12, 12\)"):
        back_projection(model, X[:, :, :12, :12], ("1", 1), recording=record(model, X))
