"""The evidence beside a map: against scipy, scikit-image and brute force, and on networks whose reasons are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net, same_state, state_of
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity as skimage_ssim
from test_attribution import QUICK, Transformer, X, network
from torch import nn
from zoo import ZOO

import nnlens
from nnlens import kernels, record
from nnlens.kernels import (
    METHODS,
    Deletion,
    Subject,
    agreement,
    attribution,
    attribution_steps,
    baseline_curves_steps,
    evidence_cost,
    evidence_steps,
    map_similarity,
    mass_inside,
    pointing_game,
    randomisation_steps,
    randomised_copy,
    seed_spread_steps,
    sensitivity_steps,
    spearman,
    structural_similarity,
)
from nnlens.kernels.attribution.evidence.evidence import Evidence
from nnlens.kernels.attribution.evidence.faithfulness import BaselineCurves, Curves, Faithfulness
from nnlens.kernels.attribution.evidence.randomisation import Randomisation, _again, weighted_layers
from nnlens.kernels.attribution.evidence.similarity import MapSimilarity
from nnlens.kernels.attribution.evidence.stability import SeedSpread, Sensitivity
from nnlens.kernels.occlusion.occluder import blurred


def last(steps):
    *_, found = steps
    return found


# Similarity


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_rank_correlation_is_scipys(seed, tied):
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, 9, 7))
    if tied:
        a, b = a.round(), b.round()
    assert spearman(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic, abs=1e-12)


def test_what_does_not_vary_has_no_rank():
    assert np.isnan(spearman(np.ones((3, 3)), np.eye(3)))
    flat = kernels.gradient(network(), X)
    zero = replace(flat, values=np.zeros_like(flat.values))
    assert map_similarity(flat, zero).absolute == 0
    assert np.isnan(map_similarity(zero, zero).absolute)


@pytest.mark.parametrize("signed", [False, True])
def test_ssim_is_scikit_images(signed):
    random = np.random.default_rng(0)
    a, b = random.random((2, 30, 41)) - 0.5 * signed
    b = b * 0.3 + a * 0.7
    scaled = [one / np.abs(one).max() for one in (a, b)]
    theirs = skimage_ssim(
        *scaled, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=2.0 if signed else 1.0
    )
    assert structural_similarity(a, b) == pytest.approx(theirs, abs=1e-9)
    assert structural_similarity(a, a) == pytest.approx(1)
    assert np.isnan(structural_similarity(a[:5], b[:5]))


def test_edges_are_where_the_image_changes():
    x = torch.zeros(1, 2, 8, 8)
    x[:, :, :, 4:] = 1
    found = kernels.edges(x)
    np.testing.assert_allclose(found[:, [3, 4]], 4 * 2**0.5, rtol=1e-6)
    assert not found[:, [0, 1, 2, 5, 6, 7]].any()


# Deletion and insertion


def brute_force(model, x, order, block, steps, target):
    """Block by block in NumPy, one pass each."""
    height, width = x.shape[2:]
    columns = -(-width // block)
    counts = np.round(np.linspace(0, len(order), steps + 1)).astype(int)
    soft = torch.from_numpy(
        np.stack([gaussian_filter(plane, 5, mode="constant", radius=5) for plane in x[0].numpy()])
        / gaussian_filter(np.ones((height, width), np.float32), 5, mode="constant", radius=5)
    )
    deletion, insertion, shares = [], [], []
    for count in counts:
        out, into, gone = x[0].clone(), soft.clone(), 0
        for one in order[:count]:
            top, left = one // columns * block, one % columns * block
            window = np.s_[:, top : top + block, left : left + block]
            out[window], into[window] = 0, x[0][window]
            gone += out[window][0].numel()
        with torch.no_grad():
            scores = model(torch.stack([out, into])).softmax(-1)[:, target]
        deletion.append(float(scores[0]))
        insertion.append(float(scores[1]))
        shares.append(gone / (height * width))
    return np.array(shares), np.array(deletion), np.array(insertion)


@pytest.mark.parametrize(("block", "steps"), [(1, 8), (3, 36), (5, 4)])
def test_curves_are_brute_force(block, steps):
    model = network()
    subject = Subject(model, X, target=3, score="probability")
    deletion = Deletion(subject, block=block, steps=steps)
    order = np.random.default_rng(1).permutation(deletion.rows * deletion.columns)
    found = deletion.curves(order)
    shares, deleted, inserted = brute_force(model, X, order, block, deletion.steps, 3)
    np.testing.assert_allclose(found.shares, shares, atol=1e-6)
    np.testing.assert_allclose(found.deletion, deleted, atol=1e-5)
    np.testing.assert_allclose(found.insertion, inserted, atol=1e-5)
    assert found.deletion_area == pytest.approx(
        float(torch.trapezoid(*map(torch.from_numpy, (deleted, shares)))), abs=1e-5
    )
    assert found.deletion[0] == pytest.approx(subject.value, abs=1e-5)
    assert found.insertion[-1] == pytest.approx(subject.value, abs=1e-5)


def test_a_map_is_ranked_by_the_mean_of_its_blocks():
    deletion = Deletion(Subject(network(), X, score="probability"), block=5, steps=4)
    values = np.random.default_rng(0).normal(size=(16, 16))
    found = deletion.blocks(values).reshape(4, 4)
    assert found[0, 0] == pytest.approx(values[:5, :5].mean())
    assert found[3, 3] == pytest.approx(values[15:, 15:].mean())
    with pytest.raises(ValueError, match=r"importance must be of the shape \(16, 16\)"):
        deletion.of(values[:4])


def test_the_blur_is_a_gaussian():
    image = torch.rand(2, 20, 30)
    ones = gaussian_filter(np.ones((20, 30)), 5, mode="constant", radius=5)
    expected = np.stack(
        [gaussian_filter(plane.astype(float), 5, mode="constant", radius=5) / ones for plane in image.numpy()]
    )
    np.testing.assert_allclose(blurred(image, 5.0, radius=5), expected, atol=1e-5)


# Randomisation


@pytest.mark.parametrize("name", ["Residual", "ViT", "LSTM", "Encoder", "Parametrised"])
def test_all_layers_with_weights_are_found(name):
    torch.manual_seed(0)
    model = ZOO[name].build().eval()
    found = weighted_layers(model, record(model, *ZOO[name].inputs(), **ZOO[name].keywords()))
    with_own = [path for path, module in model.named_modules() if any(True for _ in module.parameters(recurse=False))]
    assert set(found) == {path.partition(".parametrizations")[0] for path in with_own}


def test_weights_are_randomised_on_a_copy_and_a_cascade_keeps_what_it_drew():
    model = Net()
    model(torch.randn(4, 3, 32, 32))
    model.head.weight.grad = torch.ones_like(model.head.weight)
    x = torch.randn(1, 3, 32, 32)
    before = state_of(model)
    drawn = [
        dict(randomised_copy(model, layers, seed=4).named_parameters())
        for layers in (["head"], ["head", "block.0"], ["block.0"])
    ]
    own = dict(model.named_parameters())
    assert torch.equal(drawn[0]["head.weight"], drawn[1]["head.weight"])
    assert not torch.equal(drawn[0]["head.weight"], own["head.weight"])
    assert torch.equal(drawn[0]["stem.weight"], own["stem.weight"])
    assert torch.equal(drawn[2]["head.weight"], own["head.weight"])
    deviation = float(own["block.0.weight"].detach().std())
    assert drawn[1]["block.0.weight"].detach().std().item() == pytest.approx(deviation, rel=0.15)
    subject = Subject(model, x)
    original = last(attribution_steps(subject, "gradient"))
    steps = randomisation_steps(subject, original, {})
    next(steps)
    assert same_state(before, state_of(model))
    steps.close()

    class Alone(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def __deepcopy__(self, memo):
            raise RuntimeError("there is only one")

        def forward(self, x):
            return self.head(x.mean((2, 3)))

    with pytest.raises(ValueError, match="the model cannot be copied, so its weights cannot be randomised: there is"):
        randomised_copy(Alone(), ["head"])


def test_a_model_that_mixes_its_batch_is_randomised_one_by_one_too():
    class Mixing(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 4)

        def forward(self, x):
            return self.head((x - x.mean((0, 2, 3), keepdim=True)).abs().mean((2, 3)) * 3)

    options = QUICK["lime"]
    subject = Subject(Mixing(), X, score="probability")
    original = last(attribution_steps(subject, "lime", **options))
    found = last(_again(subject, original, options, [], 0))
    assert spearman(original.signed(), found.signed()) == pytest.approx(1, abs=1e-6)


def test_randomised_maps_are_those_of_a_randomised_network():
    import copy

    model = network()
    subject = Subject(model, X, target=1)
    original = last(attribution_steps(subject, "input_x_gradient"))
    found = last(randomisation_steps(subject, original, {}, levels=3, seed=2))
    assert found.layers == ("8", "4" if "4" in found.layers else found.layers[1], "0")
    names = weighted_layers(model, record(model, X))[::-1]
    stops = [names.index(layer) + 1 for layer in found.layers]
    for stop, like in zip(stops, found.cascading, strict=True):
        other = copy.deepcopy(model)
        other.load_state_dict(randomised_copy(model, names[:stop], seed=2).state_dict())
        expected = kernels.input_x_gradient(other, X, target=1)
        assert like.signed == pytest.approx(spearmanr(expected.signed().ravel(), original.signed().ravel()).statistic)
        sizes = expected.magnitude().ravel(), original.magnitude().ravel()
        assert like.absolute == pytest.approx(spearmanr(*sizes).statistic)
    assert len(found.independent) == 3
    assert found.complete


@pytest.mark.parametrize("network_name", ["digits", "objects"])
def test_the_check_tells_gradient_from_guided_backprop_on_trained_networks(network_name):
    """Adebayo et al. 2018: the gradient collapses when the last layers are randomised, guided backprop hardly does."""
    model, preprocess, _ = getattr(nnlens.zoo, network_name)()
    if network_name == "digits":
        image = nnlens.zoo.DigitImages()[7][0]
    else:
        pytest.importorskip("skimage")
        image = str(nnlens.zoo.photo("cat"))
    x = nnlens.inputs.model_input(image, nnlens.inputs.as_preprocess(preprocess))
    kept = {}
    for name in ("gradient", "guided_backprop"):
        subject = Subject(model, x)
        found = last(attribution_steps(subject, name))
        evidence = last(evidence_steps(subject, found, {}, checks=["randomisation"]))
        first = evidence.randomisation.cascading[0]
        kept[name] = first.signed
        verdict = next(one for one in evidence.findings() if one.check == "randomisation").verdict
        assert verdict == {"gradient": "good", "guided_backprop": "bad"}[name], (name, evidence.randomisation.cascading)
    assert abs(kept["gradient"]) < 0.3
    assert kept["guided_backprop"] > 0.75


# Seeds, noise, agreement


def test_seeds_and_what_they_change():
    subject = Subject(network(), X, target=1, score="probability")
    options = QUICK["lime"]
    original = last(attribution_steps(subject, "lime", **options))
    found = last(seed_spread_steps(subject, original, options, seeds=3))
    maps = [attribution(network(), X, "lime", target=1, seed=seed, **options) for seed in range(3)]
    rows = np.stack([one.surrogate.coefficients for one in maps])
    np.testing.assert_allclose(found.deviation, rows.std(0, ddof=1), atol=1e-6)
    assert found.correlations[0] == pytest.approx(spearman(maps[0].signed(), maps[1].signed()), abs=1e-6)
    assert found.unsure == int((np.sign(rows) != np.sign(rows[0])).any(0).sum())
    with pytest.raises(ValueError, match="seeds do not change gradient"):
        next(seed_spread_steps(subject, last(attribution_steps(subject, "gradient")), {}))


def test_sensitivity_is_its_formula():
    model = network()
    subject = Subject(model, X, target=2)
    original = last(attribution_steps(subject, "gradient"))
    found = last(sensitivity_steps(subject, original, {}, radius=0.1, samples=4, seed=3))
    generator = torch.Generator().manual_seed(3)
    for change in found.changes:
        noise = (torch.rand(X.shape, generator=generator) * 2 - 1) * 0.1
        other = kernels.gradient(model, X + noise, target=2).values
        expected = np.linalg.norm(other - original.values) / np.linalg.norm(original.values)
        assert change == pytest.approx(expected, rel=1e-4)
    assert found.largest == found.changes.max()


def test_agreement_is_the_correlation_of_the_importances():
    model = network()
    maps = [attribution(model, X, name, target=1) for name in ("gradient", "input_x_gradient", "deconvnet")]
    found = agreement(maps)
    assert found.shape == (3, 3)
    assert (np.diag(found) == 1).all()
    assert found[0, 1] == found[1, 0] == pytest.approx(spearman(maps[0].magnitude(), maps[1].signed()))


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
        "The map is all zero: it says nothing about this image."
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
