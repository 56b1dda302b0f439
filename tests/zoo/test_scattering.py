"""The scattering transform against kymatio, and what it must do with a shift, a negative and a wave."""

from __future__ import annotations

import math

import pytest
import torch

import nnlens
from nnlens.zoo.scattering import Scattering

# `kymatio.torch` fails with scipy 1.17: it imports a function that scipy has removed.
scattering2d = pytest.importorskip("kymatio.scattering2d.frontend.torch_frontend")


@pytest.mark.parametrize(
    ("size", "scales", "angles", "channels", "side"),
    [(28, 2, 8, 81, 7), (28, 1, 4, 5, 14), (32, 3, 4, 61, 4), (28, 2, 6, 49, 7)],
)
def test_it_is_that_of_kymatio(size, scales, angles, channels, side):
    x = torch.randn(2, 1, size, size, generator=torch.Generator().manual_seed(0))
    expected = scattering2d.ScatteringTorch2D(J=scales, L=angles, shape=(size, size))(x)[:, 0]
    found = Scattering(size, scales, angles)(x)
    assert found.shape == (2, channels, side, side)
    assert channels == 1 + scales * angles + angles**2 * scales * (scales - 1) // 2
    assert torch.allclose(found, expected, atol=1e-4)


def test_orders_above_the_first_do_not_see_the_sign_or_a_constant():
    x = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    transform = Scattering(32)
    plain, negative, brighter = (transform(image)[:, 1:] for image in (x, -x, x + 3))
    assert torch.allclose(plain, negative, atol=1e-6)
    assert torch.allclose(plain, brighter, atol=1e-4)


def test_a_wave_is_found_by_the_wavelet_of_its_direction():
    across = torch.cos(0.75 * math.pi * torch.arange(32.0)).expand(1, 1, 32, 32)
    # Of the finest scale: angle 3 varies from row to row, angle 7 from column to column.
    by_angle = [Scattering(32)(image)[0, 1:9].mean((1, 2)) for image in (across.mT, across)]
    assert [int(item.argmax()) for item in by_angle] == [3, 7]
    assert all(item.max() > 1.5 * item.sort().values[-2] for item in by_angle)
    assert by_angle[0][3] == pytest.approx(by_angle[1][7].item(), rel=1e-4)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="size must be a multiple of 2\\^scales"):
        Scattering(28, 3)


def test_digits_are_classified_without_learning():
    network = nnlens.zoo.scattering()
    data = nnlens.zoo.DigitImages()
    assert not any(parameter.requires_grad for parameter in network.model.parameters())
    x = torch.stack([network.preprocess(data[item][0]) for item in range(300, 500)])
    scores = network.model(x)
    right = (scores.argmax(1) == torch.tensor([data[item][1] for item in range(300, 500)])).double().mean()
    assert 0.85 < right < 0.95
    assert torch.softmax(scores, 1).max(1).values.mean() == pytest.approx(right.item(), abs=0.06)


def test_it_opens_in_the_explorer():
    network = nnlens.zoo.scattering()
    lens = nnlens.Lens(network.model, preprocess=network.preprocess, labels=network.labels)
    view = lens.explore(nnlens.zoo.DigitImages()[3][0], layer="scattering.first.0")
    view.wait()
    assert view.error is None
    assert "Layer scattering.first.0" in view.describe()
    view.close()


def test_digit_vectors_are_the_digits_reduced():
    rows, classes = nnlens.zoo.digit_vectors(20, 14)
    data = nnlens.zoo.DigitImages()
    image = torch.tensor(list(data[7][0].tobytes())).float().reshape(14, 2, 14, 2).mean((1, 3)) / 255
    assert torch.allclose(rows[7], image.flatten(), atol=1e-6)
    assert classes.tolist() == [data[item][1] for item in range(20)]
    with pytest.raises(ValueError, match="count must be 1…1000"):
        nnlens.zoo.digit_vectors(2000)
