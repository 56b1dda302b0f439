"""Where the fast way does not fit, the model itself runs, and the result says so. Right values by plain torch."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from zoo import ZOO

import nnlens
from nnlens import kernels
from nnlens.kernels import prepare_passes
from nnlens.recording import borrow

X = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(5))
GRADIENTS = ("gradient", "input_x_gradient", "integrated_gradients", "smoothgrad", "grad_cam", "grad_cam_plus_plus")


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())  # fmt: skip # noqa: E501
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))

    def features(self, x):
        return self.body(x)


class Checkpointed(Base):
    def features(self, x):
        return checkpoint(self.body, x, use_reentrant=False)


class Reentrant(Base):
    def features(self, x):
        return checkpoint(self.body, x, use_reentrant=True)


class Switching(Base):
    """Turns gradients on and off, and on again for what counts."""

    def forward(self, x):
        with torch.no_grad():
            self.body(x)
        with torch.enable_grad():
            return super().forward(x)


class _Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, *signals):
        return signals[0] * 2


class OwnFunction(Base):
    def features(self, x):
        return _Double.apply(self.body(x))


class HookedTensors(Base):
    """What pytorch-grad-cam leaves on a model while it lives."""

    def __init__(self):
        super().__init__()
        self.kept = []
        self.body[2].register_forward_hook(self._note)

    def _note(self, module, args, output):
        if output.requires_grad:
            output.register_hook(self.kept.append)


class FullBackwardHook(Base):
    def __init__(self):
        super().__init__()
        self.body[3].register_full_backward_hook(lambda module, given, returned: None)


MODELS = {
    one.__name__: one for one in (Checkpointed, Reentrant, Switching, OwnFunction, HookedTensors, FullBackwardHook)
}


def right_gradient(model, target, x=X):
    leaf = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(model(leaf)[0, target], leaf)
    return found[0].numpy()


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("warm", [False, True])
def test_gradients_of_any_forward_are_autograds(name, warm):
    model, plain = MODELS[name]().eval(), Base().eval()
    if name == "OwnFunction":
        plain = model
    prepared = prepare_passes(model, X)
    if warm:  # an occlusion map leaves the prepared model ready for many passes
        kernels.occlusion(model, X, size=6, stride=6, prepared=prepared)
    right = right_gradient(plain, 1)
    for method in GRADIENTS:
        found = kernels.attribution(model, X, method, target=1, prepared=prepared)
        if method == "gradient":
            np.testing.assert_allclose(found.values, right, atol=1e-6)
        elif method == "input_x_gradient":
            np.testing.assert_allclose(found.values, right * X[0].numpy(), atol=1e-6)
        else:
            at = {"layer": found.layer.partition(":")[0]} if found.layer else {}
            expected = kernels.attribution(plain, X, method, target=1, **at)
            np.testing.assert_allclose(found.values, expected.values, atol=1e-5)
    layer = "body.2:2" if name == "Switching" else "body.2"
    back = kernels.back_projection(model, X, 1, recording=None if prepared is None else prepared.recording)
    np.testing.assert_allclose(back.values, right, atol=1e-6)
    unit = kernels.back_projection(model, X, (layer, 3))
    expected = kernels.back_projection(plain, X, ("body.2", 3))
    np.testing.assert_allclose(unit.values, expected.values, atol=1e-6)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("name", MODELS)
def test_examples_and_views_take_any_forward(name):
    model = MODELS[name]().eval()
    images = torch.rand(6, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        right = model.body[:3](images).amax((2, 3)).argmax(0)
    layer = "body.2:2" if name == "Switching" else "body.2"
    found = kernels.examples(model, images, [layer])[layer]
    assert [found.examples(unit)[0].item for unit in range(8)] == right.tolist()
    lens = nnlens.Lens(model)
    lens.explore(X, size=6, stride=6).result  # noqa: B018
    card = lens.unit(X, layer=layer).result
    assert np.abs(card.back_projection.values).max() > 0
    grid = lens.attribution(X, methods=["gradient", "grad_cam", "lime"], samples=30, segmentation="grid", segments=9)
    assert not grid.result.errors


def test_a_frozen_backbone_has_no_gradient_and_the_reason_is_named():
    class Probe(Base):
        def features(self, x):
            with torch.no_grad():
                return self.body(x)

    model = Probe().eval()
    with pytest.raises(ValueError, match=r"no gradient from class 1: .*torch\.no_grad"):
        kernels.gradient(model, X, target=1)
    assert kernels.grad_cam(model, X, target=1, layer="body.4").values.any(), "behind the block there is one"
    assert kernels.lime(model, X, target=1, samples=30, segmentation="grid", segments=9).values.any()


@pytest.mark.parametrize("name", ["Checkpointed", "Reentrant", "HookedTensors"])
def test_rules_reach_into_checkpointed_and_hooked_parts(name):
    found = kernels.guided_backprop(MODELS[name]().eval(), X, target=1)
    np.testing.assert_allclose(found.values, kernels.guided_backprop(Base().eval(), X, target=1).values, atol=1e-6)
    assert "2 of 2 rectifiers" in found.notes[0]


def test_checkpoints_of_the_user_are_theirs_again():
    import torch.utils.checkpoint as module

    before = module.CheckpointFunction, module._checkpoint_without_reentrant_generator
    kernels.gradient(Reentrant().eval(), X)
    assert before == (module.CheckpointFunction, module._checkpoint_without_reentrant_generator)


def test_where_the_prepared_pass_has_no_gradient_the_models_own_is_taken_and_it_is_said():
    class Strange(Base):
        """Writes its activations over where it is told that nobody wants a gradient."""

        def features(self, x):
            found = self.body(x)
            return found if found.requires_grad else found.mul_(1)

    model = Strange().eval()
    found = kernels.gradient(model, X, target=1)
    np.testing.assert_allclose(found.values, right_gradient(model, 1), atol=1e-6)
    assert any("of the model itself" in note for note in found.notes)


# Prepared shortcuts


@pytest.mark.parametrize(
    "name", [name for name, case in ZOO.items() if len(case.inputs()) == 1 and not case.keywords()]
)
def test_every_prepared_shortcut_is_differentiable_or_left(name):
    torch.manual_seed(0)
    model, (x,) = ZOO[name].build().eval(), ZOO[name].inputs()
    if not x.is_floating_point() or x.ndim != 4 or len(x) != 1:
        pytest.skip("not an image")
    try:
        prepared = prepare_passes(model, x)
    except (TypeError, ValueError):
        pytest.skip("no scores")
    if prepared is None or prepared.trust.level > 1:
        pytest.skip("runs as it is")
    prepared.patient = True
    with borrow(model):
        prepared(x.repeat(4, 1, 1, 1))
    leaf = x.clone().requires_grad_()
    with borrow(model), torch.enable_grad():
        try:
            scores = prepared.meaning.read(model(leaf * 1), 1)
        except RuntimeError:
            pytest.skip("no gradient in plain torch")
        if not scores.requires_grad:
            pytest.skip("no gradient")
        (right,) = torch.autograd.grad(scores[0, 0], leaf)
        (found,) = torch.autograd.grad(prepared(leaf * 1)[0, 0], leaf)
    torch.testing.assert_close(found, right, atol=1e-5, rtol=1e-3)


def test_wide_networks_have_gradients_behind_an_occlusion_map():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 128, 3, padding=1), nn.ReLU()]
    for _ in range(2):
        layers += [nn.Conv2d(128, 128, 3, padding=1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 5)).eval()
    x = torch.rand(1, 3, 40, 40)
    prepared = prepare_passes(model, x)
    kernels.occlusion(model, x, size=8, stride=4, prepared=prepared)
    assert prepared._transformed, "the transformed convolutions were used"
    found = kernels.attribution(model, x, "gradient", target=2, prepared=prepared)
    np.testing.assert_allclose(found.values, right_gradient(model, 2, x), atol=1e-6)
    assert not found.notes, "by the prepared pass"


# Nothing leaves unchecked


class OfTheBatch(nn.Module):
    """Batch statistics at test time."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(6)
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)
        self.conv, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu().amax((2, 3)))


