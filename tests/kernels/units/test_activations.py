from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from nnlens.kernels import activations
from nnlens.recording import record
from nnlens.render.textures import LEVELS, NAN, NEGATIVE, POSITIVE, mosaic_texture, quantise, reduce_maps


class Gives(nn.Module):
    """A network of one operation: adds a value of any shape."""

    def __init__(self, value: torch.Tensor):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value + x.mean()


def of(value: torch.Tensor, *, image: bool = True):
    return activations(record(Gives(value), torch.zeros(1, 3, 8, 8) if image else torch.zeros(4)), "add")


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
        ((1, 2, 3, 4, 5), (2, 8, 10), "3 slices side by side per channel, 2 in a row"),
        ((1, 2, 2, 4, 5), (2, 4, 10), "2 slices side by side per channel"),
        ((), (1, 1, 1), "one number"),
        ((17, 1, 6), (6, 4, 4), "17 tokens as a 4 × 4 grid, first token left out"),
        ((4, 9, 9), (4, 9, 9), "one map per channel"),
    ],
)
def test_any_shape_becomes_maps(shape, maps, layout):
    found = of(torch.randn(shape))
    assert found.values.shape == maps
    assert found.layout == layout


def test_tokens_of_a_text_are_a_strip():
    assert of(torch.randn(1, 16, 6), image=False).layout == "one strip of 16 steps per unit"


def test_channels_stay_where_they_are_behind_one_dimensional_layers():
    """Words through a convolution: (batch, channels, steps), whatever follows."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.conv, self.norm = nn.Embedding(9, 6), nn.Conv1d(6, 8, 3, padding=1), nn.BatchNorm1d(8)

        def forward(self, x):
            return self.norm(self.conv(self.words(x).transpose(1, 2))).relu() + 1

    recording = record(Net(), torch.randint(0, 9, (1, 16)))
    for layer in ("conv", "norm", "relu", "add"):
        found = activations(recording, layer)
        assert found.layout == "one strip per channel", layer
        assert found.values.shape == (8, 1, 16)
    assert activations(recording, "words").layout == "one strip of 16 steps per unit"


def test_steps_of_a_line_are_no_grid():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 6)

        def forward(self, x):
            return self.fc(x.transpose(1, 2))

    found = activations(record(Net(), torch.rand(1, 2, 16)), "fc")
    assert found.layout == "one strip of 16 steps per unit"


def test_channels_come_last_behind_windows():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.norm = nn.Linear(6, 6), nn.LayerNorm(6)

        def forward(self, x):
            windows = x.permute(0, 2, 3, 1).reshape(1, 2, 2, 2, 2, 6).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, 6)
            y = self.fc(F.scaled_dot_product_attention(windows, windows, windows))
            y = y.reshape(1, 2, 2, 2, 2, 6).permute(0, 1, 3, 2, 4, 5).reshape(1, 4, 4, 6)
            return self.norm(y) * 2

    recording = record(Net(), torch.rand(1, 6, 4, 4))
    for layer in ("norm", "mul"):
        assert activations(recording, layer).layout == "one map per channel, channels last"
        assert activations(recording, layer).values.shape == (6, 4, 4)


def test_an_empty_layer_is_told():
    class Net(nn.Module):
        def forward(self, x):
            return x[:, :0] * 2

    with pytest.raises(ValueError, match=r"layer 'mul' gave an empty tensor of shape \(1, 0, 4, 4\)"):
        activations(record(Net(), torch.rand(1, 3, 4, 4)), "mul")


def test_tokens_stand_where_their_patch_is():
    value = torch.zeros(1, 10, 2)
    value[0, 1 + 3 + 2, 1] = 5  # the class token, the first row, then the third patch of the second
    maps = of(value).values
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


class Patches(nn.Module):
    """Patch tokens, with `extra` in front, in channels-first and channels-last order, before and after attention."""

    def __init__(self, extra: int):
        super().__init__()
        self.patch, self.mix = nn.Conv2d(3, 5, 4, 4), nn.MultiheadAttention(5, 1, batch_first=True)
        self.extra = extra

    def forward(self, x):
        first = self.patch(x).flatten(2)
        tokens = torch.cat([torch.zeros(1, self.extra, 5), first.transpose(1, 2)], 1)
        mixed = self.mix(tokens, tokens, tokens)[0]
        maps = (tokens + mixed)[:, self.extra :].unflatten(1, (x.shape[2] // 4, x.shape[3] // 4))
        return maps.mean((1, 2)).sigmoid(), maps


@pytest.mark.parametrize("size", [(16, 16), (12, 32), (24, 8)])
@pytest.mark.parametrize("extra", [0, 1, 5])
def test_tokens_find_their_patches(size, extra):
    model, x = Patches(extra).eval(), torch.randn(1, 3, *size)
    recording = record(model, x)
    rows, columns = size[0] // 4, size[1] // 4
    patches = recording["patch"][0].numpy()
    np.testing.assert_array_equal(activations(recording, "patch").values, patches)
    for layer in ("flatten", "transpose", "cat", "mix", "add"):
        found = activations(recording, layer)
        assert found.grid == (rows, columns), (layer, found.layout)
        assert found.values.shape == (5, rows, columns)
        if layer in ("flatten", "transpose", "cat"):
            np.testing.assert_array_equal(found.values, patches)
    assert activations(recording, "unflatten").layout == "one map per channel, channels last"
    assert activations(recording, "unflatten").values.shape == (5, rows, columns)


def test_the_guess_can_be_overridden():
    recording = record(Patches(1).eval(), torch.randn(1, 3, 16, 16))
    assert activations(recording, "add").layout == "17 tokens as a 4 × 4 grid, first token left out"
    found = activations(recording, "add", grid=(2, 8))
    assert found.values.shape == (5, 2, 8)
    assert found.layout == "17 tokens as a 2 × 8 grid, first token left out"
    assert activations(recording, "add", grid=(3, 5)).layout == "17 tokens as a 3 × 5 grid, first 2 tokens left out"
    assert activations(recording, "add", grid="strip").values.shape == (5, 1, 17)
    with pytest.raises(ValueError, match="grid must have at most 17 places, the layer's tokens, got 5 × 5"):
        activations(recording, "add", grid=(5, 5))


def test_channels_last_networks_are_shown_as_maps():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.norm, self.fc = nn.Conv2d(3, 6, 4, 4), nn.LayerNorm(6), nn.Linear(6, 6)

        def forward(self, x):
            y = self.stem(x)
            return y + self.fc(self.norm(y.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)

    recording = record(Last(), torch.randn(1, 3, 16, 20))
    found = activations(recording, "norm")
    assert found.values.shape == (6, 4, 5)
    np.testing.assert_array_equal(found.values, recording["norm"][0].permute(2, 0, 1).numpy())


def test_lines_and_volumes_have_a_view():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.line, self.volume = nn.Conv1d(3, 2, 3), nn.Conv3d(1, 2, 2)

        def forward(self, x):
            return self.line(x.flatten(2)).mean() + self.volume(x[:, None]).mean()

    recording = record(Both(), torch.randn(1, 3, 8, 8))
    assert activations(recording, "line").values.shape == (2, 1, 62)
    assert activations(recording, "line").layout == "one strip per channel"
    volume = activations(recording, "volume")
    assert volume.values.shape == (2, 7, 14)
    np.testing.assert_array_equal(volume.values[1, :, 7:], recording["volume"][0, 1, 1].numpy())
