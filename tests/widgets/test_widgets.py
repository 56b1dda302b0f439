from __future__ import annotations

import io
import time

import numpy as np
import pytest
import torch
from nets import same_state, state_of
from PIL import Image

import nnlens
from nnlens.kernels import occlusion
from nnlens.kernels.occlusion.occluder import occluder


def values(payload: dict, key: str, dtype=np.float32) -> np.ndarray:
    return np.frombuffer(payload[key], dtype)


def test_everything_is_there_from_the_first_moment(lens, photo):
    view = lens.explore(photo)
    assert view.layer
    assert view.mosaic["layer"] == view.layer
    assert view.unit_map["unit"] == view.unit
    assert view.scores["classes"][0] == view.target
    assert view.occlusion_map["done"] >= 9
    assert len([entry for entry in view.tree if not entry.get("not_run")]) == 13
    assert view.tree[-1] == {"name": "unused", "not_run": True}


def test_what_the_browser_gets_is_plain_torch(lens, net, photo):
    view = lens.explore(photo, layer="stem", unit=3, size=8, stride=8)
    with torch.no_grad():
        expected = net.stem(view.selection.sample.input.x)[0]
    np.testing.assert_allclose(values(view.unit_map, "data").reshape(32, 32), expected[3], atol=1e-5)
    np.testing.assert_allclose(values(view.mosaic, "high"), expected.amax((1, 2)), atol=1e-5)
    codes = values(view.mosaic, "data", np.uint8).reshape(8, 32, 32)
    low, high = (values(view.mosaic, key)[:, None, None] for key in ("low", "high"))
    np.testing.assert_allclose(low + codes / 252 * (high - low), expected, atol=float((high - low).max()) / 500)
    with torch.no_grad():
        image = view.selection.sample.input.x.clone()
        image[0, :, 8:16, 16:24] = 0.0  # mid-grey: (0.5 − 0.5) / 0.25
        hidden = net(image)[0].softmax(0)
    view.wait()
    table = values(view.occlusion_map, "probability").reshape(len(view.occlusion_map["targets"]), 4, 4)
    for position, target in enumerate(view.occlusion_map["targets"]):
        assert table[position, 1, 2] == pytest.approx(float(hidden[target]), abs=1e-5)


def test_the_browsers_choices_become_the_selection(lens, photo):
    view = lens.explore(photo)
    view.set_state({"layer": "stem"})
    view.set_state({"unit": 2, "position": [5, 6]})
    view.set_state({"target": 4})
    assert lens.selection.layer == "stem"
    assert (lens.selection.unit, lens.selection.position, lens.selection.target) == (2, (5, 6), 4)
    assert view.unit_map["unit"] == 2
    assert 4 in view.scores["classes"]
    assert view.error is None


def test_a_layer_of_fewer_units_takes_a_unit_of_its_own(lens, photo):
    view = lens.explore(photo, layer="stem", unit=7)
    seen = []
    view.observe(lambda change: seen.append((view.mosaic["layer"], view.unit_map["layer"])), "unit_map")
    view.set_state({"layer": "head"})
    assert view.error is None
    assert view.unit < 5
    assert view.mosaic["layer"] == view.unit_map["layer"] == "head"
    lens.selection.unit = 4
    lens.selection.layer = "stem"
    assert view.unit_map["layer"] == "stem"
    assert all(mosaic == unit for mosaic, unit in seen)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"layer": "nowhere"}, "layer must be one of"),
        ({"unit": 99}, "unit must be 0…7"),
        ({"target": 77}, "target must be 0…4"),
        ({"size": 999}, "size must be 1…32 high"),
        ({"fill": "pinkish"}, "fill"),
    ],
)
def test_a_wrong_choice_is_shown_in_the_widget(lens, photo, state, message):
    view = lens.explore(photo)
    before = repr(view.selection)
    view.set_state(state)
    view.wait()
    assert message in view.error["message"]
    assert "Traceback" in view.error["traceback"]
    assert repr(view.selection) == before
    assert view.layer == view.selection.layer
    assert (view.size, view.fill) == (8, "grey")


