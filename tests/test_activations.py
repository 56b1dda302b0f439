from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from nnlens.kernels import activations
from nnlens.kernels.activations import as_maps
from nnlens.recording import record
from nnlens.render.textures import LEVELS, NAN, NEGATIVE, POSITIVE, mosaic_texture, quantise, reduce_maps


class Gives(nn.Module):
    """A network of one operation: adds a value of any shape."""

    def __init__(self, value: torch.Tensor):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value + x


def of(value: torch.Tensor):
    return activations(record(Gives(value), torch.zeros(())), "add")


def test_statistics_equal_plain_torch():
    value = torch.randn(1, 6, 5, 7).relu()
    value[0, 2] = 0
    layer = of(value)
    flat = value[0].flatten(1)
    np.testing.assert_allclose(layer.maximum, flat.amax(1), atol=1e-6)
    np.testing.assert_allclose(layer.minimum, flat.amin(1), atol=1e-6)
    np.testing.assert_allclose(layer.mean, flat.mean(1), atol=1e-6)
    np.testing.assert_allclose(layer.zeros, (flat == 0).float().mean(1), atol=1e-6)
    assert layer.sparsity == pytest.approx(float((flat == 0).float().mean()))
    assert layer.dead.tolist() == [False, False, True, False, False, False]
    for unit in (0, 1, 3):
        row, column = layer.peak[unit]
        assert value[0, unit, row, column] == flat[unit].max()


def test_words():
    value = torch.zeros(1, 2, 4, 5)
    value[0, 0, 3, 1] = 4.125
    layer = of(value)
    assert layer.describe(0) == "unit 0: max 4.12 at (3, 1), 95 % zeros"
    assert layer.describe(1) == "unit 1: 0 everywhere on this input"


@pytest.mark.parametrize(
    ("shape", "maps", "layout"),
    [
        ((1, 3, 4, 5), (3, 4, 5), "one map per channel"),
        ((1, 7), (7, 1, 1), "one number per unit"),
        ((1, 17, 6), (6, 4, 4), "17 tokens as a 4 × 4 grid, first token left out"),
        ((1, 16, 6), (6, 4, 4), "16 tokens as a 4 × 4 grid"),
        ((1, 11, 6), (6, 1, 11), "one strip of 11 steps per unit"),
        ((1, 2, 3, 4, 5), (2, 4, 15), "3 slices side by side per channel"),
        ((), (1, 1, 1), "one number"),
        ((17, 1, 6), (6, 4, 4), "17 tokens as a 4 × 4 grid, first token left out"),
        ((4, 9, 9), (4, 9, 9), "one map per channel"),
    ],
)
def test_any_shape_becomes_maps(shape, maps, layout):
    found, words = as_maps(torch.randn(shape))
    assert found.shape == maps
    assert words == layout


def test_tokens_stand_where_their_patch_is():
    value = torch.zeros(1, 10, 2)
    value[0, 1 + 3 + 2, 1] = 5  # the class token, the first row, then the third patch of the second
    maps, _ = as_maps(value)
    assert maps[1, 1, 2] == 5
    assert maps.sum() == 5


def test_values_that_are_not_finite_are_counted_not_hidden():
    value = torch.ones(1, 3, 2, 2)
    value[0, 0, 0, 0], value[0, 1, 1, 1], value[0, 1, 0, 0] = torch.nan, torch.inf, -torch.inf
    layer = of(value)
    assert layer.not_finite == 3
    assert layer.maximum.tolist() == [1, 1, 1]
    codes = np.frombuffer(mosaic_texture(layer)["data"], np.uint8).reshape(3, 2, 2)
    assert codes[0, 0, 0] == NAN
    assert codes[1, 1, 1] == POSITIVE
    assert codes[1, 0, 0] == NEGATIVE
    assert of(torch.full((1, 2, 2, 2), torch.nan)).not_finite == 8


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(-1e3, 1e3, width=32)))
def test_codes_are_within_half_a_level_of_the_value(maps):
    low, high = maps.min((1, 2)), maps.max((1, 2))
    codes = quantise(maps, low, high)
    assert codes.max() <= LEVELS
    back = low[:, None, None] + codes / LEVELS * (high - low)[:, None, None]
    level = np.maximum(high - low, 1e-6)[:, None, None] / LEVELS
    assert (np.abs(back - maps) <= 0.51 * level + 1e-3).all()


def test_reducing_keeps_every_peak():
    maps = np.random.default_rng(0).normal(size=(2, 9, 11)).astype(np.float32)
    small = reduce_maps(maps, 2)
    assert small.shape == (2, 5, 6)
    for row in range(5):
        for column in range(6):
            cell = maps[1, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel()
            assert abs(small[1, row, column]) == np.abs(cell).max()


def test_textures_stay_small_and_say_how():
    texture = mosaic_texture(of(torch.randn(1, 64, 112, 112)))
    assert texture["step"] == 2
    assert (texture["rows"], texture["columns"]) == (56, 56)
    assert len(texture["data"]) == 64 * 56 * 56
