"""Figures of layers and weights against the same computed by hand, and alarms that sound where they should."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import nnlens
from nnlens.kernels import training
from nnlens.kernels.training.alarms import alarms_of
from nnlens.kernels.training.history import MOST_MEASUREMENTS, MOST_ROWS, History, Metrics


def test_figures_of_maps_are_those_of_a_loop():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.Tanh())
    with torch.no_grad():
        model[0].bias[2] = -100  # a dead unit
        model[2].weight *= 20
    x = torch.randn(5, 1, 8, 8)
    relu, tanh = training.activation_figures(nnlens.record(model, x), ["1", "3"])
    first = model[:2](x).detach()
    second = model(x).detach()
    assert relu.zeros == pytest.approx((first == 0).float().mean().item())
    assert relu.dead == pytest.approx(1 / 6)
    assert math.isnan(relu.saturated)
    assert tanh.saturated == pytest.approx((second.abs() >= 0.98).float().mean().item())
    assert tanh.size == pytest.approx(second.square().mean().sqrt().item(), rel=1e-5)
    spreads = [(a.abs().sum() ** 2 / (a.numel() * a.square().sum())).item() for maps in first for a in maps if a.any()]
    assert relu.spread == pytest.approx(sum(spreads) / len(spreads), rel=1e-4)


def test_one_active_position_and_all_alike():
    class Fixed(nn.Module):
        def __init__(self, maps: torch.Tensor) -> None:
            super().__init__()
            self.maps = maps

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.maps + 0 * x)

    one = torch.zeros(1, 1, 4, 4)
    one[..., 2, 1] = 3
    for maps, spread in ((one, 1 / 16), (torch.ones(1, 1, 4, 4), 1.0), (torch.zeros(1, 1, 4, 4), math.nan)):
        (found,) = training.activation_figures(nnlens.record(Fixed(maps), torch.zeros(1, 1, 1, 1)), ["relu"])
        assert found.spread == pytest.approx(spread, nan_ok=True)


def test_a_rectifier_with_two_bounds_and_a_sigmoid():
    x = torch.tensor([[-1.0, 0.5, 7.0, 6.0], [6.5, 2.0, -3.0, 5.99]])
    six, gate = (
        training.activation_figures(nnlens.record(nn.Sequential(layer), x), ["0"])[0]
        for layer in (nn.ReLU6(), nn.Sigmoid())
    )
    assert (six.zeros, six.saturated) == (pytest.approx(2 / 8), pytest.approx(4 / 8))
    values = torch.sigmoid(x)
    assert gate.saturated == pytest.approx(((values < 0.01) | (values > 0.99)).float().mean().item())


@pytest.mark.parametrize("by_hand", [False, True])
def test_gradients_and_updates_are_those_of_the_step(by_hand):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    model[0].bias.requires_grad_(False)
    steps = training.OptimiserSteps(model)
    one = torch.optim.SGD(model[0].parameters(), lr=0.1, momentum=0.9)
    two = torch.optim.Adam(model[2].parameters(), lr=0.01)
    steps.look()
    assert steps.finish() is None
    before = {name: item.detach().clone() for name, item in model.named_parameters()}
    model(torch.randn(6, 3)).square().mean().backward()
    expected = {name: item.grad.norm().item() for name, item in model.named_parameters() if item.grad is not None}
    if by_hand:
        with torch.no_grad():
            for item in model.parameters():
                if item.grad is not None:
                    item -= 0.1 * item.grad
    else:
        one.step()
        two.step()
        one.zero_grad()
        two.zero_grad()
    found = steps.finish()
    assert found is not None
    gradients, updates = found
    assert gradients == pytest.approx(expected, rel=1e-5)
    for name, item in model.named_parameters():
        moved = (item.detach() - before[name]).norm().item()
        assert updates.get(name, 0.0) == pytest.approx(moved, rel=1e-4)
    rows = training.weight_figures(model, gradients, updates)
    assert [row.module for row in rows] == ["0", "2"]
    assert rows[0].weight == pytest.approx(math.hypot(model[0].weight.norm().item(), model[0].bias.norm().item()))
    assert rows[1].ratio == pytest.approx(rows[1].update / rows[1].weight)
    assert steps.finish() is None  # until it looks again
    steps.close()


def test_optimisers_of_other_models_and_closed_watchers_are_not_heard():
    model, other = nn.Linear(2, 1), nn.Linear(2, 1)
    steps = training.OptimiserSteps(model)
    optimiser = torch.optim.SGD(other.parameters(), lr=0.1)
    other(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    assert steps.steps == 0
    steps.close()
    mine = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    mine.step()
    assert steps.steps == 0


def row(module: str = "a", weight: float = 1, gradient: float = 1, update: float = 0.001, count: int = 4):
    return training.WeightFigures(module=module, weight=weight, gradient=gradient, update=update, count=count)


def layer(**figures: float):
    usual = {"zeros": 0.5, "dead": 0.0, "saturated": 0.0, "size": 1.0, "spread": 0.5}
    return training.ActivationFigures(layer="relu", **{**usual, **figures})


@pytest.mark.parametrize(
    ("kind", "activations", "weights", "before"),
    [
        ("vanishing", [], [row(), row("b", gradient=1e-5)], []),
        ("exploding", [], [row(gradient=150)], [1.0] * 5),
        ("large steps", [], [row(update=0.6)], []),
        ("dead", [layer(dead=0.95)], [], []),
        ("saturated", [layer(saturated=0.6)], [], []),
    ],
)
def test_each_alarm_sounds_and_is_silent_where_all_is_well(kind, activations, weights, before):
    found = alarms_of(3, activations, weights, before)
    assert [(alarm.kind, alarm.step) for alarm in found] == [(kind, 3)]
    assert found[0].words.endswith(".")
    assert not alarms_of(3, [layer()], [row(), row("b", gradient=0.1)], [1.0] * 5)


def test_an_alarm_sounds_again_only_after_it_was_silent():
    history = History()
    for step, update in enumerate([0.6, 0.7, 0.001, 0.8]):
        history.add(training.Measurement(step=step, seconds=0.0, activations=(), weights=(row(update=update),)))
    assert [alarm.step for alarm in history.alarms] == [0, 3]


def test_long_trainings_are_kept_as_means():
    metrics, plain = Metrics(), []
    for step in range(10_000):
        metrics.add(step, {"loss": float(step), **({"late": 1.0} if step >= 5000 else {})})
        plain.append(float(step))
    assert len(metrics.steps) < MOST_ROWS
    stride = metrics.stride
    for at, value in zip(metrics.steps, metrics.values["loss"], strict=True):
        assert value == pytest.approx(sum(plain[at - stride + 1 : at + 1]) / stride)
    assert math.isnan(metrics.values["late"][0])
    assert metrics.latest("late") == 1
    history = History()
    for step in range(3 * MOST_MEASUREMENTS):
        history.add(training.Measurement(step=step, seconds=0.0, activations=(), weights=(row(),)))
    steps = [item.step for item in history.measurements]
    assert len(steps) <= MOST_MEASUREMENTS
    assert steps[0] == 0
    assert steps[-1] == 3 * MOST_MEASUREMENTS - 1
    assert steps == sorted(set(steps))


def test_a_history_is_the_same_after_json():
    import json

    history = History()
    history.metrics.add(1, {"loss": math.inf})
    history.add(training.Measurement(step=1, seconds=0.5, activations=(layer(saturated=math.nan),), weights=(row(),)))
    read = History.from_json(json.loads(json.dumps(history.as_json(), allow_nan=False)))
    assert repr(read.measurements) == repr(history.measurements)
    assert read.metrics.values == {"loss": [math.inf]}
    assert read.figure("ratio", "a") == ([1], [0.001])
    with pytest.raises(ValueError, match=r"zeros.* of relu; weight.* of a"):
        read.figure("weight", "relu")


def test_sparse_gradients_and_an_error_in_looking(monkeypatch):
    model = nn.Embedding(5, 3, sparse=True)
    steps, optimiser = training.OptimiserSteps(model), torch.optim.SGD(model.parameters(), lr=0.5)
    steps.look()
    model(torch.tensor([1, 1, 4])).sum().backward()
    optimiser.step()
    gradients, updates = steps.finish()
    assert gradients["weight"] == pytest.approx(math.sqrt(3 * 4 + 3))
    assert updates["weight"] == pytest.approx(0.5 * gradients["weight"], rel=1e-5)
    monkeypatch.setattr(steps, "_held", lambda _optimizer: 1 / 0)
    steps.look()
    optimiser.step()  # nothing is thrown into the loop
    with pytest.raises(ZeroDivisionError):
        steps.finish()
    steps.close()


def test_spectra_are_those_of_the_singular_values():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(20, 30), nn.BatchNorm1d(4))
    with torch.no_grad():
        model[2].weight += torch.outer(torch.randn(30), torch.randn(20)) / 6  # a direction that stands out
    starts: dict[str, torch.Tensor] = {}
    for _measurement in range(2):
        rows = {row.module: row for row in training.weight_figures(model, {}, {}, starts)}
        for name in ("0", "2"):
            values = torch.linalg.svdvals(model[int(name)].weight.detach().flatten(1))
            assert rows[name].singular == pytest.approx(float(values[0]), rel=0.05)
            assert rows[name].singular <= float(values[0]) * (1 + 1e-5)
            assert rows[name].rank == pytest.approx(float(values.square().sum() / values[0] ** 2), rel=0.1)
        assert math.isnan(rows["3"].singular)
    assert set(starts) == {"0", "2"}
    for value, expected in ((0.0, 0.0), (math.nan, math.nan)):
        model[2].weight.data.fill_(value)
        row = {item.module: item for item in training.weight_figures(model, {}, {})}["2"]
        assert row.singular == pytest.approx(expected, nan_ok=True)
        assert math.isnan(row.rank)
