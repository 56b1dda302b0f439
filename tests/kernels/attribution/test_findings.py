"""What the checks find on networks whose reasons are known, and how it is put into words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from attribution_cases import QUICK, Transformer, X, network
from nets import Net, same_state, state_of
from torch import nn

from nnlens import kernels
from nnlens.kernels import (
    METHODS,
    Subject,
    attribution,
    attribution_steps,
    baseline_curves_steps,
    evidence_cost,
    evidence_steps,
    mass_inside,
    pointing_game,
)
from nnlens.kernels.attribution.evidence.evidence import Evidence
from nnlens.kernels.attribution.evidence.faithfulness import BaselineCurves, Curves, Faithfulness
from nnlens.kernels.attribution.evidence.randomisation import Randomisation
from nnlens.kernels.attribution.evidence.similarity import MapSimilarity
from nnlens.kernels.attribution.evidence.stability import SeedSpread, Sensitivity


def last(steps):
    *_, found = steps
    return found


# A network whose reason is known


@pytest.fixture(scope="module")
def planted():
    """A network trained where a striped patch says the class, by its stripes' direction, and all else is noise."""
    torch.manual_seed(0)

    def batch(count: int, generator: torch.Generator):
        x = torch.randn(count, 1, 32, 32, generator=generator) * 0.3
        y = torch.randint(0, 2, (count,), generator=generator)
        places = torch.randint(0, 25, (count, 2), generator=generator)
        stripes = torch.tensor([[1.0, -1.0] * 4] * 8)
        where = torch.zeros(count, 32, 32, dtype=torch.bool)
        for image, label, (top, left), mark in zip(x, y, places, where, strict=True):
            image[0, top : top + 8, left : left + 8] = stripes if label else stripes.T
            mark[top : top + 8, left : left + 8] = True
        return x, y, where

    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 2),
    )
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(120):
        x, y, _ = batch(64, generator)
        loss = F.cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    x, y, where = batch(20, generator)
    with torch.no_grad():
        assert (model(x).argmax(1) == y).all()
    return model, x, y, where.numpy()


PLANTED = {
    "lime": {"segmentation": "grid", "segments": 64, "samples": 600, "fill": 0.0},
    "kernel_shap": {"segmentation": "grid", "segments": 64, "samples": 600, "fill": 0.0},
    "rise": {"samples": 1500, "cells": 6},
    "occlusion": {"size": 8, "stride": 2},
    "extremal_perturbation": {"area": 0.06, "steps": 80, "fill": 0.0},
    "grad_cam": {"layer": "4"},
    "grad_cam_plus_plus": {"layer": "4"},
    "guided_grad_cam": {"layer": "4"},
}
# By what they promise: where there is evidence for the class, they point at it.
FAITHFUL = [
    *("occlusion", "kernel_shap", "lime", "rise", "grad_cam"),
    *("gradient", "input_x_gradient", "smoothgrad", "integrated_gradients"),
]


def test_methods_point_at_the_planted_patch(planted, capsys):
    model, images, labels, where = planted
    rates = {}
    for name in METHODS:
        if name == "attention_rollout":
            continue
        hits = []
        for x, y, mark in zip(images, labels, where, strict=True):
            found = attribution(model, x[None], name, target=int(y), **{"score": "logit", **PLANTED.get(name, {})})
            hits.append(pointing_game(found.importance(), mark, tolerance=1))
        rates[name] = float(np.mean(hits))
    with capsys.disabled():
        print("\npointing game:", ", ".join(f"{name} {rate:.0%}" for name, rate in rates.items()))
    assert {name: rates[name] for name in FAITHFUL if rates[name] < 0.95} == {}


def test_the_pointing_game():
    importance = np.zeros((8, 8))
    importance[2, 3] = 1
    where = np.zeros((8, 8), bool)
    where[4:6, 3:5] = True
    assert not pointing_game(importance, where)
    assert not pointing_game(importance, where, tolerance=1)
    assert pointing_game(importance, where, tolerance=2)
    assert not pointing_game(np.ones((8, 8)), where)
    importance[4, 4] = 3
    assert mass_inside(importance - 0.0, where) == pytest.approx(0.75)
    assert np.isnan(mass_inside(-importance, where))
    with pytest.raises(ValueError, match=r"where must be of the shape \(8, 8\)"):
        pointing_game(importance, where[:3])


