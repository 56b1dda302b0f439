"""Parts of an input that views show and hide: the point in a volume, bands, channels, regions, names, scales."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import pytest
import torch
from input_networks import cases
from PIL import Image
from torch import nn

import nnlens
from nnlens.kernels import channel_scores, volume_occlusion
from nnlens.widgets.inputs.class_map import inside_of

CASES = cases()


def volume_view(**options):
    case = CASES["a volume"]
    model = case.model()
    view = nnlens.Lens(model).explore(case.given, **options)
    assert view.wait(60)
    assert view.error is None, view.error
    return model, case.given, view


def test_a_volume_is_sent_whole_and_the_point_leads_the_slices():
    _model, x, view = volume_view()
    assert view.volume["shape"] == tuple(x.shape[2:])
    codes = np.frombuffer(view.volume["data"], np.uint8).reshape(x.shape[2:])
    low, high = view.volume["range"]
    assert np.allclose(low + codes / 255 * (high - low), x[0].mean(0), atol=(high - low) / 500)
    assert view.crosshair == [side // 2 for side in x.shape[2:]]
    view.crosshair = [3, 5, 7]
    assert view.wait(60)
    assert view.slices["first"] == 3
    # And the slices lead the point.
    view.asked_slices = {"first": 11}
    assert view.wait(60)
    assert view.crosshair == [11, 5, 7]
    view.asked_slices = {"along": "h", "first": 2}
    assert view.wait(60)
    assert view.crosshair == [11, 2, 7]
    assert view.error is None


@pytest.mark.parametrize("point", [[0, 0, 0], [8, 9, 10], [15, 17, 19]])
def test_the_box_at_the_point_equals_a_plain_pass(point):
    model, x, view = volume_view()
    view.box_size = 6
    view.crosshair = point
    assert view.wait(60)
    first = [max(0, min(at - 3, side - 6)) for at, side in zip(point, x.shape[2:], strict=True)]
    assert list(view.hidden_box["first"]) == first
    hidden = x.clone()
    d, h, w = first
    hidden[:, :, d : d + 6, h : h + 6, w : w + 6] = x.mean((2, 3, 4), keepdim=True)
    with torch.no_grad():
        expected = model(hidden)[0].numpy()
    assert view.hidden_box["logit"] == pytest.approx(expected[view.hidden_box["classes"]].tolist(), abs=1e-5)


def test_the_map_of_a_volume_equals_the_kernels_and_can_be_stopped():
    model, x, view = volume_view()
    view.box_size = 6
    view.volume_run += 1
    assert view.wait(120)
    assert view.error is None
    assert not view.volume_map["running"]
    target = view.target
    fill = x.mean((0, 2, 3, 4))
    expected = volume_occlusion(model, x, target=target, size=6, fill=fill).change(target)
    ours = np.frombuffer(view.volume_map["change"], np.float32).reshape(expected.shape)
    assert np.allclose(ours, expected, atol=1e-5)
    assert view.volume_map["total"] == len(view.volume_map["fronts"]) == expected.shape[0]
    view.volume_run += 1
    view.cancel += 1
    assert view.wait(60)
    assert not view.volume_map["running"]


def test_volumes_of_other_axes_and_beside_other_inputs_have_no_map():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv3d(1, 3, 3), nn.Linear(2, 3)

        def forward(self, scan, meta):
            return self.conv(scan).amax((2, 3, 4)) + self.linear(meta)

    view = nnlens.Lens(Both()).explore(torch.randn(1, 1, 8, 9, 10), meta=torch.randn(1, 2))
    assert view.wait(60)
    assert view.error is None
    assert not view.volume["can_map"]
    assert view.hidden_box is not None
    view.volume_run += 1
    assert view.wait(60)
    assert "only input is a volume" in view.error["message"]


def test_the_state_of_a_view_has_the_point():
    _model, _x, view = volume_view()
    view.crosshair, view.box_size = [2, 3, 4], 5
    assert view.wait(60)
    _model, _x, other = volume_view(state=view.state)
    assert (other.crosshair, other.box_size) == ([2, 3, 4], 5)


@pytest.fixture
def satellite():
    parts = nn.Conv2d(7, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)
    return nn.Sequential(*parts).eval()


def test_other_bands_are_another_picture_of_the_same_pass(satellite):
    x = torch.randn(1, 7, 12, 12)
    names = [f"B{index}" for index in range(7)]
    lens = nnlens.Lens(satellite, channel_names=names)
    view = lens.explore(x)
    assert view.wait(60)
    assert view.bands["mean"] == pytest.approx(x[0].mean((1, 2)).tolist(), abs=1e-6)
    assert view.bands["deviation"] == pytest.approx(x[0].std((1, 2), correction=0).tolist(), abs=1e-6)
    assert view.photo["channel_names"] == names
    other = int(view.selection.sample.top(3)[2])
    view.selection.target = other
    recording, before = view.selection.sample.recording, view.photo["data"]
    view.asked_bands = [5, 3, 1]
    assert view.wait(60)
    assert view.error is None
    assert view.bands["shown"] == [5, 3, 1]
    assert view.photo["data"] != before
    assert view.selection.target == other
    assert view.selection.sample.recording is recording
    view.asked_bands = [9, 0, 0]
    assert view.wait(60)
    assert "bands must be three channels 0…6" in view.error["message"]
    assert lens.bands == (5, 3, 1)


def test_channels_are_hidden_together(satellite):
    x = torch.randn(1, 7, 12, 12)
    view = nnlens.Lens(satellite).explore(x)
    assert view.wait(60)
    view.hidden_channels = [1, 4]
    assert view.wait(60)
    assert view.error is None
    expected = channel_scores(satellite, x, groups=[[1, 4]])[0]
    sent = view.without_channels
    assert sent["channels"] == [1, 4]
    assert sent["logit"] == pytest.approx(expected[sent["classes"]].tolist(), abs=1e-5)
    view.hidden_channels = []
    assert view.wait(60)
    assert view.without_channels is None


def test_names_of_channels_are_checked(satellite):
    with pytest.raises(ValueError, match="channel_names must name each of 7 channels, got 2 names"):
        nnlens.Lens(satellite, channel_names=["a", "b"]).explore(torch.randn(1, 7, 12, 12))
    with pytest.raises(TypeError, match="channel_names must be a sequence of names, or a dictionary of these, got 'a'"):
        nnlens.Lens(satellite, channel_names="a")
    with pytest.raises(ValueError, match="axis_scales must hold the first and last value and the unit"):
        nnlens.Lens(satellite, axis_scales={"w": (0, 1)})
    case = CASES["keywords"]
    numbers = [f"n{index}" for index in range(5)]
    view = nnlens.Lens(case.model(), channel_names={"meta": numbers}).explore(case.given, **case.keywords)
    assert view.wait(60)
    assert view.inputs[2]["number_names"] == numbers
    assert "channel_names" not in view.photo


def test_a_spectrogram_keeps_the_units_of_its_axes():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    scales = {"h": (8000, 0, "Hz"), "w": (0, 2.5, "s")}
    view = nnlens.Lens(model, axis_scales=scales).explore(torch.rand(1, 1, 20, 30))
    assert view.photo["row_scale"] == (8000.0, 0.0, "Hz")
    assert view.photo["column_scale"] == (0.0, 2.5, "s")


def test_a_region_drawn_by_hand_is_the_target():
    model = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 4, 5, padding=2))
    x = torch.rand(1, 3, 20, 24)
    view = nnlens.Lens(model).explore(x)
    assert view.wait(60)
    outline = [(2.5, 2.5), (15.5, 3.5), (9.5, 20.5)]
    view.asked_place = {"box": None, "outline": outline}
    assert view.wait(60)
    assert view.error is None
    region = np.frombuffer(view.class_map["region"], np.uint8).reshape(20, 24).astype(bool)
    assert np.array_equal(region, inside_of(outline, 20, 24))
    # Inside by the sides of the triangle, but for the places on the line itself.
    rows, columns = np.mgrid[:20, :24]
    corners = [(2, 2), (15, 3), (9, 20)]
    side = [
        (b[1] - a[1]) * (rows - a[0]) - (b[0] - a[0]) * (columns - a[1])
        for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)
    ]
    strictly = np.all(np.array(side) > 0, 0) | np.all(np.array(side) < 0, 0)
    assert region[strictly].all()
    assert region.sum() < strictly.sum() + 60
    with torch.no_grad():
        expected = (model(x)[0].numpy() * region).sum((1, 2))
    assert view.selection.sample.logits == pytest.approx(expected, rel=1e-4)
    view.asked_place = {"box": None, "outline": []}
    assert view.wait(60)
    assert "outline must hold at least one place" in view.error["message"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("crosshair", [1, 2], "crosshair must be depth, row and column inside of 16 × 18 × 20 voxels, got"),
        ("crosshair", [99, 0, 0], "inside of 16 × 18 × 20 voxels"),
        ("crosshair", [-1, 0, 0], "inside of 16 × 18 × 20 voxels"),
        ("box_size", 99, r"box_size must be 1…16 voxels, got 99"),
        ("box_size", -3, r"box_size must be 1…16 voxels, got -3"),
    ],
)
def test_points_and_sizes_outside_of_the_volume_are_refused(name, value, words):
    _model, _x, view = volume_view()
    before = getattr(view, name)
    with pytest.raises(Exception, match=words):
        setattr(view, name, value)
    assert getattr(view, name) == before
    view.state = "1"  # the usual point and size
    assert view.wait(60)
    assert view.error is None
    assert view.hidden_box["size"] == 4


def test_another_volume_has_a_point_of_its_own():
    model, _x, view = volume_view()
    view.crosshair, view.box_size = [15, 17, 19], 9
    assert view.wait(60)
    small = nnlens.Lens(model).explore(torch.randn(1, 1, 12, 13, 14), link=False)
    assert small.wait(60)
    assert (small.crosshair, small.box_size) == ([6, 6, 7], 3)
    view.selection.show(small.selection.sample)
    assert view.wait(60)
    assert view.error is None
    assert (view.crosshair, view.box_size) == ([6, 6, 7], 3)


def test_a_region_and_bands_are_undone():
    model = nn.Conv2d(7, 4, 5, padding=2)
    view = nnlens.Lens(model).explore(torch.rand(1, 7, 12, 16))
    assert view.wait(60)
    numbers = [view.image_number]
    state, reading = view.state, {"task": view.meaning["task"], "logits": view.meaning["logits"]}
    view.asked_place = {"box": [3, 3, 5, 5]}
    assert view.wait(60)
    numbers.append(view.image_number)
    view.asked_bands = [4, 5, 6]
    assert view.wait(60)
    numbers.append(view.image_number)
    assert len(set(numbers)) == 3
    assert (view.class_map["box"], view.bands["shown"]) == ([3, 3, 5, 5], [4, 5, 6])
    for number, box, shown in [
        (numbers[1], [3, 3, 5, 5], None),
        (numbers[0], None, None),
        (numbers[2], [3, 3, 5, 5], [4, 5, 6]),
    ]:
        view.restore = {"image": number, "state": state, "mask": None, "reading": reading}
        assert view.wait(60)
        assert view.error is None
        assert (view.class_map["box"], view.bands["shown"]) == (box, shown)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"box": [1, 2]}, r"asked_place must be a box \(top, left, bottom, right\), got"),
        ({"box": [5, 5, 2, 2]}, r"asked_place must be a box .* inside of 12 × 16 places"),
        ({"box": None, "outline": [[float("nan"), 1]]}, "outline must be pairs of a row and a column"),
        ({"box": None, "outline": [[1, 1, 1]]}, "outline must be pairs of a row and a column"),
        ({"box": None, "outline": "abc"}, "outline must be pairs of a row and a column"),
    ],
)
def test_places_that_are_none_are_refused(asked, words):
    view = nnlens.Lens(nn.Conv2d(3, 4, 5, padding=2)).explore(torch.rand(1, 3, 12, 16))
    assert view.wait(60)
    view.asked_place = asked
    assert view.wait(60)
    assert re.search(words, view.error["message"])
    assert view.class_map["box"] is None


def test_what_there_is_nothing_of_cannot_be_chosen(satellite):
    view = nnlens.Lens(satellite).explore(torch.randn(1, 7, 12, 12))
    assert view.wait(60)
    view.box_value = "left"
    assert view.box_value == "score"
    with pytest.raises(Exception, match=r"hidden_channels must be channels 0…6, got \[7\]"):
        view.hidden_channels = [7]
    assert view.hidden_channels == []
    with pytest.raises(Exception, match="label_threshold must be between 0 and 1, got nan"):
        view.label_threshold = float("nan")
    case = CASES["keywords"]
    lens = nnlens.Lens(case.model(), channel_names={"metas": ["a"]})
    with pytest.raises(
        ValueError, match=r"channel_names must be of inputs of the model \(rgb, depth, meta\), got 'metas'"
    ):
        lens.explore(case.given, **case.keywords)


def test_filters_comparisons_and_planes_take_signals(tmp_path):
    net, beats = nnlens.zoo.heartbeats(), nnlens.zoo.Heartbeats(4)
    first, second, third = (beats[place].signal[None] for place in (1, 2, 3))
    lens = nnlens.Lens(net.model, labels=net.labels, rate=net.rate)
    filters = lens.filters("features.0", first)
    assert filters.wait(60)
    assert filters.error is None
    assert filters.tuning["problem"] == ""
    # A signal has no other direction than its own: waves along it, through the plain convolution.
    assert filters.tuning["orientations"] == [0.0]
    frequency = filters.tuning["frequencies"][3]
    along = torch.arange(first.shape[-1]) - (first.shape[-1] - 1) / 2
    waves = torch.stack([torch.sin(2 * torch.pi * (frequency * along + quarter / 4)) for quarter in range(4)])
    with torch.no_grad():
        responses = net.model.features[0](waves[:, None].expand(-1, 2, -1))[:, 0]
    values = np.frombuffer(filters.tuning["values"], np.float32)
    assert values[3] == pytest.approx(float(responses[:, responses.shape[-1] // 2].max()), rel=1e-4)
    beside = nnlens.compare(lens, nnlens.Lens(net.model, labels=net.labels, rate=net.rate), first)
    assert beside.wait(60)
    assert beside.error is None
    plane = lens.regions(images=[first, second, third])
    assert plane.wait(60)
    assert plane.error is None
    winners = net.model(torch.cat([first, second, third])).argmax(1).tolist()
    assert np.frombuffer(plane.points["classes"], np.int32).tolist() == winners
    with nnlens.Watch(lens, torch.cat([first, second]), every=1, folder=tmp_path) as watch:
        watch.step(loss=1.0)
        watch.step(loss=0.5)
    shown = watch.compare()
    assert shown.wait(60)
    assert shown.error is None


@pytest.mark.parametrize("name", ["a signal", "numbers"])
def test_what_maximises_a_unit_of_a_signal_is_drawn_as_one(name):
    case = CASES[name]
    view = nnlens.Lens(case.model(), **case.lens).unit(case.given, **case.keywords)
    view.steps = 8
    view.synthesis_run += 1
    assert view.wait(60)
    assert view.error is None
    picture = Image.open(BytesIO(view.synthesis["frame"]["pictures"][0])).convert("L")
    assert picture.size == (320, 160)
    assert np.asarray(picture).min() < 128 < np.asarray(picture).max()  # lines on white