def test_the_live_occluder_equals_plain_torch(lens, net, photo):
    view = lens.occlusion(photo, size=10)
    for position in ([0, 0], [7, 11], [22, 22]):
        view.set_state({"occluder": position})
        assert view.wait(10)
        image = view.selection.sample.input.x.clone()
        image[0, :, position[0] : position[0] + 10, position[1] : position[1] + 10] = 0.0
        with torch.no_grad():
            expected = net(image)[0]
        assert view.occluded["position"] == position
        for index, logit in zip(view.occluded["classes"], view.occluded["logit"], strict=True):
            assert logit == pytest.approx(float(expected[index]), abs=1e-4)
        assert view.occluded["top"] == int(expected.argmax())
    view.set_state({"occluder": None})
    assert view.occluded is None


def test_one_place_by_size_and_pixels_hidden_by_hand_equal_plain_torch(lens, net, photo):
    view = lens.occlusion(photo, size=8, shape="circle", fill="blur")
    x = view.selection.sample.input.x
    view.set_state({"occluder": [9, 4]})
    assert view.wait(10)
    curve = view.size_curve
    assert (curve["position"], curve["size"], curve["shape"]) == ([9, 4], 8, "circle")
    assert curve["sizes"] == sorted(curve["sizes"])
    assert 8 in curve["sizes"]
    for column, size in enumerate(curve["sizes"]):
        window = occluder(x, size=size, shape="circle", fill="blur")
        top, left = (round(one + 4 - size / 2) for one in (9, 4))
        with torch.no_grad():
            expected = net(window.cover(np.array([top]), np.array([left])))[0]
        for row, index in enumerate(curve["classes"]):
            assert curve["logit"][row][column] == pytest.approx(float(expected[index]), abs=1e-4)

    hidden = np.random.default_rng(0).random((32, 32)) > 0.6
    view.set_state({"fill": "grey", "mask": memoryview(np.packbits(hidden).tobytes())})
    assert view.wait(10)
    with torch.no_grad():
        expected = net(torch.where(torch.from_numpy(hidden), torch.tensor(0.0), x))[0]
    masked = view.masked
    assert masked["mark"] == [int(hidden.sum()), int(np.flatnonzero(hidden).sum())]
    for index, logit in zip(masked["classes"], masked["logit"], strict=True):
        assert logit == pytest.approx(float(expected[index]), abs=1e-4)
    view.set_state({"mask": None})
    assert view.masked is None
    view.set_state({"mask": memoryview(bytes(3))})
    assert view.wait(10)
    assert "mask must have a bit for each of 32 × 32 pixels, got 24 bits" in view.error["message"]


def test_every_fill_and_shape_has_its_map(lens, net, photo):
    view = lens.occlusion(photo, size=8, stride=8)
    x = view.selection.sample.input.x
    for fill in ("grey", "mean", "blur", "noise", "surround"):
        for shape in ("rectangle", "circle"):
            view.set_state({"fill": fill, "shape": shape})
            assert view.wait(20)
            assert (view.occlusion_map["fill"], view.occlusion_map["shape"]) == (fill, shape)
            expected = occlusion(net, x, size=8, stride=8, fill=0.0 if fill == "grey" else fill, shape=shape)
            np.testing.assert_allclose(view.result.logits, expected.logits, atol=1e-5)


def test_a_dragged_slider_queues_nothing_and_the_last_size_wins(lens, net, photo):
    view = lens.explore(photo, stride=2)
    for size in range(2, 17):
        view.set_state({"size": size})
    assert view.wait(60)
    assert view.occlusion_map["size"] == [16, 16]
    result = view.result.occlusion
    assert result.complete
    expected = occlusion(net, view.selection.sample.input.x, size=16, stride=2, fill=0.0)
    np.testing.assert_allclose(result.logits, expected.logits, atol=1e-5)
    complete = [key for key, one in view.selection.sample.cache.of_kind("occlusion map").items() if one.complete]
    assert len(complete) < 15, "sizes that were passed over were not computed to the end"