@pytest.mark.parametrize("batch_size", [None, 1, 2])
@pytest.mark.parametrize("stride", [20, 10, 4])
def test_the_first_map_that_is_given_out_is_checked(stride, batch_size):
    model, x = OfTheBatch().eval(), torch.rand(1, 3, 40, 40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = next(iter(kernels.occlusion_steps(model, x, size=20, stride=stride, batch_size=batch_size)))
    for row, column in np.argwhere(first.computed):
        z = x.clone()
        top, left = first.tops[row], first.lefts[column]
        z[..., top : top + 20, left : left + 20] = 0
        with torch.no_grad():
            np.testing.assert_allclose(first.logits[row, column], model(z)[0], atol=1e-4)


def test_small_maps_of_the_view_are_checked_too():
    model, x = OfTheBatch().eval(), torch.rand(1, 3, 40, 40)
    lens = nnlens.Lens(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = lens.occlusion(x, size=20, stride=20).result
    z = x.clone()
    z[..., :20, :20] = lens.selection.sample.input.grey
    with torch.no_grad():
        np.testing.assert_allclose(found.logits[0, 0], model(z)[0], atol=1e-4)


# Models that draw


class Drawing(Base):
    """Draws noise in eval mode, of torch, NumPy and Python."""

    def features(self, x):
        found = super().features(x)
        return found + 0.5 * torch.randn_like(found) + float(np.random.rand()) * 0.1 + random.random() * 0.1


def test_all_positions_of_a_map_see_the_same_random_numbers():
    model = Drawing().eval()
    found = kernels.occlusion(model, X, size=6, stride=6, fill=0.0)
    again = kernels.occlusion(model, X, size=6, stride=6, fill=0.0)
    np.testing.assert_allclose(found.logits, again.logits, atol=1e-6)
    same = kernels.occlusion(model, X, size=6, stride=6, fill=X[0])
    np.testing.assert_allclose(same.change(), 0, atol=1e-6)
    assert "each with the same random numbers" in found.how
    for method in ("lime", "rise", "gradient"):
        options = {} if method == "gradient" else {"samples": 30}
        one, other = (kernels.attribution(model, X, method, target=1, **options) for _ in range(2))
        np.testing.assert_allclose(one.values, other.values, atol=1e-6)


class DrawingInPython(Base):
    """Draws numbers of Python only, in its first passes."""

    passes = 0

    def features(self, x):
        if self.passes > 0:
            type(self).passes -= 1
            random.random()
        return super().features(x)


@pytest.mark.parametrize(("passes", "drawing"), [(1, False), (100, True)])
def test_another_thread_that_draws_is_not_taken_for_the_model(passes, drawing):
    DrawingInPython.passes, model = passes, DrawingInPython().eval()
    before = random.getstate()
    found = kernels.occlusion(model, X, size=6, stride=6, fill=0.0)
    assert ("each with the same random numbers" in found.how) is drawing
    assert random.getstate() == before


@pytest.mark.parametrize("method", ["gradient", "grad_cam", "guided_backprop", "occlusion", "lime", "rise"])
def test_the_random_state_comes_back_whoever_did_the_work(method):
    model, lens = Drawing().eval(), None
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    lens = nnlens.Lens(model)
    options = {"samples": 20, "segmentation": "grid", "segments": 4}
    assert lens.attribution(X, methods=[method], **options).wait(60)
    view = lens.explore(X, size=8, stride=8)
    view.occluder = [2, 3]
    assert view.wait(60)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert before[2] == np.random.get_state()[1].tolist()


@pytest.mark.parametrize("change", [lambda g: g.clamp(-1e-4, 1e-4), torch.sign, lambda g: g * (g > 0)])
def test_hooks_that_change_gradients_do_so_in_every_pass(change):
    """Also on a convolution that the prepared pass folds a normalisation into."""
    model = Base().eval()
    model.body[1].weight.data.mul_(5)

    def note(module, args, output):
        if output.requires_grad:
            output.register_hook(change)

    model.body[0].register_forward_hook(note)
    right = right_gradient(model, 1)
    np.testing.assert_allclose(kernels.gradient(model, X, target=1).values, right, atol=1e-6)
    lens = nnlens.Lens(model)
    grid = lens.attribution(X, methods=["gradient"], target=1, checks=[]).result["gradient"]
    np.testing.assert_allclose(grid.values, right, atol=1e-6)
    back = kernels.back_projection(model, X, 1, prepared=prepare_passes(model, X))
    np.testing.assert_allclose(back.values, right, atol=1e-6)


@pytest.mark.parametrize("masked", [float("-inf"), -1e9])
def test_masked_scores_switch_no_check_off(masked):
    class Mixing(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(1)
            self.conv, self.head = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)

        def forward(self, x):
            h = self.conv(x).relu().mean((2, 3))
            h = (h - h.mean(0)) / (h.std(0) + 1e-3) if len(h) > 1 else h
            return (self.head(h) * 5).masked_fill(torch.tensor([0, 0, 1, 0]).bool(), masked)

    model = Mixing().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = kernels.occlusion(model, X, size=8, stride=8, target=0)
    z = X.clone()
    z[..., 8:16, :8] = 0
    with torch.no_grad():
        np.testing.assert_allclose(found.score(0)[1, 0], model(z).softmax(1)[0, 0], atol=1e-5)
        images = torch.cat([X, z])
        values = kernels.Subject(model, X, target=0, score="probability").values(images)
        right = torch.cat([model(image).softmax(1)[:, 0] for image in images.split(1)])
    np.testing.assert_allclose(values, right, atol=1e-5)


def test_what_a_drawing_model_is_explained_by_is_one_draw():
    model = Drawing().eval()
    subject = kernels.Subject(model, X, target=1)
    assert subject.value == pytest.approx(float(subject.values(X)[0]), abs=1e-6)
    found = kernels.integrated_gradients(model, X, target=1, steps=100)
    assert abs(found.delta) < 0.02 * abs(found.expected) + 1e-3
