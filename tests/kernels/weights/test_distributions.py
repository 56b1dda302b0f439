"""Moments, tails, spectra and angles against scipy, powerlaw, known numbers and random matrices."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from nnlens.kernels import weights

BLACKOUTS = ("blackouts", 2.2726, 230_000, 0.0607, 59)
FLARES = ("flares", 1.7884, 323, 0.0083, 1711)
FIRES = ("fires", 2.1636, 6324, 0.0357, 521)


@given(arrays(np.float64, st.integers(3, 60), elements=st.floats(-5, 5, width=32)))
def test_moments_are_scipys(values):
    result = weights.moments(values)
    assert result.mean == pytest.approx(values.mean(), abs=1e-12)
    assert result.std == pytest.approx(values.std(), abs=1e-12)
    if values.std() > 1e-3:
        assert result.skewness == pytest.approx(scipy.stats.skew(values), rel=1e-6, abs=1e-9)
        assert result.kurtosis == pytest.approx(scipy.stats.kurtosis(values), rel=1e-6, abs=1e-9)


def test_moments_of_equal_values_have_no_shape():
    result = weights.moments(np.full(9, 0.1))
    assert np.isnan(result.skewness)
    assert np.isnan(result.kurtosis)
    with pytest.raises(ValueError, match="finite"):
        weights.moments(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="at least one"):
        weights.moments(np.empty(0))


@pytest.mark.parametrize(("name", "alpha", "xmin", "distance", "count"), [BLACKOUTS, FLARES, FIRES])
def test_the_tail_of_published_data_is_as_published(name, alpha, xmin, distance, count):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        powerlaw = pytest.importorskip("powerlaw")
        values = np.array(powerlaw.load_test_dataset(name), float)
        peer = powerlaw.Fit(values, verbose=0).power_law
    tail = weights.fit_tail(values)
    assert (tail.alpha, tail.xmin, tail.distance) == pytest.approx((peer.alpha, peer.xmin, peer.D), rel=1e-9)
    assert tail.alpha == pytest.approx(alpha, abs=1e-4)
    assert tail.distance == pytest.approx(distance, abs=1e-4)
    assert (tail.xmin, tail.count) == (xmin, count)


@pytest.mark.parametrize("exponent", [1.5, 2.5, 3.5])
def test_the_exponent_of_a_power_law_is_recovered(exponent):
    uniform = np.random.default_rng(1).random(20_000)
    tail = weights.fit_tail(3 * (1 - uniform) ** (-1 / (exponent - 1)))
    assert abs(tail.alpha - exponent) < 4 * tail.error
    assert tail.follows


def test_what_is_no_power_law_is_said_to_be_none():
    tail = weights.fit_tail(np.random.default_rng(0).normal(10, 1, 5000))
    assert not tail.follows
    assert weights.fit_tail(np.arange(1.0, 6)) is None
    assert weights.fit_tail(np.full(50, 2.0)) is None


def test_singular_values_are_those_the_matrix_was_made_of():
    rng = np.random.default_rng(0)
    known = np.array([5.0, 3, 1, 0.1, 0.001])
    left, _ = np.linalg.qr(rng.normal(size=(40, 5)))
    right, _ = np.linalg.qr(rng.normal(size=(70, 5)))
    result = weights.spectrum(left * known @ right.T)
    np.testing.assert_allclose(result.values[:5], known, rtol=1e-9)
    assert result.stable_rank == pytest.approx((known**2).sum() / 25)
    shares = known / known.sum()
    assert result.effective_rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-4)
    assert result.rank_for(0.99) == 3
    assert result.energy(2) == pytest.approx(34 / (known**2).sum())


@given(st.integers(1, 30), st.integers(1, 30))
def test_singular_values_are_torchs(rows, columns):
    matrix = torch.randn(rows, columns, dtype=torch.float64)
    np.testing.assert_allclose(
        weights.singular_values(matrix), torch.linalg.svdvals(matrix).numpy(), rtol=1e-7, atol=1e-7
    )


def test_random_matrices_follow_the_law_and_stay_below_the_threshold():
    generator = torch.Generator().manual_seed(0)
    above = 0
    for _ in range(200):
        above += weights.spectrum(torch.randn(30, 80, generator=generator)).above > 0
    assert above <= 8  # expected: 2
    for shape in ((300, 500), (400, 400), (500, 50)):
        result = weights.spectrum(0.3 * torch.randn(shape, generator=generator))
        assert result.distance < 0.06
        assert result.lower * 0.9 <= result.values[-1] + 1e-3
        assert result.values[0] == pytest.approx(result.upper, rel=0.05)


def test_the_laws_density_is_that_of_its_quantiles():
    for ratio in (0.05, 0.5, 1.0):
        places = weights.marchenko_pastur_quantiles(ratio, np.linspace(0.02, 0.98, 2001))
        density = weights.marchenko_pastur_density(places, ratio)
        covered = ((density[1:] + density[:-1]) / 2 * np.diff(places)).sum()
        assert covered == pytest.approx(0.96, abs=5e-3)


def test_a_planted_direction_is_found():
    torch.manual_seed(0)
    matrix = torch.randn(60, 100)
    planted = matrix + 40 * torch.outer(torch.randn(60) / 60**0.5, torch.randn(100) / 100**0.5)
    result = weights.spectrum(planted)
    assert result.above == 1
    assert result.energy_above == pytest.approx(0.2, abs=0.1)


def test_bad_matrices_are_refused():
    with pytest.raises(ValueError, match="two axes"):
        weights.spectrum(torch.randn(3, 4, 5))
    with pytest.raises(ValueError, match="NaN"):
        weights.spectrum(torch.tensor([[1.0, float("nan")]]))
    zeros = weights.spectrum(torch.zeros(4, 5))
    assert (zeros.stable_rank, zeros.above, zeros.rank_for(0.9)) == (0, 0, 0)


def test_rayleighs_test_is_calibrated_and_finds_a_direction():
    rng = np.random.default_rng(0)
    small = [weights.uniformity(rng.uniform(0, 180, 40)).p < 0.05 for _ in range(2000)]
    assert 0.035 < np.mean(small) < 0.065
    found = weights.uniformity(rng.normal(30, 8, 50) % 180)
    assert found.direction == pytest.approx(30, abs=4)
    assert found.p < 1e-6
    # Two axes cancel with a period of 180°, and add up with one of 90°.
    axes = np.array([0.0, 90] * 20)
    assert weights.uniformity(axes).resultant == pytest.approx(0, abs=1e-12)
    assert weights.uniformity(axes, period=90).resultant == pytest.approx(1)
    assert np.isnan(weights.uniformity(np.empty(0)).p)


def _alexnets_first_layer() -> np.ndarray:
    import safetensors.numpy

    folder = Path(os.environ.get("NNLENS_DATA", Path(__file__).parents[4] / "shared" / "data")) / "models"
    path = folder / "alexnet_features_imagenet.safetensors"
    if not path.is_file():
        pytest.skip("AlexNet's weights are not here")
    return safetensors.numpy.load_file(path)["features.0.weight"].astype(np.float32)


def test_alexnets_first_layer_has_the_statistics_of_its_full_weights():
    values = torch.from_numpy(_alexnets_first_layer())
    conv = nn.Conv2d(3, 64, 11, 4, 2)
    conv.weight.data = values
    result = weights.FilterStatistics(weights.find_one(conv, ""))
    moments = result.moments
    assert (moments.std, moments.skewness, moments.kurtosis) == pytest.approx((0.11698, 0.0576, 4.7615), rel=2e-3)
    assert (result.norms.min(), np.median(result.norms), result.norms.max()) == pytest.approx(
        (0.9311, 1.9961, 3.8634), rel=1e-3
    )
    assert np.median(result.kurtosis) == pytest.approx(1.600, abs=2e-3)
    assert np.median(abs(result.skewness)) == pytest.approx(0.4505, abs=1e-3)
    assert abs(result.skewness).max() == pytest.approx(4.752, abs=2e-3)
    orientation = result.orientation
    assert (np.median(orientation.share), orientation.share.min()) == pytest.approx((0.9615, 0.6002), abs=1e-3)
    assert np.median(orientation.frequency) == pytest.approx(0.1409, abs=1e-4)
    clockwise = (180 - orientation.angle) % 180
    assert np.histogram(clockwise, np.arange(0, 181, 22.5))[0].tolist() == [16, 3, 8, 5, 15, 4, 5, 8]
    fits, noise = result.gabor.r_squared, result.gabor_of_noise.r_squared
    assert np.median(fits) == pytest.approx(0.902, abs=2e-3)
    assert (fits > 0.9).sum() == 34
    assert (fits < 0.5).sum() in (3, 4)
    assert (np.median(noise), noise.max()) == pytest.approx((0.136, 0.204), abs=0.02)
    spectrum = result.spectrum
    assert spectrum.stable_rank == pytest.approx(15.073, abs=1e-2)
    assert (spectrum.energy(16), spectrum.energy(32)) == pytest.approx((0.721, 0.930), abs=1e-3)
    assert (spectrum.tail.alpha, spectrum.tail.distance, spectrum.tail.count) == pytest.approx(
        (1.6230, 0.171, 42), abs=1e-3
    )
