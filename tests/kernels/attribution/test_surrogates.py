"""LIME, KernelSHAP and superpixels against the reference implementations, and against what must hold."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from attribution_cases import Linear, X, network
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nnlens import kernels
from nnlens.kernels import lime_text, superpixels
from nnlens.kernels.attribution.methods.kernel_shap import coalitions
from nnlens.kernels.attribution.surrogate import Fit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import shap
    from lime.lime_base import LimeBase
    from lime.lime_image import LimeImageExplainer
    from lime.lime_text import LimeTextExplainer
    from skimage import segmentation
    from sklearn.linear_model import Ridge

LABELS = superpixels(X, "grid", 12)


# LIME


class Noted(LimeImageExplainer):
    """LIME's own explainer, which notes what it drew."""

    def data_labels(self, *args, **keywords):
        self.drawn = super().data_labels(*args, **keywords)
        return self.drawn


@pytest.mark.parametrize("width", [0.25, 0.8])
def test_lime_is_the_reference_with_the_same_segments_and_samples(width, capsys):
    model = network()

    def classify(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(images).permute(0, 3, 1, 2)).softmax(-1).double().numpy()

    theirs = Noted(kernel_width=width, random_state=7)
    image = X[0].permute(1, 2, 0).double().numpy().astype(np.float32)
    explained = theirs.explain_instance(
        image, classify, top_labels=5, num_samples=150, segmentation_fn=lambda _: LABELS
    )
    on = theirs.drawn[0].astype(bool)
    for target in (0, 3):
        found = kernels.lime(model, X, target=target, segments=LABELS, on=on, width=width)
        expected = dict(explained.local_exp[target])
        np.testing.assert_allclose(found.surrogate.coefficients, [expected[part] for part in range(12)], atol=1e-6)
        assert found.surrogate.intercept == pytest.approx(explained.intercept[target], abs=1e-6)
    assert kernels.lime(model, X, target=explained.top_labels[0], segments=LABELS, on=on, width=width).surrogate.r2 == (
        pytest.approx(explained.score, abs=1e-5)
    )


def test_limes_superpixels_are_the_references():
    picture = torch.rand(1, 3, 40, 48)
    theirs = segmentation.quickshift(_stretched(picture), kernel_size=4, max_dist=200, ratio=0.2, rng=0)
    np.testing.assert_array_equal(superpixels(picture, "quickshift", None), _relabelled(theirs))


def _stretched(x):
    return ((x[0] - x.min()) / (x.max() - x.min())).permute(1, 2, 0).contiguous().numpy().astype(float)


def _relabelled(labels):
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 1.0, 10.0]))
def test_the_fit_is_scikit_learns(seed, ridge):
    random = np.random.default_rng(seed)
    on, scores, weights = random.random((60, 7)) < 0.5, random.random(60), random.random(60) + 0.01
    fit = Fit(7, ridge)
    for some in np.array_split(np.arange(60), 4):
        fit.add(on[some], scores[some], weights[some])
    found = fit.solve()
    theirs = Ridge(alpha=ridge).fit(on, scores, sample_weight=weights)
    np.testing.assert_allclose(found.coefficients, theirs.coef_, atol=1e-8)
    assert found.intercept == pytest.approx(theirs.intercept_, abs=1e-8)
    assert found.r2 == pytest.approx(theirs.score(on, scores, sample_weight=weights), abs=1e-8)


def test_on_a_linear_model_r2_goes_to_1_and_the_coefficients_are_the_models():
    model, x = Linear(), torch.randn(1, 3, 12, 12)
    labels = superpixels(x, "grid", 9)
    found = kernels.lime(
        model, x, target=2, segments=labels, score="logit", fill=0.3, ridge=1e-6, samples=400
    ).surrogate
    assert found.r2 > 0.999999
    weights = (model.head.weight[2].detach().view(3, 12, 12) * (x[0] - 0.3)).sum(0).numpy()
    expected = [weights[labels == part].sum() for part in range(9)]
    np.testing.assert_allclose(found.coefficients, expected, atol=1e-4)
    low, high = found.interval()
    assert (high - low).max() < 1e-3


def test_the_intervals_cover_what_other_seeds_say():
    model = network()
    whole = kernels.lime(model, X, target=1, segments=LABELS, samples=4096, seed=99).surrogate.coefficients
    inside = []
    for seed in range(40):
        low, high = kernels.lime(
            model, X, target=1, segments=LABELS, samples=250, seed=seed, ridge=0
        ).surrogate.interval()
        inside.append((low <= whole) & (whole <= high))
    assert 0.88 < np.mean(inside) < 0.995


def test_one_superpixel_only():
    found = kernels.lime(network(), X, segments=np.zeros((16, 16), int), samples=30)
    assert "one superpixel only" in found.describe()
    assert np.isfinite(found.values).all()
    found = kernels.kernel_shap(network(), X, segments=np.zeros((16, 16), int), samples=30)
    assert found.delta == pytest.approx(0, abs=1e-6)


