"""What a result depends on in a model: every change is noticed, and nothing else is."""

from __future__ import annotations

import gc
import types
import weakref

import numpy as np
import pytest
import torch
from nets import Net
from torch import nn

import nnlens
from nnlens import kernels
from nnlens.recording import borrow, expect_changes, record, version_of


class Config:
    def __init__(self):
        self.temperature, self.sizes = 1.0, [3, 4]


class Many(nn.Module):
    """All that a model may be made of."""

    def __init__(self):
        super().__init__()
        self.net = Net()
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.config, self.scale, self.table = Config(), 1.0, {"a": [1, 2]}
        self.constant, self.plain = np.ones(4), torch.ones(5)

    def forward(self, x):
        return self.net((x - self.mean) * self.scale) / self.config.temperature


def _fused(model):
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    model(torch.randn(2, 3, 16, 16)).sum().backward()
    optimiser.step()
    model.zero_grad(set_to_none=True)


def _swap(model):
    model.net.drop = nn.Dropout(0.1)


def _other_class(model):
    model.net.relu.__class__ = nn.ReLU6


def _own_forward(model):
    model.net.head.forward = types.MethodType(lambda self, x: x[:, :5], model.net.head)


CHANGES = {
    "data": lambda m: m.net.head.weight.data.mul_(1.5),
    "new data": lambda m: setattr(m.net.stem.weight, "data", m.net.stem.weight.data * 2),
    "one number by numpy": lambda m: m.net.block[0].weight.detach().numpy().__setitem__((3, 2, 1, 1), 9.0),
    "in place": lambda m: m.net.head.bias.data.__setitem__(0, 5.0),
    "fused optimiser": _fused,
    "buffer": lambda m: m.mean.fill_(0.5),
    "running statistics": lambda m: m.train()(torch.randn(4, 3, 16, 16)),
    "plain tensor": lambda m: m.plain.add_(1),
    "array": lambda m: m.constant.__setitem__(2, 7),
    "module": _swap,
    "class of a module": _other_class,
    "forward of a module": _own_forward,
    "hook": lambda m: m.net.block.register_forward_hook(lambda *given: None),
    "hook before": lambda m: m.net.register_forward_pre_hook(lambda *given: None),
    "attribute": lambda m: setattr(m, "scale", 2.0),
    "attribute of a layer": lambda m: setattr(m.net.bn, "eps", 0.1),
    "configuration": lambda m: setattr(m.config, "temperature", 3.0),
    "list": lambda m: m.table["a"].append(3),
    "new attribute": lambda m: setattr(m, "extra", 1),
    "new parameter": lambda m: m.register_parameter("more", nn.Parameter(torch.zeros(2))),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_noticed(name):
    model = Many().eval()
    before = version_of(model)
    CHANGES[name](model)
    assert version_of(model, full=True) != before
    assert version_of(model, full=True) == version_of(model)


def test_what_changes_nothing_is_no_change():
    model = Many().eval()
    before = version_of(model)
    model.train()
    model.eval()
    model.scale = 1.0
    model.net.head.weight.grad = torch.ones_like(model.net.head.weight)
    model.net.head.weight.data.mul_(1.0)
    model.net.head.weight.requires_grad_(False)
    handle = model.net.register_forward_hook(lambda *given: None)
    handle.remove()
    with borrow(model):
        model(torch.randn(1, 3, 16, 16))
    record(model, torch.randn(1, 3, 16, 16))
    model.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    assert version_of(model, full=True) == before


def test_one_number_of_a_large_weight_is_noticed_after_the_users_code_has_run():
    model = nn.Linear(400, 300)
    before = version_of(model)
    model.weight.detach().numpy()[123, 77] += 1
    expect_changes()
    assert version_of(model) != before


def test_weights_out_of_order_and_of_every_dtype_are_compared():
    for make in (
        lambda: nn.Conv2d(40, 40, 3).to(memory_format=torch.channels_last),
        lambda: nn.Linear(50, 60).half(),
        lambda: nn.Linear(50, 60).bfloat16(),
        lambda: nn.Embedding(300, 20).double(),
    ):
        model = make()
        before = version_of(model)
        model.weight.data.flatten()[-1:].copy_(model.weight.data.flatten()[-1:])
        assert version_of(model, full=True) == before
        model.weight.data[tuple(size - 1 for size in model.weight.shape)] += 1
        assert version_of(model, full=True) != before
    model = nn.Linear(50, 60)
    model.weight = nn.Parameter(model.weight.detach().T.contiguous().T)
    before = version_of(model)
    model.weight.data[7, 7] += 1
    assert version_of(model, full=True) != before


def test_a_buffer_that_each_pass_updates_is_no_change():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.register_buffer("calls", torch.zeros((), dtype=torch.long))
            self.register_buffer("queue", torch.zeros(50_000))
            self.seen = []

        def forward(self, x):
            self.calls += 1
            y = self.conv(x).mean((2, 3))
            self.queue[:4] = y[0].detach()
            self.seen.append(1)
            return y

    model = Counting().eval()
    view = nnlens.Lens(model).explore(torch.randn(3, 12, 12))
    assert view.wait(30)
    assert view.result.occlusion.complete
    found = kernels.examples(model, torch.randn(10, 3, 12, 12), ["conv"])
    assert found.complete
    assert int(model.calls) == 0
    assert not model.seen


def test_a_model_is_not_kept_alive():
    model = Many().eval()
    model.bound = model.net.forward
    version_of(model)
    nnlens.Lens(model).sample(torch.randn(1, 3, 16, 16))
    known = weakref.ref(model)
    del model
    gc.collect()
    assert known() is None


@pytest.mark.parametrize(
    "name", ["data", "one number by numpy", "fused optimiser", "module", "attribute", "configuration"]
)
def test_no_result_mixes_two_states_of_a_model(name):
    torch.manual_seed(4)
    model = Many().eval()
    x = torch.randn(1, 3, 16, 16)
    lens = nnlens.Lens(model)
    view = lens.explore(x, size=6, stride=5)
    grid = lens.attribution(x, methods=["gradient", "lime"], samples=30, segmentation="grid", segments=9, checks=[])
    assert view.result.occlusion.complete
    assert grid.result["lime"]
    CHANGES[name](model)
    model.eval()
    with torch.no_grad():
        right = model(x)[0]
    found = view.result
    np.testing.assert_allclose(found.occlusion.clean, right, atol=1e-4)
    np.testing.assert_allclose(found.probability, right.softmax(0)[found.target], atol=1e-5)
    again = kernels.occlusion(model, x, size=6, stride=5, fill=view.selection.sample.input.fill(view.fill))
    np.testing.assert_allclose(found.occlusion.logits, again.logits, atol=1e-4)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(leaf)[0, grid.selection.target], leaf)
    np.testing.assert_allclose(grid.result["gradient"].values, gradient[0], atol=1e-5)
    shown = view.scores["probability"][view.scores["classes"].index(found.target)]
    assert shown == pytest.approx(found.probability, abs=1e-6)


