"""Surrogates where it is known how far they hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from nnlens.kernels.functions import border, installed_surrogates, surrogate_steps


def run(steps):
    shares = []
    while True:
        try:
            shares.append(next(steps))
        except StopIteration as stop:
            assert shares == sorted(shares)
            assert shares[-1] == pytest.approx(1)
            return stop.value


class Wave(nn.Module):
    def forward(self, x):
        return torch.sin(x[:, :1] + 2 * x[:, 1:])


class Step(nn.Module):
    def forward(self, x):
        return (x[:, :1] > 0.3).float() + torch.zeros_like(x[:, :1])


def test_a_linear_network_is_predicted_everywhere():
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    found = run(surrogate_steps(model, torch.randn(1, 4), torch.eye(4), np.array([0.1, 1.0, 10.0]), outputs=(2, 0)))
    np.testing.assert_allclose(found.scores, 1, atol=1e-6)
    assert found.failures.tolist() == [math.inf]
    assert found.describe() == "linear: never fails here"


def test_within_its_piece_a_network_of_pieces_is_linear():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 1)).double()
    x = torch.randn(1, 3, dtype=torch.float64)
    directions = torch.nn.functional.normalize(torch.randn(500, 3, dtype=torch.float64))
    inside = min(border(model, x, way[None]).distance for way in directions)
    radii = np.array([0.8 * inside, 30 * inside, 300 * inside])
    found = run(surrogate_steps(model, x, torch.eye(3), radii, outputs=(0, None), samples=300))
    assert found.scores[0, 0] == pytest.approx(1, abs=1e-12)
    assert found.scores[0, 1] < 1 - 1e-6
    assert found.failures[0] > inside


def test_a_wave_fails_where_it_turns():
    """sin(a · z) with |a| = √5: the linear part of its variance falls below 0.9 near |a| r = 1.9 in the plane."""
    radii = np.geomspace(0.05, 5, 15)
    found = run(surrogate_steps(Wave(), torch.zeros(1, 2), torch.eye(2), radii, outputs=(0, None), samples=900))
    assert found.scores[0, 0] > 0.999
    assert found.scores[0, -1] < 0.2
    # By quadrature of the same quantity: t = √5 r u with the density of a disc's coordinate, √(1 − u²).
    u = np.linspace(-1, 1, 4001)
    weight = np.sqrt(1 - u**2)
    weight /= weight.sum()

    def explained(radius):
        t = math.sqrt(5) * radius * u
        wave = np.sin(t)
        return (weight @ (t * wave)) ** 2 / ((weight @ t**2) * (weight @ wave**2))

    expected = next(radius for radius in np.linspace(0.05, 5, 2000) if explained(radius) < 0.9)
    assert found.failures[0] == pytest.approx(expected, rel=0.12)


@pytest.mark.skipif("tree" not in installed_surrogates(), reason="scikit-learn is not installed")
def test_a_tree_predicts_a_step_and_a_line_does_not():
    found = run(
        surrogate_steps(
            Step(),
            torch.zeros(1, 2),
            torch.eye(2),
            np.array([1.0]),
            outputs=(0, None),
            kinds=("linear", "tree"),
            samples=300,
        )
    )
    linear, tree = found.scores[:, 0]
    assert tree > 0.95 > 0.85 > linear


@pytest.mark.skipif("symbolic" not in installed_surrogates(), reason="gplearn is not installed")
def test_symbolic_regression_finds_a_product():
    class Product(nn.Module):
        def forward(self, x):
            return x[:, :1] * x[:, 1:]

    found = run(
        surrogate_steps(
            Product(),
            torch.zeros(1, 2),
            torch.eye(2),
            np.array([1.0]),
            outputs=(0, None),
            kinds=("symbolic",),
            samples=200,
        )
    )
    assert found.scores[0, 0] > 0.95
    assert "mul" in found.formula


def test_the_seed_repeats_the_fits():
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    one, other = (
        run(surrogate_steps(model, torch.zeros(1, 2), torch.eye(2), np.array([1.0]), outputs=(0, None))) for _ in "ab"
    )
    assert one.scores.tolist() == other.scores.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"directions": torch.eye(3)}, "directions must be"),
        ({"kinds": ("forest",)}, "kinds must be of linear, tree, symbolic, got 'forest'"),
        ({"samples": 5}, "samples must be at least 9"),
    ],
)
def test_bad_arguments(change, message):
    given = {"directions": torch.eye(2), "radii": np.array([1.0]), "outputs": (0, None), **change}
    with pytest.raises(ValueError, match=message):
        run(surrogate_steps(nn.Linear(2, 1), torch.zeros(1, 2), given.pop("directions"), given.pop("radii"), **given))