def test_the_strongest_are_for_and_against():
    found = kernels.lime(network(), X, segments=LABELS, samples=200).surrogate
    pro, contra = found.strongest(3)
    order = np.argsort(found.coefficients)
    assert pro == [one for one in order[::-1][:3] if found.coefficients[one] > 0]
    assert contra == [one for one in order[:3] if found.coefficients[one] < 0]
    assert found.painted()[0][LABELS == 4].tolist() == [np.float32(found.coefficients[4])] * (LABELS == 4).sum()


# KernelSHAP


def shapley(value, parts: int) -> np.ndarray:
    """By its definition: the mean over the orders of what a part adds."""
    found = np.zeros(parts)
    for part in range(parts):
        others = [one for one in range(parts) if one != part]
        for size in range(parts):
            share = math.factorial(size) * math.factorial(parts - size - 1) / math.factorial(parts)
            for chosen in itertools.combinations(others, size):
                row = np.zeros(parts, bool)
                row[list(chosen)] = True
                with_it = row.copy()
                with_it[part] = True
                found[part] += share * (value(with_it) - value(row))
    return found


@pytest.mark.parametrize("parts", [2, 5, 6])
def test_where_all_sets_fit_these_are_the_shapley_values(parts):
    model = network()
    labels = np.arange(256).reshape(16, 16) * parts // 256
    found = kernels.kernel_shap(model, X, target=1, segments=labels, samples=2**parts, fill=0.2)
    at = torch.from_numpy(labels)

    def value(row: np.ndarray) -> float:
        with torch.no_grad():
            shown = torch.where(torch.from_numpy(row)[at], X, torch.tensor(0.2))
            return float(model(shown).softmax(-1)[0, 1])

    np.testing.assert_allclose(found.surrogate.coefficients, shapley(value, parts), atol=1e-6)
    assert found.parameters["exact"]
    assert found.delta == pytest.approx(0, abs=1e-6)

    def batch(rows: np.ndarray) -> np.ndarray:
        return np.array([value(row.astype(bool)) for row in rows])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = shap.KernelExplainer(batch, np.zeros((1, parts)), silent=True).shap_values(
            np.ones((1, parts)), nsamples=2**parts, silent=True, l1_reg=False
        )
    np.testing.assert_allclose(found.surrogate.coefficients, np.asarray(theirs).ravel(), atol=1e-5)


def test_drawn_sets_come_near_the_shapley_values():
    model = network()
    labels = superpixels(X, "grid", 9)
    exact = kernels.kernel_shap(model, X, target=1, segments=labels, samples=1000)
    assert exact.parameters["exact"]
    near = kernels.kernel_shap(model, X, target=1, segments=labels, samples=200, seed=1)
    assert not near.parameters["exact"]
    scale = np.abs(exact.surrogate.coefficients).max()
    np.testing.assert_allclose(near.surrogate.coefficients, exact.surrogate.coefficients, atol=0.1 * scale)
    assert near.delta == pytest.approx(0, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 14), st.integers(2, 600), st.integers(0, 100))
def test_the_sets_are_sets_and_their_weights_the_kernels(parts, samples, seed):
    on, weights = coalitions(parts, samples, seed)
    counts = on.sum(1)
    assert len(on) <= max(samples, 2)
    assert ((counts > 0) & (counts < parts)).all()
    assert weights.sum() == pytest.approx(1)
    sizes = np.arange(1, parts)
    expected = (parts - 1) / (sizes * (parts - sizes))
    whole = len(np.unique(on, axis=0)) == len(on) == 2**parts - 2
    if whole:
        found = np.array([weights[counts == size].sum() for size in sizes])
        np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-9)
    assert whole == (samples >= 2**parts - 2)


def test_a_symmetric_model_gives_equal_parts_equal_shares():
    class Product(nn.Module):
        def forward(self, x):
            a, b, c = x[:, 0, 0, 0], x[:, 0, 0, 1], x[:, 0, 1, 0]
            return torch.stack([a * b + c, a * 0], 1)

    labels = np.array([[0, 1], [2, 3]])
    found = kernels.kernel_shap(Product(), torch.ones(1, 1, 2, 2), target=0, segments=labels, fill=0.0, score="logit")
    np.testing.assert_allclose(found.surrogate.coefficients, [0.5, 0.5, 1, 0], atol=1e-6)


# Superpixels


@pytest.mark.parametrize("how", ["slic", "quickshift", "felzenszwalb", "grid"])
def test_superpixels_are_about_as_many_as_asked(how):
    rows, columns = torch.meshgrid(torch.linspace(0, 12, 64), torch.linspace(0, 9, 80), indexing="ij")
    x = torch.stack([rows.sin(), (columns + rows).cos(), columns.sin()])[None]
    for count in (12, 60):
        labels = superpixels(x, how, count)
        parts = int(labels.max()) + 1
        assert labels.shape == (64, 80)
        assert sorted(np.unique(labels)) == list(range(parts))
        assert count / 2 <= parts <= count * 2
        np.testing.assert_array_equal(labels, superpixels(x, how, count))


