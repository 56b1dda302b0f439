"""Two images, or two models, side by side: the numbers are those of plain torch."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import nnlens
from nnlens import kernels
from nnlens.export.bundle import BUDGET


@pytest.fixture(scope="module")
def network():
    return nnlens.zoo.digits()


@pytest.fixture
def lens(network):
    model, transform, names = network
    return nnlens.Lens(model, preprocess=transform, labels=names)


@pytest.fixture(scope="module")
def images():
    digits = nnlens.zoo.DigitImages()
    return digits[3][0], digits[5][0]


def _values(texture, name="data", dtype=np.float32):
    return np.frombuffer(texture[name], dtype)


def test_two_images_by_plain_torch(network, lens, images):
    model = network[0]
    view = lens.compare(*images, layer="features.9")
    assert view.wait(60)
    result = view.result
    xs = [network[1](image)[None] for image in images]
    with torch.no_grad():
        shares = [model(x).softmax(1)[0].numpy() for x in xs]
        maps = [model.features[:10](x)[0].numpy() for x in xs]
    np.testing.assert_allclose(result.probabilities, shares, atol=1e-6)
    for side in (0, 1):
        np.testing.assert_allclose(result.activations[side].values, maps[side], atol=1e-5)
    difference = maps[1] - maps[0]
    np.testing.assert_allclose(result.difference.maps.values, difference, atol=1e-5)
    rms = np.sqrt((difference**2).mean((1, 2)))
    np.testing.assert_allclose(result.difference.rms, rms, atol=1e-5)
    assert result.difference.order[0] == view.unit == rms.argmax()

    # What is sent: one scale for both sides, the selected unit on each, the differences in their order.
    assert view.limits == pytest.approx([0, max(one.max() for one in maps)])
    unit = view.unit
    for name, values in (("unit_map", maps[0]), ("second_unit_map", maps[1]), ("difference_unit_map", difference)):
        np.testing.assert_allclose(_values(getattr(view, name)), values[unit].ravel(), atol=1e-5)
    order = np.frombuffer(view.difference_order, np.int32)
    assert sorted(order) == list(range(len(rms)))
    assert (np.diff(rms[order]) <= 1e-6).all()


def test_the_occlusion_maps_by_plain_torch(network, lens, images):
    model = network[0]
    view = lens.compare(*images, size=7, stride=7, fill="grey")
    assert view.wait(60)
    result = view.result
    target = view.target
    tops, lefts = result.occlusions[0].tops, result.occlusions[0].lefts
    grey = view.selection.sample.input.grey

    def changes(image):
        x = network[1](image)[None]
        with torch.no_grad():
            clean = model(x).softmax(1)[0, target]
            made = np.zeros((len(tops), len(lefts)))
            for row, top in enumerate(tops):
                for column, left in enumerate(lefts):
                    hidden = x.clone()
                    hidden[..., top : top + 7, left : left + 7] = torch.as_tensor(grey).reshape(1, -1, 1, 1)
                    made[row, column] = model(hidden).softmax(1)[0, target] - clean
        return made

    expected = changes(images[1]) - changes(images[0])
    np.testing.assert_allclose(result.occlusion_difference, expected, atol=1e-5)
    payload = view.difference_occlusion_map
    sent = _values(payload, "probability").reshape(len(payload["targets"]), *expected.shape)
    np.testing.assert_allclose(sent[payload["targets"].index(target)], expected, atol=1e-5)


def test_two_checkpoints_of_one_model(network, lens, images):
    model, transform, names = network
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.features[7].weight[3] += 0.1
    view = nnlens.compare(lens, nnlens.Lens(other, preprocess=transform, labels=names), images[0], layer="features.7")
    assert view.wait(60)
    assert (view.photo["name"], view.second_photo["name"]) == ("first model", "second model")
    assert view.of_models
    # Only that unit is another.
    assert view.result.difference.order[0] == view.unit == 3
    assert (view.result.difference.rms > 1e-6).sum() == 1
    with torch.no_grad():
        expected = [one(transform(images[0])[None]).softmax(1)[0].numpy() for one in (model, other)]
    np.testing.assert_allclose(view.result.probabilities, expected, atol=1e-6)


def test_both_sides_follow_one_selection(lens, images):
    view = lens.compare(*images)
    assert view.wait(60)
    view.set_state({"layer": "features.2"})
    view.set_state({"unit": 4, "position": [3, 5]})
    assert view.second_mosaic["layer"] == view.difference_mosaic["layer"] == "features.2"
    assert view.second_unit_map["unit"] == view.difference_unit_map["unit"] == 4
    view.set_state({"size": 10})
    assert view.wait(60)
    assert view.occlusion_map["size"] == view.second_occlusion_map["size"] == [10, 10]
    assert view.difference_occlusion_map["size"] == [10, 10]
    view.set_state({"occluder": [2, 3]})
    assert view.wait(60)
    assert view.occluded["position"] == view.second_occluded["position"] == [2, 3]
    assert view.occluded["probability"] != view.second_occluded["probability"]
    # Other views of the lens are not led by it.
    assert lens.explore(images[0]).layer != "features.2"


def test_a_saved_page_holds_both_sides(lens, images, tmp_path):
    view = lens.compare(*images)
    page = view.save(tmp_path / "compare.html")
    assert page.stat().st_size < BUDGET
    (response,) = view.bake(500_000, whole=True)
    for state in response.table.values():
        assert {"mosaic", "second_mosaic", "difference_mosaic", "difference_order"} <= set(state)


def test_what_cannot_be_compared_is_an_error(network, lens, images):
    model, transform, names = network
    with pytest.raises(TypeError, match="second must be a Lens, got a SmallNet"):
        nnlens.compare(lens, model, images[0])
    for labels, words in ((names[::-1], "different labels"), (None, "different labels")):
        with pytest.raises(ValueError, match=f"the same classes, got {words}"):
            nnlens.compare(lens, nnlens.Lens(model, preprocess=transform, labels=labels), images[0])
    any_size = nnlens.Lens(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(28), model), labels=names)
    with pytest.raises(ValueError, match="the two inputs must be of the same size, got 28 × 28 and 56 × 56 pixels"):
        any_size.compare(torch.zeros(1, 1, 28, 28), torch.zeros(1, 1, 56, 56))


def test_layers_of_other_shapes_have_no_difference():
    first, second = (
        torch.nn.Sequential(
            torch.nn.Conv2d(1, width, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(width * 36, 3)
        )
        for width in (4, 6)
    )
    x = torch.rand(1, 1, 8, 8)
    lenses = [nnlens.Lens(model.eval()) for model in (first, second)]
    view = nnlens.compare(*lenses, x, layer="1", unit=1)
    assert view.wait(60)
    assert view.difference_problem == "the maps of the two sides are of different shapes: 4 × 6 × 6, 6 × 6 × 6"
    assert view.difference_mosaic is None
    assert view.result.difference is None
    view.selection.layer = "3"
    assert view.difference_problem == ""
    assert view.difference_mosaic["units"] == 3


def test_values_that_are_not_finite_are_left_out():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1, bias=False))
    xs = [torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 3.0)]
    xs[1][0, 0, 0, 0] = float("nan")
    one, other = (kernels.activations(nnlens.record(model, x), "0") for x in xs)
    difference = kernels.activation_difference(one, other)
    weights = model[0].weight.detach().numpy().ravel()
    np.testing.assert_allclose(difference.rms, np.abs(2 * weights) * np.sqrt(3 / 4), rtol=1e-6)
    assert difference.maps.not_finite == 2