def test_cancel_keeps_what_is_there_and_resume_goes_on(net, photo):
    nnlens.set_mode("live")  # the work goes on by itself

    class Slow(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            time.sleep(0.01)
            return self.net(x)

    lens = nnlens.Lens(Slow(), preprocess={"size": 32})
    view = lens.occlusion(photo, size=4, stride=1)
    time.sleep(0.1)
    view.set_state({"cancel": 1})
    assert view.wait(5)
    stopped = view.occlusion_map["done"]
    assert 9 <= stopped < 29 * 29
    assert view.busy == ""
    assert not view.result.complete
    assert view.result.computed.sum() >= stopped
    view.set_state({"resume": 1})
    time.sleep(0.3)
    view.set_state({"cancel": 2})
    assert view.wait(5)
    assert view.occlusion_map["done"] > stopped


def test_another_image_and_all_panes_follow(lens, net, photo):
    view, beside = lens.explore(photo), lens.activations(photo)
    view.set_state({"layer": "stem"})
    buffer = io.BytesIO()
    other = Image.fromarray(255 - photo)
    other.save(buffer, "PNG")
    view.set_state({"upload": {"name": "other.png", "data": memoryview(buffer.getvalue())}})
    assert view.wait(20)
    assert view.photo["name"] == "other.png"
    assert view.layer == "stem"
    assert view.upload is None
    sample = nnlens.Lens(net, preprocess=lens.preprocess).sample(other)
    np.testing.assert_allclose(view.scores["logit"], sample.logits[view.scores["classes"]], atol=1e-6)
    with torch.no_grad():
        expected = net.stem(sample.input.x)[0, view.unit]
    for one in (view, beside):
        np.testing.assert_allclose(values(one.unit_map, "data").reshape(32, 32), expected, atol=1e-5)
    assert view.result.occlusion.complete
    assert view.result.image == "other.png"


@pytest.mark.parametrize("data", [b"", b"no picture at all"])
def test_an_upload_that_is_no_image_is_shown_and_nothing_is_lost(lens, photo, data):
    view = lens.explore(photo)
    before = repr(view.selection)
    view.set_state({"upload": {"name": "x.png", "data": data}})
    assert view.wait(10)
    assert "image must" in view.error["message"]
    assert repr(view.selection) == before
    assert view.upload is None
    view.set_state({"layer": "stem"})
    assert view.mosaic["layer"] == "stem"


def test_a_model_that_fails_under_the_occluder_is_shown(net, photo):
    class Sometimes(torch.nn.Module):
        broken = False

        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            if self.broken:
                raise RuntimeError("out of order")
            return self.net(x)

    model = Sometimes()
    view = nnlens.Lens(model, preprocess={"size": 32}).occlusion(photo)
    view.wait()
    model.broken = True
    before = state_of(model)
    view.set_state({"occluder": [1, 1]})
    assert view.wait(10)
    assert "out of order" in view.error["message"]
    view.set_state({"error": None, "size": 3})
    assert view.wait(10)
    assert "out of order" in view.error["message"]
    assert view.busy == ""
    assert same_state(before, state_of(model))


def test_views_of_one_image_share_one_experiment(net, photo):
    class Counts(torch.nn.Module):
        passes = 0

        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            self.passes += len(x)
            return self.net(x)

    model = Counts()
    lens = nnlens.Lens(model, preprocess={"size": 32})
    views = [lens.occlusion(photo, size=8, stride=2) for _ in range(4)]
    assert views[0].wait(30)
    assert all(view.occlusion_map["done"] == 13 * 13 for view in views)
    assert model.passes <= 13 * 13 + 12
    views[0].close()
    lens.selection.target = 4
    assert views[0].target != 4
    assert views[1].target == 4


def test_edited_weights_are_seen(lens, net, photo):
    view = lens.explore(photo, layer="stem", size=8, stride=8)
    view.wait()
    with torch.no_grad():
        net.stem.weight.mul_(-3)
        net.head.bias.copy_(torch.arange(5.0))
    view.set_state({"occluder": [0, 0]})
    assert view.wait(10)
    view.set_state({"occluder": [0, 1]})
    assert view.wait(10)
    with torch.no_grad():
        x = view.selection.sample.input.x.clone()
        expected = net(x)[0]
        np.testing.assert_allclose(values(view.mosaic, "high"), net.stem(x)[0].amax((1, 2)), atol=1e-5)
        x[0, :, 0:8, 1:9] = 0
        hidden = net(x)[0]
    np.testing.assert_allclose(view.scores["logit"], expected[view.scores["classes"]], atol=1e-5)
    np.testing.assert_allclose(view.occluded["logit"], hidden[view.occluded["classes"]], atol=1e-4)
    np.testing.assert_allclose(view.result.occlusion.clean, expected, atol=1e-5)


def test_python_gets_its_own_errors_and_the_trait_keeps_its_value(lens, photo):
    view = lens.explore(photo)
    before = (view.layer, view.unit, view.size)
    for name, value in (("layer", "nope"), ("unit", 999), ("size", 999)):
        with pytest.raises(Exception, match=f"{name} must be"):
            setattr(view, name, value)
    assert (view.layer, view.unit, view.size) == before


def test_another_image_of_another_size_brings_its_own_slider(net):
    lens = nnlens.Lens(net)
    view = lens.explore(torch.randn(3, 64, 64), size=30)
    assert view.sizes == [1, 32, 1]
    view.selection.show(lens.sample(torch.randn(3, 24, 24)))
    assert view.wait(20)
    assert view.sizes == [1, 12, 1]
    assert view.size == 24
    assert view.result.occlusion.complete


def test_a_map_of_nothing_but_nan_still_draws(net, photo):
    class OnlyClean(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return torch.where((x == 0).all(1).flatten(1).any(1)[:, None], torch.nan, self.net(x))

    view = nnlens.Lens(OnlyClean(), preprocess={"size": 32, "mean": 0.5, "std": 0.25}).explore(photo, size=8, stride=8)
    view.set_state({"occluder": [3, 3]})
    assert view.wait(10)
    assert "NaN or infinity in 5 of 5 scores with the occluder at (3, 3)" in view.error["message"]
    assert view.result.occlusion.complete
    data, _ = view._repr_mimebundle_()
    assert "no position has a finite score yet" in data["text/plain"]


def test_options_are_checked_by_name(lens, photo):
    for options, error, message in (
        ({"sizee": 3}, TypeError, "Explorer has no option 'sizee'; did you mean 'size'.; it takes"),
        (
            {"hide": ["mosiac"]},
            ValueError,
            "hide must name panes and controls of .*, got 'mosiac'; did you mean 'mosaic'",
        ),
        ({"hide": ["map"], "show": ["map"]}, ValueError, "hide and show must not both be given"),
        ({"layer": "nowhere"}, ValueError, "layer must be one of"),
        ({"target": "cow"}, ValueError, "target must be one of the 5 labels"),
        ({"size": 40}, ValueError, "size must be 1…32 high"),
        ({"stride": 0}, ValueError, "stride must be at least 1"),
        ({"size": (8, 16)}, TypeError, "size must be one whole number in a view"),
        ({"fill": "pinkish"}, ValueError, "fill must be one of background, grey, mean, blur"),
        ({"sort": "name"}, ValueError, "sort must be one of"),
        ({"layers": "stem"}, TypeError, "layers must be a list"),
        ({"unit": 99}, ValueError, "unit must be"),
    ):
        with pytest.raises(error, match=message):
            lens.explore(photo, **options)


def test_no_view_without_an_image(lens):
    with pytest.raises(ValueError, match="there is no selection yet: open a view first"):
        lens.explore()


def test_wide_and_non_square_inputs(net):
    view = nnlens.Lens(net).explore(torch.randn(1, 3, 16, 40), size=6, stride=5)
    result = view.result.occlusion
    assert result.image == (16, 40)
    assert result.per_pixel().shape == (16, 40)


def test_a_network_without_maps_still_shows():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    view = nnlens.Lens(model).explore(torch.randn(1, 3, 4, 4))
    assert view.mosaic["layout"] == "one number per unit"
    assert view.picture().width > 100


def test_pictures_and_words(lens, photo, tmp_path):
    view = lens.explore(photo)
    assert view.save(tmp_path / "view.png").stat().st_size > 5000
    assert "The model says" in view.describe()
    assert f"Layer {view.layer}" in view.describe()
    with pytest.raises(ValueError, match=r"path must end in .html or .png"):
        view.save(tmp_path / "view.pdf")