def test_a_constant_image_has_superpixels():
    for how in ("slic", "quickshift", "felzenszwalb", "grid"):
        assert superpixels(torch.ones(1, 3, 24, 24), how, 9).shape == (24, 24)


def test_what_is_off_has_its_own_mean_colour():
    masks = []

    class Keeping(nn.Module):
        def forward(self, x):
            masks.append(x.detach().clone())
            return x.mean((2, 3))

    on = np.ones((3, 12), bool)
    on[1, 4] = on[2, [0, 7]] = False
    kernels.lime(Keeping(), X, segments=LABELS, on=on)
    seen = torch.cat(masks)[-3:]
    expected = X.repeat(3, 1, 1, 1)
    for row, part in ((1, 4), (2, 0), (2, 7)):
        at = torch.from_numpy(part == LABELS)
        expected[row][:, at] = X[0][:, at].mean(1, keepdim=True)
    torch.testing.assert_close(seen, expected, atol=1e-6, rtol=0)


# Text


def score_of(texts: list[str]) -> np.ndarray:
    good = np.array([0.9 * ("good" in text) - 0.5 * ("dull" in text) + 0.1 * len(text) / 50 for text in texts])
    return np.stack([1 / (1 + np.exp(good)), 1 / (1 + np.exp(-good))], 1)


TEXT = "A good film, though the end is dull and the good news is long."


def test_words_that_matter_are_found():
    found = lime_text(score_of, TEXT, target=1, samples=500)
    assert found.words[:3] == ["A", "good", "film"]
    assert "".join(found.without([]).split()) == "".join(TEXT.split())
    assert found.without([1, 2]) == "A  , though the end is dull and the good news is long."
    order = np.argsort(-np.abs(found.surrogate.coefficients))
    assert found.words[order[0]] == "dull"
    assert found.surrogate.coefficients[order[0]] < 0
    assert 'against it "dull"' in found.describe()
    again = lime_text(score_of, TEXT, target=1, samples=500)
    np.testing.assert_array_equal(found.surrogate.coefficients, again.surrogate.coefficients)
    once = lime_text(score_of, TEXT, target=1, samples=500, once=True)
    both = [value for word, value in zip(once.words, once.surrogate.coefficients, strict=True) if word == "good"]
    assert both[0] == both[1] > 0.1


def test_words_with_the_references_samples_have_its_coefficients():
    drawn = {}

    class Base(LimeBase):
        def explain_instance_with_data(self, data, labels, distances, *args, **keywords):
            drawn.update(data=data, labels=labels)
            return super().explain_instance_with_data(data, labels, distances, *args, **keywords)

    theirs = LimeTextExplainer(bow=False, random_state=3, feature_selection="none")
    theirs.base = Base(theirs.base.kernel_fn, random_state=theirs.random_state)
    explained = theirs.explain_instance(TEXT, score_of, num_samples=120, labels=(1,), num_features=50)
    from nnlens.kernels.attribution.methods.lime import proximity

    fit = Fit(drawn["data"].shape[1], 1.0)
    on = drawn["data"].astype(bool)
    fit.add(on, drawn["labels"][:, 1], proximity(on, 0.25))
    expected = dict(explained.local_exp[1])
    np.testing.assert_allclose(fit.solve().coefficients, [expected[one] for one in range(on.shape[1])], atol=1e-6)


def test_text_of_a_module():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.EmbeddingBag(50, 2, mode="sum")

        def forward(self, ids):
            return self.embed(ids)

    words = sorted(set(TEXT.lower().replace(",", "").replace(".", "").split()))

    def encode(texts):
        rows = [
            [words.index(one) + 1 for one in text.lower().replace(",", " ").replace(".", " ").split()] for text in texts
        ]
        longest = max(map(len, rows), default=1) or 1
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows])

    model = Bag()
    with torch.no_grad():
        model.embed.weight[0] = 0
    found = lime_text(model, TEXT, encode=encode, target=0, score="logit", ridge=1e-6, samples=600)
    expected = [model.embed.weight[words.index(word.lower()) + 1, 0].item() for word in found.words]
    np.testing.assert_allclose(found.surrogate.coefficients, expected, atol=1e-3)


def test_bad_texts_are_told():
    with pytest.raises(TypeError, match="text must be a str"):
        lime_text(score_of, 3)
    with pytest.raises(ValueError, match="text must have at least one word"):
        lime_text(score_of, " … ")
    with pytest.raises(ValueError, match="encode must be given for a module"):
        lime_text(nn.Linear(2, 2), "a b")
    with pytest.raises(ValueError, match=r"target must be 0…1, got 2"):
        lime_text(score_of, "a b", target=2)
    with pytest.raises(ValueError, match="a row of scores for each text"):
        lime_text(lambda texts: torch.ones(3), "a b")