# Evidence as a whole


def test_evidence_comes_in_and_says_what_it_left_out():
    model = Net()
    model(torch.randn(4, 3, 32, 32))
    x = torch.randn(1, 3, 32, 32)
    before = state_of(model)
    subject = Subject(model, x, score="probability")
    options = QUICK["lime"]
    found = last(attribution_steps(subject, "lime", **options))
    seen = list(evidence_steps(subject, found, options))
    assert seen[0].faithfulness is None
    done = seen[-1]
    assert done.skipped == {}
    assert done.failed == {}
    for part in ("faithfulness", "randomisation", "seeds", "sensitivity"):
        assert getattr(done, part) is not None, part
    checks = {one.check for one in done.findings()}
    assert {"linearity", "faithfulness", "randomisation", "seeds", "sensitivity"} <= checks
    assert same_state(before, state_of(model))
    less = last(evidence_steps(subject, found, options, max_passes=100))
    assert set(less.skipped) == {"randomisation", "seeds", "sensitivity"}
    assert less.skipped["seeds"] == 2 * 60 == evidence_cost("lime", options, "seeds")
    plain = last(attribution_steps(Subject(model, x), "gradient"))
    quick = last(evidence_steps(Subject(model, x), plain, {}, checks=["seeds", "faithfulness"]))
    assert quick.seeds is None
    assert quick.faithfulness.baselines.block == 4
    with pytest.raises(ValueError, match="checks must be of faithfulness, randomisation"):
        next(evidence_steps(subject, found, options, checks=["luck"]))


def test_a_yardstick_is_shared():
    subject = Subject(network(), X, target=1)
    whole = last(baseline_curves_steps(subject))
    again = last(baseline_curves_steps(subject))
    assert [one.deletion_area for one in whole[1].random] == [one.deletion_area for one in again[1].random]
    found = last(attribution_steps(subject, "gradient"))
    evidence = last(evidence_steps(subject, found, {}, checks=["faithfulness"], baselines=whole))
    assert evidence.faithfulness.baselines is whole[1]
    assert evidence.faithfulness.own.deletion_area == whole[0].of(found.magnitude()).deletion_area


def flat_curves(deletion: float, insertion: float) -> Curves:
    return Curves(np.array([0.0, 1.0]), np.full(2, deletion), np.full(2, insertion))


def test_a_score_that_does_not_move_tells_nothing():
    still = flat_curves(0.24, 0.241)
    yard = BaselineCurves(
        random=(flat_curves(0.241, 0.24), still), edges=still, block=4, steps=28, deleted="0", inserted="blur"
    )
    evidence = Evidence(
        attribution=kernels.gradient(network(), X),
        edges=0.1,
        faithfulness=Faithfulness(flat_curves(0.23999, 0.2411), yard),
    )
    (statement,) = evidence.findings()
    assert (statement.verdict, statement.words[:23]) == ("plain", "The score hardly moves,")


@pytest.mark.parametrize(
    ("own", "edge", "verdict", "words"),
    [
        ((0.1, 0.6), (0.3, 0.4), "good", "The score follows it: deletion 0.1 against 0.4…0.42 of random orders"),
        ((0.5, 0.2), (0.3, 0.4), "bad", "follows it no better than 2 random orders"),
        ((0.3, 0.4), (0.2, 0.5), "bad", "no better than the image's edges"),
        ((0.1, 0.2), (0.3, 0.4), "doubtful", "not for insertion"),
        ((0.1, 0.5), (0.3, 0.6), "doubtful", "the edges do equally well in one of them"),
    ],
)
def test_what_the_curves_say(own, edge, verdict, words):
    yard = BaselineCurves(
        random=(flat_curves(0.4, 0.3), flat_curves(0.42, 0.28)),
        edges=flat_curves(*edge),
        block=8,
        steps=28,
        deleted="0",
        inserted="blur",
    )
    found = kernels.gradient(network(), X)
    evidence = Evidence(attribution=found, edges=0.1, faithfulness=Faithfulness(flat_curves(*own), yard))
    (statement,) = evidence.findings()
    assert statement.verdict == verdict
    assert words in statement.words