def test_an_old_view_is_marked_and_renewed():
    model = Many().eval()
    view = nnlens.Lens(model).explore(torch.randn(1, 3, 16, 16), size=6, stride=5)
    view.wait()
    assert not view.stale
    model.scale = 3.0
    view.look_for_changes()
    assert view.stale
    view.set_state({"refresh": 1})
    assert view.wait(20)
    assert not view.stale
    with torch.no_grad():
        right = model(view.selection.sample.input.x)[0]
    np.testing.assert_allclose(view.selection.sample.logits, right, atol=1e-5)


def test_a_map_is_given_up_where_the_model_changes_in_the_middle():
    model, x = Many().eval(), torch.randn(1, 3, 24, 24)
    steps = kernels.occlusion_steps(model, x, size=3, stride=2, batch_size=4)
    next(steps)
    model.net.head.weight.data.mul_(2)
    with pytest.raises(ValueError, match="the model has changed during the computation"):
        list(steps)


@pytest.mark.parametrize("within", [torch.inference_mode, torch.no_grad])
def test_what_was_made_without_gradients_leaves_none_missing(within):
    model = Many().eval()
    lens = nnlens.Lens(model)
    with within():
        x = torch.rand(1, 3, 16, 16)
        lens.explore(x, size=6, stride=5).result.occlusion  # noqa: B018
        kernels.occlusion(model, x, size=6)
    for image in (x, torch.rand(1, 3, 16, 16)):
        view = lens.attribution(image, methods=["gradient", "grad_cam", "integrated_gradients"], checks=[])
        assert not view.result.errors


def test_another_default_dtype_changes_no_result():
    model, x = Many().eval(), torch.rand(1, 3, 16, 16)
    options = {"methods": ["gradient", "lime", "smoothgrad", "rise"], "samples": 20, "segmentation": "grid"}
    expected = nnlens.Lens(model).attribution(x, **options).result
    try:
        torch.set_default_dtype(torch.float64)
        found = nnlens.Lens(model).attribution(x, **options).result
        assert not found.errors
        double = nnlens.Lens(Many().double().eval()).attribution(x.double(), **options).result
        assert not double.errors
    finally:
        torch.set_default_dtype(torch.float32)
    for name in options["methods"]:
        np.testing.assert_allclose(found[name].values, expected[name].values, atol=1e-4)


