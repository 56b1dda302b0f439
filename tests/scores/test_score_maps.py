"""Maps of scores: means, positions and regions; and meanings that are changed later."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from score_networks import Ending, Places, X, plain
from torch import nn

import nnlens
from nnlens import kernels
from nnlens.kernels import ScoreMeaning, class_scores


def test_a_map_is_the_mean_of_its_places_probabilities():
    model = Places().eval()
    shares = plain(model).softmax(1)
    sample = nnlens.Lens(model).sample(X)
    np.testing.assert_allclose(sample.probabilities, shares.mean((2, 3))[0], atol=1e-6)
    mask = nnlens.Lens(Places(torch.sigmoid, 1).eval()).sample(X)
    np.testing.assert_allclose(mask.probabilities, plain(Places(torch.sigmoid, 1).eval()).mean((2, 3))[0], atol=1e-6)
    raw = nnlens.Lens(Places(classes=1).eval()).sample(X)
    np.testing.assert_allclose(raw.probabilities, plain(Places(classes=1).eval()).sigmoid().mean((2, 3))[0], atol=1e-6)


def test_one_place_of_a_map_can_be_explained():
    model = Places().eval()
    lens = nnlens.Lens(model)
    view = lens.explore(X, target=(2, 5, 7), size=4, stride=4)
    assert view.selection.sample.probabilities[2] == pytest.approx(float(plain(model).softmax(1)[0, 2, 5, 7]), abs=1e-6)
    change = view.result.occlusion.change()
    far = np.array([[not (top - 1 <= 5 <= top + 4 and left - 1 <= 7 <= left + 4)
                     for left in view.result.occlusion.lefts] for top in view.result.occlusion.tops])  # fmt: skip
    np.testing.assert_allclose(change[far], 0, atol=1e-6)
    assert np.abs(change[~far]).max() > 1e-3
    leaf = X.clone().requires_grad_()
    (right,) = torch.autograd.grad(model(leaf)[0, 2, 5, 7], leaf)
    position = lens.meaning.at((5, 7))
    np.testing.assert_allclose(kernels.gradient(model, X, target=2, output=position).values, right[0], atol=1e-6)
    with pytest.raises(ValueError, match=r"target's position must be inside the output's \(16, 16\)"):
        lens.explore(X, target=(2, 16, 0))
    with pytest.raises(ValueError, match="only a model that gives a map of scores has positions"):
        nnlens.Lens(Ending().eval()).explore(X, target=(2, 0, 0))


def test_a_region_of_a_map_is_summed():
    model = Places().eval()
    region = np.zeros((16, 16), bool)
    region[4:9, 2:6] = True
    view = nnlens.Lens(model).explore(X, target=(1, region), size=4, stride=4)
    right = float(plain(model)[0, 1][torch.from_numpy(region)].sum())
    assert view.selection.sample.logits[1] == pytest.approx(right, abs=1e-3)
    assert view.result.occlusion.clean_score(1) == pytest.approx(right, abs=1e-3)
    assert "sum" in view.meaning["words"]


def test_the_logit_of_a_map_is_the_mean_of_its_scores():
    model = Places().eval()
    leaf = X.clone().requires_grad_()
    (right,) = torch.autograd.grad(model(leaf)[0, 1].mean(), leaf)
    np.testing.assert_allclose(kernels.gradient(model, X, target=1).values, right[0], atol=1e-6)
    found = kernels.gradient(model, X, target=1, score="probability")
    (right,) = torch.autograd.grad(model(leaf).softmax(1)[0, 1].mean(), leaf)
    np.testing.assert_allclose(found.values, right[0], atol=1e-6)


# The view


def test_the_view_says_how_it_reads_the_scores_and_can_be_told_otherwise():
    model = Ending().eval()
    lens = nnlens.Lens(model)
    view = lens.explore(X)
    other = lens.attribution(X, methods=["gradient"], checks=[])
    assert view.meaning["task"] == "multiclass"
    assert "softmax" in view.meaning["words"]
    view.set_state({"read_as": {"task": "multilabel", "logits": None}})
    view.wait()
    right = plain(model).sigmoid()[0]
    for one in (view, other):
        np.testing.assert_allclose(one.selection.sample.probabilities, right, atol=1e-6)
        assert one.meaning["task"] == "multilabel"
    assert view.result.occlusion.clean_score(0) == pytest.approx(float(right[0]), abs=1e-5)
    view.set_state({"read_as": {"task": "binary", "logits": None}})
    assert "task must not be 'binary'" in view.error["message"]
    assert lens.task == "multilabel"
    lens.task = "regression"
    view.wait()
    np.testing.assert_allclose(view.selection.sample.probabilities, plain(model)[0], atol=1e-6)
    assert view.meaning["noun"] == "value"


def test_changes_that_are_nothing_do_not_look_decisive():
    class Even(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return torch.tensor([[2.0, 1.0]]) + 1e-4 * self.conv(x).mean((2, 3))[:, :2]

    linear = nn.Sequential(nn.Flatten(), nn.Linear(768, 3)).eval()
    linear[1].weight.data.mul_(4)
    found = kernels.occlusion(Even().eval(), X, size=4)
    assert 0 < np.abs(found.change()).max() < found.floor() == 0.01
    assert "no position changes the probability by more than" in found.describe()
    assert "changes the probability the most" in kernels.occlusion(linear, X, size=8).describe()


def test_class_scores_of_kernels_without_a_meaning():
    assert class_scores(torch.ones(2, 3, 4, 4)).shape == (2, 3)
    assert class_scores(torch.ones(5), count=1).shape == (1, 5)
    assert class_scores(torch.ones(5), count=5).shape == (5, 1)
    meaning = ScoreMeaning(task="multiclass", axes=2)
    assert meaning.read(torch.zeros(2, 4, 3, 3)).tolist() == [[0.25] * 4] * 2


@pytest.mark.parametrize(
    "end",
    [
        lambda y: y / 2,
        lambda y: y * torch.tensor(0.5) + torch.zeros(4),
        lambda y: F.dropout(y, training=False),
        lambda y: torch.stack([y, y]).mean(0),
    ],
)
def test_logits_that_lie_between_0_and_1_by_chance_are_logits(end):
    model = Ending(end).eval()
    model.head.bias.data = torch.tensor([0.05, 0.06, 0.04, 0.07])
    model.head.weight.data.mul_(0.01)
    scores = plain(model)
    assert ((scores >= 0) & (scores <= 1)).all()
    lens = nnlens.Lens(model)
    np.testing.assert_allclose(lens.sample(X).probabilities, scores.softmax(1)[0], atol=1e-6)
    lens.task = "multilabel"
    np.testing.assert_allclose(lens.sample(X).probabilities, scores.sigmoid()[0], atol=1e-6)


def test_a_meaning_that_was_wrong_can_be_put_right():
    model = Ending().eval()
    lens = nnlens.Lens(model, logits=False)
    view = lens.activations(X)
    assert "give logits=True" in view.meaning["problem"]
    lens.logits = True
    np.testing.assert_allclose(view.selection.sample.probabilities, plain(model).softmax(1)[0], atol=1e-6)


def test_every_open_view_follows_another_meaning():
    lens = nnlens.Lens(Ending().eval())
    views = [lens.explore(torch.rand(1, 3, 12, 12), size=6, stride=6) for _ in range(6)]
    views.append(lens.explore(X, link=False))
    lens.task = "multilabel"
    assert {view.meaning["task"] for view in views} == {"multilabel"}


def test_a_place_is_no_list_of_classes():
    model = Places().eval()
    lens = nnlens.Lens(model)
    right = float(plain(model).softmax(1)[0, 1, 2, 3])
    for make in (lens.explore, lens.attribution, lens.occlusion):
        for options in ({}, {"link": False}):
            view = make(X, target=(1, 2, 3), **options)
            assert view.selection.sample.probabilities[1] == pytest.approx(right, abs=1e-6)
            assert view.target == 1
    several = nnlens.Lens(Ending().eval()).attribution(X, methods=["gradient"], target=(1, 2, 3), checks=[])
    assert [row["target"] for row in several.rows] == [1, 2, 3]
    with pytest.raises(ValueError, match="score must be 'probability' for the mean over a map"):
        lens.occlusion(X, score="logit")


def test_both_sides_of_a_region_are_opposite():
    region = np.zeros((16, 16), bool)
    region[2:5, 3:9] = True
    for end, whole in ((lambda y: y, 0.0), (torch.sigmoid, float(region.sum()))):
        model = Places(end, 1).eval()
        right = float(plain(model)[0, 0][torch.from_numpy(region)].sum())
        found = nnlens.Lens(model, labels=["no", "yes"]).sample(X, position=region)
        np.testing.assert_allclose(found.logits, [whole - right, right], atol=1e-3)
