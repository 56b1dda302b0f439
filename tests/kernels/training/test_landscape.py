"""The loss around the weights, against plain loops, dense Hessians and what is known of quadratics."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nnlens.kernels import training


def small(seed: int = 0, norm: bool = False) -> nn.Sequential:
    torch.manual_seed(seed)
    middle = [nn.BatchNorm1d(6)] if norm else []
    return nn.Sequential(nn.Linear(4, 6), *middle, nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(40, 4, generator=generator), torch.randint(0, 3, (40,), generator=generator)


def test_the_loss_is_that_of_a_loop_and_the_model_is_untouched(data):
    x, y = data
    model = small(norm=True)
    model(x)  # running statistics that are not those of a fresh model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loss = training.mean_loss(x, y, batch=7)
    found = training.landscape(model, loss, directions=2, points=5, span=0.8)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    one, two = (training.filter_normalised(model, seed=seed) for seed in (0, 1))
    for row, first in enumerate(found.steps[0]):
        for column, second in enumerate(found.steps[1]):
            other = copy.deepcopy(model).eval()
            with torch.no_grad():
                for name, weight in other.named_parameters():
                    weight += float(first) * one[name] + float(second) * two[name]
                expected = F.cross_entropy(other(x), y)
            assert found.values[row, column] == pytest.approx(expected.item(), rel=1e-5)
    assert (
        found.values[2, 2]
        == found.centre
        == pytest.approx(float(F.cross_entropy(model.eval()(x), y).detach()), rel=1e-6)
    )


def test_filters_are_as_long_as_those_of_the_model_and_the_rest_is_left():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    direction = training.filter_normalised(model)
    for name, weight in model.named_parameters():
        if weight.ndim < 2:
            assert not direction[name].any()
        else:
            assert torch.allclose(direction[name].flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1), rtol=1e-5)


def test_rescaling_layers_before_and_behind_a_rectifier_changes_nothing(data):
    x, y = (data[0].double(), data[1])
    model = small().double()
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        scaled[0].weight *= 10
        scaled[0].bias *= 10
        scaled[2].weight /= 10
    loss = training.mean_loss(x, y)
    first, second = (training.landscape(item, loss, points=9) for item in (model, scaled))
    assert np.allclose(first.values, second.values, rtol=1e-9)
    # Without filters' lengths it would: the same step is larger beside smaller weights.
    plain = {name: torch.ones_like(weight) for name, weight in model.named_parameters()}
    first, second = (training.landscape(item, loss, directions=[plain], points=9) for item in (model, scaled))
    assert not np.allclose(first.values, second.values, rtol=1e-2)


def test_the_coarse_grid_comes_first_and_an_interrupt_leaves_the_model(data):
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    steps = training.landscape_steps(model, training.mean_loss(*data), directions=2, points=17)
    for _number in range(9):
        found = next(steps)
    assert np.isfinite(found.values[0::8, 0::8]).all()
    assert found.done == pytest.approx(9 / 17**2)
    steps.close()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert found.describe()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"points": 4}, "points must be an odd number"),
        ({"directions": 3}, "directions must be 1, 2"),
        ({"directions": [{"nothing": torch.zeros(1)}]}, "directions must have the names"),
        ({"span": -1.0}, "span must be positive"),
        ({"span": "a"}, "span must be a number, or a pair of numbers for each of 1 directions, got 'a'"),
        ({"span": (-1, 1)}, "span must be a number, or a pair of numbers for each of 1 directions"),
        ({"span": [(-1, 1)], "directions": 2}, "a pair of numbers for each of 2 directions"),
        ({"span": [(-1, 1), (-1, 1)]}, "a pair of numbers for each of 1 directions"),
        ({"points": "3"}, "points must be an odd number of at least 3, so that the model is among them, got '3'"),
        ({"points": 3.0}, "points must be an odd number"),
        ({"directions": "one"}, "directions must be 1, 2 or one or two directions, got 'one'"),
    ],
)
def test_what_does_not_fit_is_said(data, options, words):
    with pytest.raises(ValueError, match=words):
        training.landscape(small(), training.mean_loss(*data), **options)


@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [
        (3, [0, 1, 3], "targets must be classes 0…2 for a model of 3 outputs, got 0…3"),
        (1, [0, 20, 40], "quantities with the loss 'squared error', got 0…40"),
        (3, [0.0, 1.0, 2.0], "as many numbers as the model's output, whose shape is \\(3, 3\\), got \\(3,\\)"),
    ],
)
def test_targets_that_do_not_fit_the_outputs(outputs, targets, message):
    loss = training.mean_loss(torch.eye(3, 4), torch.tensor(targets))
    with pytest.raises(ValueError, match=message):
        loss(nn.Linear(4, outputs))


def test_classes_may_be_true_and_false():
    model, x = nn.Linear(4, 2), torch.eye(3, 4)
    found = training.mean_loss(x, torch.tensor([True, False, True]))(model)
    assert torch.allclose(found, F.cross_entropy(model(x), torch.tensor([1, 0, 1])))


def test_losses_are_chosen_by_the_targets(data):
    x, classes = data
    one = nn.Linear(4, 1)
    values = torch.randn(40, 1)
    assert training.mean_loss(x, values)(one).item() == pytest.approx(F.mse_loss(one(x), values).item(), rel=1e-5)
    two = classes.clamp_max(1)
    expected = F.binary_cross_entropy_with_logits(one(x)[:, 0], two.float())
    assert training.mean_loss(x, two)(one).item() == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(ValueError, match="targets must be one for each"):
        training.mean_loss(x, classes[:3])
    with pytest.raises(ValueError, match="kind must be"):
        training.mean_loss(x, classes, kind="hinge")


def test_eigenvalues_are_those_of_the_dense_hessian():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    x, y = torch.randn(30, 4).double(), torch.randint(0, 3, (30,))
    weights = dict(model.named_parameters())
    sizes = [weight.numel() for weight in weights.values()]

    def loss_of(flat: torch.Tensor) -> torch.Tensor:
        parts = dict(zip(weights, flat.split(sizes), strict=True))
        shaped = {name: part.view_as(weights[name]) for name, part in parts.items()}
        return F.cross_entropy(torch.func.functional_call(model, shaped, (x,)), y)

    flat = torch.cat([weight.detach().flatten() for weight in weights.values()])
    dense = torch.linalg.eigvalsh(torch.func.hessian(loss_of)(flat)).numpy()
    expected = dense[np.argsort(-np.abs(dense))][:5]
    found = training.hessian_eigenvalues(model, training.mean_loss(x, y), count=5, tolerance=1e-10)
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match="count must be 1"):
        training.hessian_eigenvalues(model, training.mean_loss(x, y), count=0)
    with pytest.raises(ValueError, match="its Hessian is 0"):
        training.hessian_eigenvalues(nn.Linear(2, 1), lambda item: item.weight.sum())


def test_the_hessian_of_a_quadratic_is_exact():
    model = nn.Linear(3, 1, bias=False).double()
    x = torch.diag(torch.tensor([3.0, 2.0, 1.0])).double()
    found = training.hessian_eigenvalues(model, training.mean_loss(x, torch.zeros(3, 1).double()), count=3)
    assert np.allclose(found, np.array([9, 4, 1]) * 2 / 3, rtol=1e-9)


def test_the_path_of_a_known_quadratic_is_exact():
    # Gradient descent on two of many directions with rates 0.5 and 0.1: the path lies in their plane.
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(50, 2, generator=generator, dtype=torch.float64)).Q.T
    times = torch.arange(30, dtype=torch.float64)
    along = torch.stack([3 * 0.5**times, 2 * 0.9**times], 1)
    states = [{"a": (row @ basis)[:20].view(4, 5), "b": (row @ basis)[20:]} for row in along]
    states = [{**state, "count": torch.tensor(1)} for state in states]
    path = training.weight_path(states)
    assert path.explained.sum() == pytest.approx(1, abs=1e-9)
    assert path.places[-1] == pytest.approx([0, 0], abs=1e-12)
    flat = torch.stack([torch.cat([item["a"].flatten(), item["b"]]) for item in path.directions])
    assert torch.allclose(flat @ flat.T, torch.eye(2).double(), atol=1e-9)
    rebuilt = torch.from_numpy(path.places) @ flat + along[-1] @ basis
    assert torch.allclose(rebuilt, along @ basis, atol=1e-9)
    centred = (along @ basis) - (along @ basis).mean(0)
    expected = torch.linalg.svdvals(centred)[:2] ** 2
    assert path.explained == pytest.approx((expected / (centred**2).sum()).numpy(), rel=1e-9)
    with pytest.raises(ValueError, match="at least three"):
        training.weight_path(states[:2])
    with pytest.raises(ValueError, match="number 0 differs"):
        training.weight_path([{"a": torch.zeros(1)}, *states])


def test_a_straight_path_has_one_direction():
    states = [{"w": torch.full((3, 2), float(step))} for step in range(4)]
    path = training.weight_path(states)
    assert path.explained == pytest.approx([1, 0], abs=1e-9)
    assert not path.directions[1]["w"].any()


def test_between_two_models(data):
    x, y = data
    first, second = small(0, norm=True), small(1, norm=True)
    for model in (first, second):
        model(x)
    loss = training.mean_loss(x, y)
    found = training.interpolation(first, first.state_dict(), second.state_dict(), loss, points=5)
    for share, value in zip(found.shares, found.values, strict=True):
        mixed = copy.deepcopy(first).eval()
        states = first.state_dict(), second.state_dict()
        mixed.load_state_dict(
            {
                name: (1 - share) * states[0][name] + share * states[1][name]
                if states[0][name].is_floating_point()
                else states[0][name]
                for name in states[0]
            }
        )
        assert value == pytest.approx(F.cross_entropy(mixed(x), y).item(), rel=1e-5)
    assert found.barrier >= 0
    assert found.describe()
    with pytest.raises(ValueError, match="second must be a state dict"):
        training.interpolation(first, first.state_dict(), {"x": torch.zeros(1)}, loss)


def test_alignment_is_one_for_rotations_and_low_for_noise():
    import nnlens

    torch.manual_seed(0)
    x = torch.randn(60, 5)
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh())
    first = nnlens.record(model, x)
    rotation = torch.linalg.qr(torch.randn(4, 4)).Q

    class Rotated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 3 * self.inner(x) @ rotation + 1

    second = nnlens.record(Rotated(), x)
    turned = training.similarity(first, second, layers=["3"], second_layers=["add"])
    assert turned.values[0, 0] == pytest.approx(1, abs=1e-6)
    assert turned.null[0, 0] < 0.2
    assert turned.high[0, 0] < 0.4
    # The definition of the paper: ‖YᵀX‖² ÷ (‖XᵀX‖ ‖YᵀY‖) of centred values.
    both = training.similarity(first, first)
    assert both.first == both.second == ("1", "3")
    one, two = (first[name] - first[name].mean(0) for name in ("1", "3"))
    expected = (two.T @ one).norm() ** 2 / ((one.T @ one).norm() * (two.T @ two).norm())
    assert both.values[0, 1] == pytest.approx(expected.item(), rel=1e-5)
    assert both.describe()
    with pytest.raises(ValueError, match="one batch"):
        training.similarity(first, nnlens.record(model, x[:10]))


def test_units_that_changed():
    import nnlens

    torch.manual_seed(0)
    x = torch.randn(64, 3)
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.eye(3))
        second.weight.copy_(torch.tensor([[5.0, 0, 0], [0, -1, 0], [0, 0, 0]]))
    recordings = [nnlens.record(nn.Sequential(item), x) for item in (first, second)]
    found = training.changed_units(*recordings, "0")
    assert found[:2] == pytest.approx([0, 2], abs=1e-6)
    assert np.isnan(found[2])


@pytest.mark.filterwarnings("ignore:Using backward")  # pyhessian does
def test_the_eigenvalues_are_those_of_pyhessian():
    hessian = pytest.importorskip("pyhessian").hessian
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    x, y = torch.randn(32, 4), torch.randint(0, 3, (32,))
    peer = hessian(model, F.cross_entropy, data=(x, y), cuda=False)
    expected, _vectors = peer.eigenvalues(maxIter=2000, tol=1e-8, top_n=3)
    found = training.hessian_eigenvalues(model, training.mean_loss(x, y))
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_path_of_weights_that_are_not_finite_is_refused():
    states = [{"a": torch.tensor([float(place)])} for place in range(4)]
    states[2]["a"][0] = float("nan")
    with pytest.raises(ValueError, match="finite weights, but number 2"):
        training.weight_path(states)


def test_eigenvalues_come_step_by_step(data):
    loss = training.mean_loss(*data)
    estimates = list(training.hessian_steps(small(), loss, count=2))
    assert len(estimates[0]) == 1
    assert estimates[-1] == pytest.approx(training.hessian_eigenvalues(small(), loss, count=2))
    # Ritz values lie within the spectrum: the largest never falls.
    largest = [np.max(estimate) for estimate in estimates]
    assert all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(largest))
