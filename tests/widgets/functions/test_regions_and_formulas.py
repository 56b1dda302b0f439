"""The views of the network as a function: linear pieces in a plane, also while it is trained."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

import nnlens
from nnlens.kernels.formula import simplification
from nnlens.kernels.functions import regions
from nnlens.widgets.regions.training import TrainingPart


def mlp(activation=nn.ReLU, width=8, outputs=2):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(2, width), activation(), nn.Linear(width, width), activation(), nn.Linear(width, outputs)
    )


def test_the_pieces_of_the_plane_are_those_of_the_kernel():
    model = mlp()
    view = nnlens.Lens(model, labels=["one", "two"]).regions(nnlens.zoo.points("moons", 40))
    assert view.labels == ["one", "two"]
    box = tuple(tuple(side) for side in view.box)
    origin, across, up = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    expected = regions(model, origin, across, up, box=box)
    assert len(view.result) == len(expected) == len(np.frombuffer(view.regions["starts"], np.int32)) - 1
    view.box = [[-0.5, 0.5], [-0.25, 0.25]]
    assert view.wait(30)
    assert len(view.result) < len(expected)
    assert view.result.box == ((-0.5, 0.5), (-0.25, 0.25))
    assert view.model is model


def test_a_box_that_cannot_be_drawn_keeps_the_last_one():
    view = nnlens.Lens(mlp()).regions()
    before = view.box
    view.box = [[1.0, -1.0], [0.0, 1.0]]
    assert view.wait(30)
    assert "box must be ((left, right), (bottom, top))" in view.error["message"]
    assert view.box == before


def test_a_copy_is_trained_and_the_model_stays():
    model = mlp(width=16)
    before = copy.deepcopy(model.state_dict())
    view = nnlens.Lens(model).regions(nnlens.zoo.points("moons", 100, noise=0.05), rate=0.02, steps=20)
    part = view.part(TrainingPart)
    for _step in range(10):
        for _pause in part.advance():
            pass
    assert view.training["step"] == 200
    assert view.training["losses"][-1] < 0.5 * view.training["losses"][0]
    assert view.training["accuracy"] > 0.85
    assert view.training["regions"][-1] == len(view.result)
    assert view.model is not model
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    # Its pieces are those of the copy: the function on each equals the copy at its middle.
    for region in view.result.regions[:10]:
        middle = torch.from_numpy(region.corners.mean(0)[None]).float()
        expected = view.model(middle)[0].detach().numpy()
        np.testing.assert_allclose(region.weights @ middle[0].numpy() + region.bias, expected, atol=1e-4)
    assert "after 200 training steps" in view.describe()
    view.restart += 1
    assert view.wait(30)
    assert view.training["step"] == 0


def test_training_runs_in_the_background_until_it_is_stopped():
    view = nnlens.Lens(mlp(outputs=1)).regions(nnlens.zoo.points("xor", 40), steps=1)
    view.train = True
    while not view.training or view.training["step"] < 3:
        view.wait(0.05)
    view.train = False
    assert view.wait(30)
    assert view.training["step"] >= 3
    assert not view.training["running"]
    assert view.error is None


def test_a_smooth_network_is_shown_at_points():
    model = mlp(nn.Tanh, outputs=1)
    view = nnlens.Lens(model).regions(nnlens.zoo.points("circles", 20))
    assert view.regions is None
    assert "tanh" in view.plane_note
    side, ((left, right), (bottom, top)) = view.plane_samples["side"], view.box
    classes = np.frombuffer(view.plane_samples["classes"], np.int32).reshape(side, side)
    u, v = (low + (high - low) * (np.arange(side) + 0.5) / side for low, high in ((left, right), (bottom, top)))
    places = torch.tensor(np.stack(np.meshgrid(u, v), -1).reshape(-1, 2)).float()
    np.testing.assert_array_equal(classes.ravel(), (model(places)[:, 0] > 0).int().numpy())
    with pytest.raises(ValueError, match="no pieces to give"):
        _ = view.result
    view.train = True
    assert view.wait(0.2) in (True, False)
    view.train = False
    assert view.wait(30)
    assert view.error is None


def test_a_plane_through_images():
    model, transform, names = nnlens.zoo.digits()
    digits = nnlens.zoo.DigitImages()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    view = lens.regions(images=[digits[place][0] for place in (3, 5, 8)])
    assert view.regions is None
    assert "more than 1000 linear pieces" in view.plane_note
    classes = np.frombuffer(view.points["classes"], np.int32)
    with torch.no_grad():
        scores = model(torch.stack([transform(digits[place][0]) for place in (3, 5, 8)]))
    assert scores.argmax(1).tolist() == classes.tolist()
    assert not view.can_train
    # Enlarged around an image its pieces are drawn.
    view.here = [0.0, 0.0]
    view.closer += 1
    assert view.wait(60)
    assert view.error is None
    assert view.regions is not None
    assert view.box[0][1] - view.box[0][0] < 0.1
    assert len(view.result) > 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": np.zeros((3, 3))}, r"points must be finite numbers \(n, 2\), got \(3, 3\)"),
        ({"points": np.full((3, 2), np.nan)}, "points must be finite"),
        ({"points": np.zeros((3, 2)), "labels": [0, 1]}, "labels must be a class 0, 1, … for each of the 3 points"),
        ({"points": np.zeros((3, 2)), "labels": [0, 1, 7]}, "labels must be 0…1 for a model with 2 outputs, got 7"),
        ({"points": np.zeros((3, 2)), "images": [1, 2, 3]}, "points and images must not both be given"),
        ({"images": [1, 2]}, "images must be three images, got 2"),
        ({"box": "all"}, "box must be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        nnlens.Lens(mlp()).regions(**arguments)


def test_labels_without_points():
    with pytest.raises(TypeError, match="labels are of points"):
        nnlens.Lens(mlp()).regions(labels=[0, 1])


def test_the_saved_page_keeps_the_pieces(tmp_path):
    view = nnlens.Lens(mlp()).regions(nnlens.zoo.points("moons", 30))
    page = view.save(tmp_path / "page.html")
    assert page.stat().st_size < 300_000
    assert view.picture().size[0] > 300


def small():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))


def computed(node, names):
    """The value of a tree, as a reader of it would compute it."""
    if node["op"] == "number":
        return node["value"]
    if node["op"] == "name":
        return names[node["name"]]
    parts = [computed(part, names) for part in node["parts"]]
    functions = {"+": sum, "*": math.prod, "max": max, "tanh": lambda x: math.tanh(x[0]), "^": lambda x: x[0] ** x[1]}
    return functions[node["op"]](parts)


def test_the_trees_of_a_formula_give_the_network():
    model = small()
    view = nnlens.Lens(model).formula([0.5, -1.0])
    assert view.formula["difference"] < 1e-12
    names = dict(zip(view.formula["inputs"], [0.3, 0.7], strict=True))
    for layer in view.formula["layers"]:
        for item in layer["definitions"]:
            names[item["name"]] = computed(item["tree"], names)
    expected = model.double()(torch.tensor([[0.3, 0.7]], dtype=torch.float64)).item()
    assert names["y"] == pytest.approx(expected, abs=1e-12)
    whole = computed(view.whole["expanded"][0]["tree"], {"x1": 0.3, "x2": 0.7})
    assert whole == pytest.approx(expected, abs=1e-12)
    assert view.inputs_at == [0.5, -1.0]
    model.float()
    assert len(view.result.layers) == 3


def test_an_odd_function_keeps_its_weights():
    """sympy writes tanh(-x) as -tanh(x); the page shows tanh with the weights of the layer."""
    model = nn.Sequential(nn.Linear(2, 1), nn.Tanh())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[-0.5, 0.25]]))
        model[0].bias.zero_()
    tree = nnlens.Lens(model).formula().formula["layers"][-1]["definitions"][0]["tree"]
    assert tree["op"] == "tanh"
    assert tree["parts"][0]["parts"][0]["parts"][0] == {"op": "number", "value": -0.5}


def test_the_digits_are_those_of_the_code():
    view = nnlens.Lens(small()).formula(digits=2)
    assert view.formula_code["digits"] == 2
    before = view.formula_code["python"]
    view.digits = 5
    assert view.wait(30)
    assert view.formula_code["digits"] == 5
    assert len(view.formula_code["python"]) > len(before)
    for language in ("latex", "c"):
        assert "tanh" in view.formula_code[language]


def test_a_simple_formula_is_simplified_and_a_long_one_is_given_up(monkeypatch):
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    view = nnlens.Lens(linear).formula(form="simplified")
    assert view.wait(60)
    assert view.error is None
    tree = view.whole["simplified"][0]["tree"]
    assert [part["op"] for part in tree["parts"]] == ["*", "*", "number"]
    monkeypatch.setattr(simplification, "SECONDS", 0.5)
    view = nnlens.Lens(small()).formula()
    view.form = "simplified"
    assert view.wait(60)
    assert "no simpler form in 0.5 seconds" in view.error["message"]
    assert view.form == "layers"


def test_a_formula_of_an_image_and_of_another_number_of_inputs():
    model, transform, names = nnlens.zoo.digits()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    with pytest.raises(ValueError, match=r"would have about .* numbers and functions, most of them from"):
        lens.formula(nnlens.zoo.DigitImages()[3][0])
    tiny = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(1)).eval()
    tiny(torch.zeros(1, 1, 4, 4))
    assert len(nnlens.Lens(tiny).formula(torch.zeros(1, 1, 4, 4)).formula["inputs"]) == 16
    convolution = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten())
    with pytest.raises(ValueError, match="x must be given"):
        nnlens.Lens(convolution).formula()
    view = nnlens.Lens(small()).formula()
    with pytest.raises(ValueError, match="inputs_at must have 2 numbers, got 1"):
        view.inputs_at = [1.0]
    assert view.inputs_at == [0.0, 0.0]


def test_the_page_of_a_formula(tmp_path):
    view = nnlens.Lens(small()).formula()
    assert view.save(tmp_path / "page.html").stat().st_size < 200_000
    assert "the largest difference from the network at 1000 points is" in view.describe()
    assert view.picture().size[0] > 300


def test_the_state_restores_box_and_digits():
    lens = nnlens.Lens(mlp())
    view = lens.regions()
    view.box = [[0.0, 1.0], [0.0, 1.0]]
    assert view.wait(30)
    again = lens.regions(state=view.state)
    assert again.box == again.regions["box"] == [[0.0, 1.0], [0.0, 1.0]]
    slopes = lens.regions(state="1&fill_by=slope")
    assert (slopes.fill_by, slopes.box) == ("slope", [[-2.0, 2.0], [-2.0, 2.0]])
    with pytest.raises(ValueError, match="box must be"):
        lens.regions(state="1&box=[[5,1],[0,1]]")
    written = nnlens.Lens(small()).formula(state="1&digits=8")
    assert written.formula_code["digits"] == 8
    with pytest.raises(ValueError, match="inputs_at must have 2 numbers, got 4"):
        nnlens.Lens(small()).formula(state="1&inputs_at=[1,2,3,4]")


def test_models_in_double_precision():
    view = nnlens.Lens(mlp().double()).regions(nnlens.zoo.points("moons", 30))
    assert len(view.result) > 1
    for _pause in view.part(TrainingPart).advance():
        pass
    assert nnlens.Lens(mlp(nn.Tanh).double()).regions().plane_samples is not None


def test_errors_of_first_use():
    three = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    with pytest.raises(ValueError, match=r"the model must take batches \(n, 2\)"):
        nnlens.Lens(three).regions()
    broken = mlp()
    with torch.no_grad():
        broken[0].weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="the model's outputs must be finite"):
        nnlens.Lens(broken).regions()
    with pytest.raises(ValueError, match=r"the model's weights must be finite, but 0\.weight"):
        nnlens.Lens(broken).formula()
    with pytest.raises(ValueError, match="x must be finite"):
        nnlens.Lens(small()).formula([float("nan"), 0.0])
    with pytest.raises(ValueError, match="points must be finite numbers"):
        nnlens.Lens(mlp()).regions("spirals")
    with pytest.raises(ValueError, match="labels must be a class 0, 1, … for each point, got"):
        nnlens.Lens(mlp()).regions(np.zeros((2, 2)), ["a", "b"])
    convolution = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1))
    with pytest.raises(ValueError, match="x must be given"):
        nnlens.Lens(convolution).formula()
    assert nnlens.Lens(small()).formula([[0.5, -1.0]]).inputs_at == [0.5, -1.0]
    assert nnlens.Lens(small()).formula(np.zeros((1, 2))).inputs_at == [0.0, 0.0]


def test_labels_with_a_very_large_index():
    view = nnlens.Lens(mlp(), labels={0: "a", 50_000_000: "b"}).regions()
    assert view.labels == []


def test_a_changed_model_is_simplified_again():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    view = nnlens.Lens(model).formula(form="simplified")
    assert view.wait(60)
    before = view.whole["simplified"]
    with torch.no_grad():
        model[1].bias.fill_(7.0)
    assert view.result.size > 0
    assert view.wait(60)
    assert view.whole["simplified"] not in (None, before)