def test_what_the_other_checks_say():
    found = kernels.integrated_gradients(network(), X, steps=2)

    def said(**parts) -> list[tuple[str, str]]:
        return [(one.check, one.verdict) for one in Evidence(attribution=found, **{"edges": 0.1, **parts}).findings()]

    assert said(edges=0.7)[-1][0] in ("edges", "completeness")
    for kept, verdict in ((0.1, "good"), (0.6, "doubtful"), (0.9, "bad")):
        randomisation = Randomisation(
            layers=("8",), cascading=(MapSimilarity(kept, 0.0, 0.0),), independent=(), complete=True
        )
        assert ("randomisation", verdict) in said(randomisation=randomisation)
    for mean, verdict in ((0.95, "good"), (0.6, "doubtful"), (0.1, "bad")):
        assert ("seeds", verdict) in said(
            seeds=SeedSpread(seeds=(0, 1), correlations=np.array([mean]), deviation=None, unsure=0)
        )
    for change, verdict in ((0.1, "good"), (0.8, "doubtful"), (2.0, "bad")):
        assert ("sensitivity", verdict) in said(sensitivity=Sensitivity(0.02, np.array([change])))
    for delta, verdict in ((0.01, "good"), (0.1, "doubtful"), (0.9, "bad")):
        whole = replace(found, expected=float(found.values.sum()) / (1 + delta))
        assert ("completeness", verdict) in [
            (one.check, one.verdict) for one in Evidence(attribution=whole, edges=0.1).findings()
        ]
    zero = replace(found, values=np.zeros_like(found.values), expected=None)
    assert [one.words for one in Evidence(attribution=zero, edges=0.0).findings()] == [
        "The map is all zero: it says nothing about this input."
    ]
    x = torch.randn(1, 3, 12, 16)
    rollout = kernels.attention_rollout(Transformer().eval(), x)
    assert "the same for every class" in Evidence(attribution=rollout, edges=0.0).describe()


def test_a_check_that_was_stopped_is_not_whole():
    subject = Subject(network(), X, score="probability")
    found = last(attribution_steps(subject, "lime", **QUICK["lime"]))
    for name in ("seeds", "sensitivity", "randomisation"):
        parts = [getattr(one, name) for one in evidence_steps(subject, found, QUICK["lime"], checks=[name])]
        states = [part.complete for part in parts if part is not None]
        assert states[-1]
        assert not any(states[:-1])


def test_what_is_no_number_is_no_evidence():
    class Standardising(nn.Module):
        def forward(self, x):
            y = (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True)
            return torch.stack([y[:, 0, 3, 3], y[:, 1, 2, 2]], 1)

    with pytest.raises(ValueError, match="the model returned NaN or infinity for a variation of x"):
        kernels.integrated_gradients(Standardising(), X)
    found = kernels.gradient(network(), X)
    nothing = Randomisation(
        layers=("8",),
        cascading=(MapSimilarity(float("nan"), float("nan"), float("nan")),),
        independent=(),
        complete=True,
    )
    (statement,) = Evidence(attribution=found, edges=0.1, randomisation=nothing).findings()
    assert statement.verdict == "plain"


def test_a_check_that_cannot_be_made_says_why():
    class Weightless(nn.Module):
        def forward(self, x):
            return torch.stack([x.mean((1, 2, 3)), x.amax((1, 2, 3))], 1)

    subject = Subject(Weightless(), X)
    found = last(attribution_steps(subject, "gradient"))
    evidence = last(evidence_steps(subject, found, {}))
    assert evidence.failed == {"randomisation": "the model has no weights to randomise"}
    assert evidence.faithfulness is not None
