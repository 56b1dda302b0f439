"""The checks of a map against scipy, scikit-image and brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from attribution_cases import QUICK, X, network
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net, same_state, state_of
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity as skimage_ssim
from torch import nn
from zoo import ZOO

import nnlens
from nnlens import kernels, record
from nnlens.kernels import (
    Deletion,
    Subject,
    agreement,
    attribution,
    attribution_steps,
    evidence_steps,
    map_similarity,
    randomisation_steps,
    randomised_copy,
    seed_spread_steps,
    sensitivity_steps,
    spearman,
    structural_similarity,
)
from nnlens.kernels.attribution.evidence.randomisation import _again, weighted_layers
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
