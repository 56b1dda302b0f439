"""What a score means: detected from the pass, and used alike by every kernel and view. Right values by plain torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from score_networks import QUICK, Ending, X, plain
from torch import nn

import nnlens
from nnlens import kernels
from nnlens.kernels import detect_meaning


@pytest.mark.parametrize(
    ("end", "classes", "task", "logits"),
    [
        (lambda y: y, 4, "multiclass", True),
        (lambda y: y.softmax(1), 4, "multiclass", False),
        (lambda y: F.softmax(y, -1).clone()[:, :], 4, "multiclass", False),
        (lambda y: torch.exp(y) / torch.exp(y).sum(1, keepdim=True), 4, "multiclass", False),
        (lambda y: (y.softmax(1) + y.flip(1).softmax(1)) / 2, 4, "multiclass", False),
        (lambda y: F.log_softmax(y, 1), 4, "multiclass", True),
        (lambda y: y.softmax(1).log(), 4, "multiclass", True),
        (lambda y: y.sigmoid(), 4, "multilabel", False),
        (lambda y: torch.sigmoid(y).view(1, -1).float(), 4, "multilabel", False),
        (lambda y: F.hardsigmoid(y), 4, "multilabel", False),
        (lambda y: 1 / (1 + torch.exp(-y)), 4, "multilabel", False),
        (lambda y: y.sigmoid(), 1, "binary", False),
        (lambda y: y.softmax(1)[:, 1:2], 2, "binary", False),
        (lambda y: y, 1, "regression", False),
        (lambda y: 20 + 60 * y.sigmoid(), 1, "regression", False),
    ],
)
def test_the_end_of_the_pass_says_what_the_scores_mean(end, classes, task, logits):
    model = Ending(end, classes).eval()
    recording = nnlens.record(model, X)
    found = detect_meaning(recording.output, recording)
    assert (found.task, found.logits) == (task, logits), found.describe()


def test_scores_that_look_like_probabilities_by_chance_are_logits_behind_a_linear_layer():
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).eval()
    nn.init.zeros_(model[1].weight)
    model[1].bias.data = torch.tensor([0.3, 0.7])
    x = torch.rand(1, 3, 4, 4)
    sample = nnlens.Lens(model).sample(x)
    assert sample.meaning.logits
    np.testing.assert_allclose(sample.probabilities, torch.tensor([0.3, 0.7]).softmax(0), atol=1e-6)


def test_names_tell_a_decision_from_a_quantity():
    model = Ending(classes=1).eval()
    score = float(plain(model))
    two = nnlens.Lens(model, labels=["benign", "malignant"]).sample(X)
    np.testing.assert_allclose(two.probabilities, [1 - 1 / (1 + np.exp(-score)), 1 / (1 + np.exp(-score))], atol=1e-6)
    np.testing.assert_allclose(two.odds(), [-score, score], atol=1e-5)
    one = nnlens.Lens(model, labels=["age"], unit="years").sample(X)
    assert one.probabilities[0] == pytest.approx(score, abs=1e-5)
    assert one.words_of(0).endswith("years")
    sided = nnlens.Lens(Ending(torch.sigmoid, 1).eval(), labels=["no", "yes"]).sample(X)
    share = float(plain(Ending(torch.sigmoid, 1).eval()))
    np.testing.assert_allclose(sided.probabilities, [1 - share, share], atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "classification"}, "task must be one of|task must be"),
        ({"task": "binary"}, "task must not be 'binary' for a model with 4 scores"),
        ({"logits": "yes"}, "logits must be True or False"),
        ({"logits": False}, "which are not probabilities: give logits=True"),
    ],
)
def test_meanings_that_cannot_be_are_refused(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        nnlens.Lens(Ending().eval(), **given).sample(X)
    with pytest.raises(ValueError, match="task must not be 'multiclass' for a model with one score"):
        nnlens.Lens(Ending(classes=1).eval(), task="multiclass").sample(X)


def test_what_is_given_goes_before_what_is_found():
    model = Ending().eval()
    scores = plain(model)[0]
    for task, expected in (("multilabel", scores.sigmoid()), ("regression", scores), ("multiclass", scores.softmax(0))):
        sample = nnlens.Lens(model, task=task).sample(X)
        np.testing.assert_allclose(sample.probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_every_view_kernel_and_check_reads_the_scores_alike(task):
    model = Ending().eval()
    shares = {"multiclass": lambda y: y.softmax(1), "multilabel": torch.sigmoid, "regression": lambda y: y}[task]
    clean = shares(plain(model))[0]
    lens = nnlens.Lens(model, task=task)
    view = lens.explore(X, size=4, stride=4, target=2)
    found = view.result.occlusion
    assert view.scores["probability"][view.scores["classes"].index(2)] == pytest.approx(float(clean[2]), abs=1e-5)
    assert found.clean_score(2) == pytest.approx(float(clean[2]), abs=1e-5)
    grey = view.selection.sample.input.fill(view.fill)
    for row, column in ((0, 0), (1, 2), (3, 3)):
        z = X.clone()
        top, left = found.tops[row], found.lefts[column]
        z[..., top : top + 4, left : left + 4] = grey
        assert found.score(2)[row, column] == pytest.approx(float(shares(plain(model, z))[0, 2]), abs=1e-5)
    view.occluder = [1, 2]
    view.wait()
    z = X.clone()
    z[..., 1:5, 2:6] = grey
    shown = dict(zip(view.occluded["classes"], view.occluded["probability"], strict=True))
    assert shown[2] == pytest.approx(float(shares(plain(model, z))[0, 2]), abs=1e-5)
    grid = lens.attribution(X, methods=["lime", "gradient"], target=2, checks=["faithfulness"], **QUICK).result
    assert grid["lime"].value == pytest.approx(float(clean[2]), abs=1e-5)
    curves = grid.evidence["lime", 0].faithfulness.own
    assert curves.deletion[0] == pytest.approx(float(clean[2]), abs=1e-5)
    gone = grey.expand(1, 3, 16, 16)
    assert curves.deletion[-1] == pytest.approx(float(shares(plain(model, gone))[0, 2]), abs=1e-5)
    cut = kernels.ablation(model, X, "conv", 1, output=lens.meaning)
    np.testing.assert_allclose(cut.probabilities()[0][0], clean, atol=1e-5)


def test_score_is_honoured_everywhere():
    for end in (lambda y: y, lambda y: y.softmax(1)):
        model = Ending(end).eval()
        shares = plain(Ending().eval()).softmax(1)[0]
        odds = plain(Ending().eval())[0] if model.end(torch.zeros(1, 2)).sum() == 0 else shares.log()
        view = nnlens.Lens(model).attribution(
            X, methods=["lime", "occlusion"], target=1, score="logit", checks=[], **QUICK
        )
        for name in ("lime", "occlusion"):
            assert view.result[name].score == "logit"
            assert view.result[name].value == pytest.approx(float(odds[1]), abs=1e-4)
        found = kernels.occlusion(model, X, size=4)
        assert found.clean_score(1, "logit") == pytest.approx(float(odds[1]), abs=1e-4)
        assert kernels.lime(model, X, target=1, **QUICK).value == pytest.approx(float(shares[1]), abs=1e-5)
    checked = nnlens.Lens(Ending().eval()).attribution(
        X, methods=["gradient"], target=1, score="logit", checks=["faithfulness"]
    )
    own = checked.result.evidence["gradient", 0].faithfulness.own
    assert own.deletion[0] == pytest.approx(float(plain(Ending().eval())[0, 1]), abs=1e-4)


def test_a_quantitys_evidence_and_evaluation_are_in_its_own_units():
    class Age(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1, bias=False)
            self.conv.weight.data.fill_(60.0)

        def forward(self, x):
            return 20 + self.conv(x).relu().mean((2, 3))

    model, images = Age().eval(), torch.rand(3, 1, 28, 28) ** 3
    lens = nnlens.Lens(model, labels=["age"], unit="years")
    report = nnlens.evaluate(lens, images, ["grad_cam"], checks=["faithfulness"], progress=False)
    gains = report.values("grad_cam", "deletion gain")
    assert len(gains) == 3
    assert np.abs(gains).max() > 0.1, "the areas are in years, not in saturated sigmoids"


def test_masked_scores_are_exact_zeros():
    class Policy(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.head = nn.Conv2d(3, 6, 3), nn.Linear(6, 5)

        def forward(self, x):
            mask = torch.tensor([0, 1, 0, 1, 0]).bool()
            return self.head(self.conv(x).relu().mean((2, 3))).masked_fill(mask, float("-inf"))

    model = Policy().eval()
    view = nnlens.Lens(model).explore(X, size=6, stride=6)
    sample = view.selection.sample
    np.testing.assert_allclose(sample.probabilities, plain(model).softmax(1)[0], atol=1e-6)
    assert sample.probabilities[1] == sample.probabilities[3] == 0
    assert (view.result.occlusion.score(1) == 0).all()
    view._repr_mimebundle_()
    assert kernels.gradient(model, X, target=0).values.any()
    with pytest.raises(ValueError, match="target must be a class with a finite score, got 1"):
        kernels.gradient(model, X, target=1)
    with pytest.raises(ValueError, match=r"the model returned NaN or infinity in 4 of 4 scores; the first NaN is in"):
        nnlens.Lens(Ending(lambda y: y * torch.nan).eval()).sample(X)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (lambda y: torch.complex(y, y), "the scores must be real, got complex numbers"),
        (lambda y: y[:, :0], "the model must give at least one score"),
        (lambda y: y.to("meta"), "the meta device"),
        (lambda y: "four", "the scores must be a tensor, got str: choose one with output="),
        (lambda y: {"a": y, "b": y}, r"output=… must say which holds the scores: 'a' \(1, 4\), 'b' \(1, 4\)"),
    ],
)
def test_outputs_that_are_no_scores_are_named(end, message):
    lens = nnlens.Lens(Ending(end).eval())
    with pytest.raises((TypeError, ValueError), match=message):
        lens.explore(X)


def test_sparse_scalar_and_flat_outputs_are_read():
    right = plain(Ending().eval()).softmax(1)[0]
    for end in (lambda y: y.to_sparse(), lambda y: y.squeeze(), lambda y: {"one": y}, lambda y: (y, y * 2)):
        np.testing.assert_allclose(nnlens.Lens(Ending(end).eval()).sample(X).probabilities, right, atol=1e-6)
    model = Ending(lambda y: y.squeeze(), 1).eval()
    found = nnlens.Lens(model).explore(X, size=6, stride=5).result.occlusion
    assert found.clean_score() == pytest.approx(float(plain(model)), abs=1e-5)
    z = X.clone()
    z[..., :6, :6] = 0.5
    again = kernels.occlusion(model, X, size=6, stride=5, fill=0.5)
    assert again.score()[0, 0] == pytest.approx(float(plain(model, z)), abs=1e-5)


def test_names_choose_the_output_that_they_fit():
    model = Ending(lambda y: {"features": y, "scores": y[:, :3]}).eval()
    sample = nnlens.Lens(model, labels=["a", "b", "c"]).sample(X)
    np.testing.assert_allclose(sample.probabilities, plain(Ending().eval())[:, :3].softmax(1)[0], atol=1e-6)


# A score for each pixel
