"""Inputs other than one photograph: laid out as images, and back."""

from __future__ import annotations

import itertools

import pytest
import torch
from input_networks import Pair, RgbAndDepth
from torch import nn

from nnlens.inputs.as_image import AXES, AsImage
from nnlens.inputs.trace import LANES, rows_picture, trace_of
from nnlens.inputs.varied import Around, Varied, whole_model
from nnlens.recording import borrow, record, version_of
from nnlens.recording.borrow import lock_of
from nnlens.utils.nests import at_path, mapped, paths_in, replaced

SIZES = {"n": 1, "c": 3, "d": 5, "h": 6, "w": 7, "t": 4, "f": 8}


@pytest.mark.parametrize("axes", AXES)
def test_every_layout_leads_back_to_the_tensor(axes):
    shape = tuple(SIZES[letter] for letter in axes)
    value = torch.randn(shape)
    usual = AsImage.of(axes, shape)
    for along, count in itertools.product(usual.slicing or ("",), (1, 2) if usual.slicing else (1,)):
        layout = usual.at(shape, along=along, count=count)
        image = layout.image(value)
        assert image.ndim == 4
        assert torch.equal(layout.value(image, value), value)
        other = torch.randn_like(image)
        both = layout.value(torch.cat([image, other]), value)
        batch = both.movedim(axes.index("n"), 0)
        assert torch.equal(batch[0], value.movedim(axes.index("n"), 0)[0])
        assert torch.equal(layout.image(layout.value(other, value)), other)
        # Outside of the slices everything stays as it is.
        assert int((layout.value(other, value) != value).sum()) <= other.numel()
        recording = record(_Of(layout, value), image)
        assert len(recording) == layout.operations + 1


class _Of(nn.Module):
    def __init__(self, layout, value):
        super().__init__()
        self.layout, self.value = layout, value

    def forward(self, image):
        return self.layout.value(image, self.value).relu()


def test_wrong_axes_and_slices_are_named():
    with pytest.raises(
        ValueError, match=r"axes must be one of nchw, nhwc, ndhw for the shape \(1, 2, 3, 4\), got 'nct'"
    ):
        AsImage.of("nct", (1, 2, 3, 4))
    layout, shape = AsImage.of("ncdhw", (1, 1, 5, 6, 7)), (1, 1, 5, 6, 7)
    with pytest.raises(ValueError, match="along must be one of d, h, w, got 't'"):
        layout.at(shape, along="t")
    with pytest.raises(ValueError, match=r"first must be 0…4, the slices along 'd', got 5"):
        layout.at(shape, first=5)
    with pytest.raises(ValueError, match=r"count must be 1…6 slices, got 7"):
        layout.at(shape, along="h", count=7)
    # Slices that would end outside begin earlier.
    assert layout.at(shape, first=4, count=3).first == 2


def test_nests_are_walked_changed_and_replaced():
    one, two = torch.ones(2), torch.zeros(3)
    nest = ([one, {"a": two, "b": 3}], "words")
    assert [(path, item is one or item is two) for path, item in paths_in(nest)] == [
        ((0, 0), True),
        ((0, 1, "a"), True),
    ]
    assert at_path(nest, (0, 1, "a")) is two
    changed = replaced(nest, (0, 1, "a"), one)
    assert changed[0][1]["a"] is one
    assert nest[0][1]["a"] is two
    assert mapped(nest, len) == ([2, {"a": 3, "b": 3}], "words")


def _around(args, keywords, path, shape):
    return Around(args=args, keywords=keywords, path=path, as_image=AsImage.of("nchw", shape), names={})


def test_a_varied_model_has_the_models_own_operations_and_modules():
    model, rgb, depth = RgbAndDepth().train(), torch.randn(1, 3, 8, 8), torch.randn(1, 1, 8, 8)
    varied = Varied(model, _around((rgb, depth), {}, (0,), tuple(rgb.shape)))
    recording = record(varied, rgb)
    assert recording.names == record(model, rgb, depth).names
    with torch.no_grad():
        assert torch.equal(recording.output, model(rgb, depth))
        batch = torch.randn(3, 3, 8, 8)
        assert torch.allclose(varied(batch), model(batch, depth.expand(3, -1, -1, -1)))
    assert [name for name, _ in varied.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert varied.get_submodule("rgb") is model.rgb
    assert varied.state_dict().keys() == model.state_dict().keys()
    assert whole_model(varied) is model is whole_model(model)
    assert lock_of(varied) is lock_of(model)
    with borrow(varied):
        assert not model.training
    assert model.training
    before = version_of(varied)
    assert before == version_of(model)
    with torch.no_grad():
        model.head.weight.add_(1)
    assert version_of(varied) == version_of(model) != before


def test_what_is_held_is_not_overwritten():
    class Writes(nn.Module):
        def forward(self, x, held):
            held += 1
            return (x * held).sum((2, 3))

    x, held = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    varied = Varied(Writes(), _around((x, held), {}, (0,), (1, 1, 2, 2)))
    for count in (1, 3):
        assert varied(x.expand(count, -1, -1, -1)).tolist() == [[8.0]] * count
    assert held.sum() == 4


def test_an_entry_of_an_argument_is_varied():
    pair = [torch.randn(1, 3, 6, 6), torch.randn(1, 3, 6, 6)]
    model = Pair().eval()
    varied = Varied(model, _around((pair,), {}, (0, 1), (1, 3, 6, 6)))
    other = torch.randn(2, 3, 6, 6)
    assert torch.allclose(varied(other), model([pair[0].expand(2, -1, -1, -1), other]))


def test_a_trace_keeps_the_extremes():
    values = torch.zeros(2, 50_000).numpy()
    values[1, 12_345] = 3
    trace = trace_of(values, bars=False)
    assert trace is not None
    assert trace.high.shape == (2, 7680)
    assert trace.high[1].max() == 3
    assert trace.low.min() == 0
    assert trace.range == (0, 3)
    assert trace.picture().size == (960, trace.height)
    short = trace_of(values[:, :5000], bars=False)
    assert short is not None
    assert short.high.shape == (2, 5000)
    bars = trace_of(values[:, :6] + 1, bars=True)
    assert bars is not None
    assert bars.range[0] == 0
    assert trace_of(torch.zeros(LANES + 1, 5).numpy(), bars=False) is None
    assert rows_picture(torch.rand(100, 50).numpy()).size == (960, 144)
