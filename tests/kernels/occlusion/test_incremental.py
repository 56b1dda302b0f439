"""The incremental engine against one plain pass per position, on random networks of every kind."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import same_state, state_of
from occluded_networks import (
    FUNCTIONS,
    ChannelsLast,
    Chooses,
    Dense,
    Function,
    InPlaceResidual,
    Residual,
    Squeeze,
    build,
    networks,
    plainly,
)
from torch import nn
from zoo import ZOO

from nnlens.kernels import (
    Incremental,
    Prepared,
    occluded_scores,
    occlusion,
    prepare_passes,
)
from nnlens.kernels.occlusion.occluder import occluder
from nnlens.recording import borrow


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@settings(max_examples=150, deadline=None)
@given(network=networks(), data=st.data())
def test_every_position_of_any_network_is_exact(network, data):
    """In float64, so that the bound can be tight; the engine itself is asked, not what guards it."""
    torch.manual_seed(0)
    size = data.draw(st.integers(9, 19)), data.draw(st.integers(9, 19))
    model = build(*network, size)
    if model is None:
        return
    x = torch.randn(1, 2, *size, dtype=torch.double)
    window = occluder(
        x,
        size=(data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))),
        shape=data.draw(st.sampled_from(["rectangle", "circle"])),
        fill=data.draw(st.sampled_from([0.0, 1.5, "mean", "noise", "surround"])),
    )
    stride = data.draw(st.integers(1, 4))
    starts = (np.arange(-(-(image - side) // stride) + 1) for image, side in zip(size, window.size, strict=True))
    tops, lefts = (one * stride for one in starts)
    prepared = Prepared(model, x)
    engine = Incremental(prepared, window.size, tops, lefts, most=data.draw(st.sampled_from([0.5, 0.8, 1.0])))
    rows, columns = (one.ravel() for one in np.meshgrid(range(len(tops)), range(len(lefts)), indexing="ij"))
    with borrow(model):
        found = engine.run(rows, columns, window.under(tops[rows], lefts[columns]), window.mask)
    expected = plainly(model, x, window.cover(tops[rows], lefts[columns]))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6, equal_nan=True)
    with borrow(model):
        whole = prepared(window.cover(tops[rows], lefts[columns]))
    torch.testing.assert_close(whole, expected, rtol=1e-5, atol=1e-6, equal_nan=True)


LOCAL = {
    "convolutions": [nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU6(True)],
    "folded": [nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True)],
    "padded": [Function(FUNCTIONS["pad"]), nn.Conv2d(4, 4, 3), nn.Hardswish()],
    "reflected": [nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), nn.AvgPool2d(2, count_include_pad=False)],
    "residual": [Residual(nn.Conv2d(4, 4, 3, padding=1)), InPlaceResidual(nn.Conv2d(4, 4, 1))],
    "joined": [Dense(nn.Conv2d(4, 4, 3, padding=1)), nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4)],
    "channels last": [ChannelsLast(4)],
    "padded before a maximum": [Function(FUNCTIONS["pad"]), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1)],
    "padded in several ways": [Function(lambda x: several_paddings(x))],
}


def several_paddings(x):
    ways = F.pad(x, (1, 1, 1, 1), value=2.0), F.pad(x, (1, 1, 1, 1), value=-3.0), F.pad(x, (1, 1, 1, 1))
    return sum(F.max_pool2d(one, 3, 1) for one in ways) + F.max_pool2d(x, 3, 1, 1)


@pytest.mark.parametrize("name", LOCAL)
def test_what_can_be_local_is(name):
    """A plan that quietly computes all of it whole would be exact, too."""
    torch.manual_seed(0)
    model = build(LOCAL[name], "pool", (32, 32))
    x = torch.randn(1, 2, 32, 32, dtype=torch.double)
    result = occlusion(model, x, size=4)
    whole = [share for share in result.plan if not share.local]
    assert {share.label for share in whole} <= {"AdaptiveAvgPool2d", "Flatten", "Linear"}
    assert whole[0].why == "an occluder changes all of it"
    assert all(0 < share.area < 0.8 for share in result.plan if share.local)
    rows, columns = (one.ravel() for one in np.meshgrid(result.tops, result.lefts, indexing="ij"))
    expected = plainly(model, x, occluder(x, size=4).cover(rows, columns))
    np.testing.assert_allclose(result.logits.reshape(len(rows), -1), expected, atol=1e-6)


def test_the_plan_says_why_the_rest_is_not():
    torch.manual_seed(0)
    layers = [nn.Conv2d(4, 4, 3), Squeeze(4), nn.Conv2d(4, 4, 3, padding=1)]
    result = occlusion(build(layers, "pool", (24, 24)).float(), torch.randn(1, 2, 24, 24), size=4)
    why = {share.name: share.why for share in result.plan}
    assert why["1"] == ""
    assert why["2.mul"] == "something before it is computed whole"
    assert result.how == "2 of 11 operations on windows, the rest whole"


@pytest.mark.parametrize("name", ["Residual", "Dense", "InPlace", "SqueezeExcite", "ViT", "Nested", "Hooked"])
def test_the_zoo_is_exact_and_goes_back_untouched(name):
    torch.manual_seed(0)
    specimen = ZOO[name]
    model, (x, *_) = specimen.build(), specimen.inputs()
    before = state_of(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = occlusion(model, x[:1], size=3, stride=2, fill=0.3)
    assert same_state(before, state_of(model))
    window = occluder(x[:1], size=3, fill=0.3)
    rows, columns = (one.ravel() for one in np.meshgrid(result.tops, result.lefts, indexing="ij"))
    expected = plainly(model.eval(), x[:1], window.cover(rows, columns))
    np.testing.assert_allclose(result.logits.reshape(len(rows), -1), expected, atol=1e-5)


def test_live_positions_anywhere(net):
    x = torch.randn(1, 3, 24, 24)
    places = [(-3, 5), (0, 0), (22, 20), (7, -4), (11, 13)]
    prepared = prepare_passes(net, x)
    scores = occluded_scores(net, x, places, size=(5, 6), fill="surround", shape="circle", prepared=prepared)
    window = occluder(x, size=(5, 6), shape="circle", fill="surround")
    tops, lefts = np.array(places).T
    np.testing.assert_allclose(scores, plainly(net, x, window.cover(tops, lefts)), atol=1e-5)
    with pytest.raises(ValueError, match=r"places must touch the input of 24 × 24 pixels, got \(24, 0\)"):
        occluded_scores(net, x, [(24, 0)], size=5, fill=0.0)


class OnlyAlone(nn.Module):
    """Its scores depend on what else is in the batch."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3, track_running_stats=False)

    def forward(self, x):
        return self.norm(x).amax((2, 3))


@pytest.mark.parametrize(
    ("model", "how", "words"),
    [
        (OnlyAlone(), "whole passes, one position at a time", "depend on what else is in a batch"),
        (Chooses(), "whole passes, one position at a time", None),
    ],
)
def test_models_that_mix_their_batch_or_change_their_path_are_found_out(model, how, words):
    torch.manual_seed(1)
    x = torch.rand(1, 3, 12, 12)
    x *= 0.502 / x.mean()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = occlusion(model, x, size=4)
    window = occluder(x, size=4)
    rows, columns = (one.ravel() for one in np.meshgrid(result.tops, result.lefts, indexing="ij"))
    expected = plainly(model, x, window.cover(rows, columns))
    np.testing.assert_allclose(result.logits.reshape(len(rows), -1), expected, atol=1e-5)
    assert result.how == how
    assert any(words in str(one.message) for one in told) if words else not told