def test_changes_inside_objects_lists_and_tuples_are_noticed():
    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Conv2d(3, 4, 3)]  # not registered
            self.config = types.SimpleNamespace(scale=[1.0], sub=types.SimpleNamespace(k=1.0))
            self.pair = ({"a": 1.0}, torch.ones(2))

        def forward(self, x):
            y = self.layers[0](x).mean((2, 3)) * self.config.scale[0] * self.config.sub.k
            return y * self.pair[0]["a"] * self.pair[1][0]

    for change in (
        lambda m: m.config.scale.__setitem__(0, -3.0),
        lambda m: setattr(m.config.sub, "k", -2.0),
        lambda m: m.layers[0].weight.data.mul_(-2),
        lambda m: m.pair[0].__setitem__("a", 5.0),
        lambda m: m.pair[1].mul_(2),
    ):
        model, x = Inside().eval(), torch.randn(1, 3, 12, 12)
        view = nnlens.Lens(model).occlusion(x, size=6, stride=6)
        view.result  # noqa: B018
        change(model)
        with torch.no_grad():
            np.testing.assert_allclose(view.result.clean, model(x)[0], atol=1e-5)


def test_a_pass_that_counts_anywhere_ends():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.state, self.history = types.SimpleNamespace(n=0), np.zeros(3)

        def forward(self, x):
            self.state.n += 1
            self.history[0] += 1
            return self.conv(x).mean((2, 3))

    model, x = Counts().eval(), torch.randn(1, 3, 12, 12)
    view = nnlens.Lens(model).occlusion(x, size=4, stride=2)
    assert view.wait(30)
    assert view.result.complete
    assert (model.state.n, model.history[0]) == (0, 0)

    class Slotted:
        __slots__ = ("n",)

    class Hidden(Counts):
        """Counts where nothing looks, and computes something else each time."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self, x):
            with torch.no_grad():
                self.weight.data = self.weight.data + 0.1
            return self.conv(x).mean((2, 3))

    assert nnlens.Lens(Hidden().eval()).occlusion(x, size=4, stride=2).wait(30)


def test_views_of_inputs_that_take_different_paths_end():
    class Paths(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            for _ in range(int(x[0, 0, 0, 0])):
                x = x + 0.0
            return self.conv(x).mean((2, 3))

    lens = nnlens.Lens(Paths().eval())
    views = []
    for count in range(1, 7):
        x = torch.rand(1, 3, 10, 10)
        x[0, 0, 0, 0] = count
        views.append(lens.explore(x, size=5, stride=5))
    assert views[-1].wait(60)


@pytest.mark.parametrize(
    "tie",
    [
        lambda m: None,
        lambda m: m.net.stem.register_forward_hook(lambda *given: m.net and None),
        lambda m: setattr(m.net.stem, "parent", [m]),
        lambda m: setattr(m, "forward", lambda x: m.net(x)),
        lambda m: setattr(m.config, "owner", m),
    ],
)
def test_a_model_that_may_refer_to_itself_is_not_kept_alive(tie):
    model = Many().eval()
    tie(model)
    record(model, torch.rand(1, 3, 16, 16))
    before = version_of(model)
    assert version_of(model) == before
    model.net.head.bias.data += 1
    assert version_of(model) != before
    known = weakref.ref(model)
    del model
    gc.collect()
    assert known() is None


@pytest.mark.parametrize("method", ["explore", "occlusion", "activations"])
def test_a_saved_page_is_of_one_state_of_the_model(method, tmp_path):
    model, x = Many().eval(), torch.rand(1, 3, 16, 16)
    view = getattr(nnlens.Lens(model), method)(x)
    view.wait()
    model.net.head.weight.data.mul_(-1.7)
    view.save(tmp_path / "a.html")
    with torch.no_grad():
        right = model(x)[0]
    sample = view.selection.sample
    np.testing.assert_allclose(sample.logits, right, atol=1e-4)
    for found in sample.cache.of_kind("occlusion map").values():
        np.testing.assert_allclose(found.clean, right, atol=1e-4)


def test_an_explanation_is_given_up_where_the_model_changes_in_the_middle():
    model, x = Many().eval(), torch.rand(1, 3, 16, 16)
    steps = kernels.attribution_steps(kernels.Subject(model, x), "smoothgrad", samples=400)
    next(steps)
    model.net.head.weight.data.mul_(-1.5)
    with pytest.raises(ValueError, match="the model has changed during the computation"):
        list(steps)


@pytest.mark.parametrize(
    "change",
    [lambda m: m.groups[1].insert(0, m.groups[0].pop()), lambda m: setattr(m, "numbers", np.array([3.0, 4.0]))],
)
@pytest.mark.parametrize("stored", [True, False])
def test_moves_between_lists_and_other_arrays_are_seen(change, stored):
    model = Many().eval()
    model.groups, model.numbers = [[0, 1], [2]], np.array([1.0, 2.0])
    if not stored:  # what may refer to the model is found anew for each comparison
        model.bound = model.net.forward
    before = version_of(model)
    assert version_of(model) == before
    change(model)
    assert version_of(model) != before
