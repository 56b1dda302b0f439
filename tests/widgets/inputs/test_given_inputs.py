"""What a model is given in other ways: names, words, pictures among tensors, wrong inputs, maps of classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from input_networks import RgbAndDepth, cases
from PIL import Image
from torch import nn

import nnlens
from nnlens.inputs.laid_out import names_of_inputs
from nnlens.recording import ForwardError

CASES = cases()


def test_wrong_inputs_are_named():
    model = RgbAndDepth().eval()
    lens = nnlens.Lens(model)
    rgb, depth = torch.randn(1, 3, 16, 16), torch.randn(1, 1, 16, 16)
    with pytest.raises(TypeError, match=r"forward.*missing a required argument: 'depth'"):
        lens.explore((rgb,))
    with pytest.raises(TypeError, match="Explorer has no option 'dephts'"):
        lens.explore(rgb, dephts=depth)
    with pytest.raises(ForwardError, match=r"the model raised at"):
        lens.explore(rgb, depth=torch.randn(1, 2, 16, 16))
    with pytest.raises(ValueError, match=r"rgb must be one input: a batch of 1 along the axis n of 'nchw', got \(2, 3"):
        lens.explore((rgb.repeat(2, 1, 1, 1), depth.repeat(2, 1, 1, 1)))
    with pytest.raises(ForwardError, match=r"size of tensor"):
        lens.explore((rgb, torch.randn(2, 1, 15, 16)))
    assert names_of_inputs(model, (rgb,), {"depth": depth}) == {(0,): "rgb", ("depth",): "depth"}


def test_pictures_among_several_inputs_are_preprocessed(photo):
    model = RgbAndDepth().eval()
    lens = nnlens.Lens(model, preprocess={"size": 16, "mean": 0.5, "std": 0.5})
    view = lens.explore((Image.fromarray(photo), torch.randn(1, 1, 16, 16)))
    assert view.wait(60)
    alone = nnlens.Lens(nn.Conv2d(3, 2, 3), preprocess=lens.preprocess).session.setup.input_of(Image.fromarray(photo))
    assert torch.equal(view.selection.sample.input.x, alone.x)


def segmenter():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1)).eval()
    return model, torch.randn(1, 3, 12, 16)


def test_a_place_and_a_region_of_a_map_of_classes_become_the_target():
    model, x = segmenter()
    lens = nnlens.Lens(model, labels=["sky", "road", "tree", "car"])
    view = lens.explore(x)
    assert view.wait(60)
    with torch.no_grad():
        scores = model(x)[0]
    classes = scores.argmax(0).numpy()
    sent = view.class_map
    assert np.array_equal(np.frombuffer(sent["data"], np.uint16).reshape(12, 16), classes)
    assert sum(sent["shares"]) == pytest.approx(1)
    assert sent["box"] is None
    assert view.inputs_module
    assert np.array_equal(nnlens.kernels.class_map(model(x), lens.meaning), classes)
    # A place: its own class is explained, there.
    view.asked_place = {"box": [3, 5, 3, 5]}
    assert view.wait(60)
    assert view.error is None
    assert view.target == classes[3, 5]
    assert np.allclose(view.selection.sample.logits, scores[:, 3, 5], atol=1e-5)
    assert view.class_map["box"] == [3, 5, 3, 5]
    hidden = x.clone()
    result = view.result.occlusion
    top, left = result.tops[0], result.lefts[0]
    fill = torch.as_tensor(view.selection.sample.input.fill(view.fill))
    hidden[..., top : top + result.size[0], left : left + result.size[1]] = fill
    with torch.no_grad():
        assert np.allclose(result.logits[0, 0], model(hidden)[0, :, 3, 5], atol=1e-4)
    # A region: the sum of its scores, and its most frequent class.
    view.asked_place = {"box": [2, 2, 7, 9]}
    assert view.wait(60)
    inside = classes[2:8, 2:10]
    assert view.target == np.bincount(inside.ravel()).argmax()
    assert np.allclose(view.selection.sample.logits, scores[:, 2:8, 2:10].sum((1, 2)), atol=1e-3)
    assert view.picture().size[0] > 100  # its bars are of numbers of any size and sign
    # All places again; and what lies outside is refused.
    view.asked_place = {"box": None}
    assert view.wait(60)
    assert view.class_map["box"] is None
    view.asked_place = {"box": [0, 0, 12, 3]}
    assert view.wait(60)
    assert "inside of 12 × 16 places, got [0, 0, 12, 3]" in view.error["message"]


def test_models_without_a_map_of_classes_have_none():
    case = CASES["a signal"]
    view = nnlens.Lens(case.model()).explore(case.given)
    assert view.wait(60)
    assert view.class_map is None
    assert view.channel_scores["count"] == 2
    with pytest.raises(ValueError, match="output must be a map of scores"):
        nnlens.kernels.class_map(torch.ones(1, 3), nnlens.kernels.ScoreMeaning(task="multiclass", axes=2))


def test_inputs_without_a_batch_lists_and_other_precisions_are_taken():
    signal, scan = CASES["a signal"], CASES["a volume"]
    for lens, given, shape in [
        (nnlens.Lens(signal.model()), signal.given[0], (1, 2, 120)),
        (nnlens.Lens(scan.model()), scan.given[0], (1, 1, 16, 18, 20)),
        (nnlens.Lens(CASES["numbers"].model().double()), CASES["numbers"].given, (1, 6)),
        (nnlens.Lens(CASES["numbers"].model()), [0.5, 1, 2, 3, 4, 5], (1, 6)),
    ]:
        view = lens.explore(given)
        assert view.wait(60)
        assert view.error is None
        assert tuple(view.selection.sample.input.around.value.shape) == shape
    with pytest.raises(ValueError, match="x must be finite, got NaN or infinity"):
        nnlens.Lens(signal.model()).explore(torch.full((1, 2, 120), torch.nan))


class Told(nn.Module):
    """A word says what is to be done, and further keywords are taken by any name."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv1d(2, 4, 5), nn.Linear(4, 3)

    def forward(self, x, mode="mean", **others):
        seen = self.conv(x).relu()
        seen = seen.amax(2) if mode == "max" else seen.mean(2)
        return self.head(seen) + sum(item[:1].sum() for item in others.values())


def test_words_and_keywords_of_any_name_reach_the_model():
    model, x, more = Told().eval(), torch.randn(1, 2, 40), torch.ones(1, 2)
    view = nnlens.Lens(model).explore(x, mode="max", more=more)
    assert view.wait(60)
    with torch.no_grad():
        assert np.allclose(view.selection.sample.logits, model(x, mode="max", more=more)[0], atol=1e-5)


def test_a_wrapped_model_takes_several_inputs():
    case = CASES["keywords"]
    model = case.model()
    view = nnlens.Lens(nn.DataParallel(model)).explore(case.given, **case.keywords, layer=model.depth)
    assert view.wait(60)
    assert view.error is None
    assert view.selection.layer == "depth"


def test_a_long_vector_and_numbers_alone_are_drawn():
    wide = nn.Sequential(nn.Linear(700, 4))
    view = nnlens.Lens(wide).occlusion(torch.randn(1, 700), size=50, stride=50)
    assert view.wait(60)
    assert view.picture().size[0] > 100

    class Scalar(nn.Module):
        def forward(self, ids):
            return (ids.float() * torch.ones(3, 1)).T

    layers = nnlens.Lens(Scalar()).activations(torch.tensor([2]))
    assert layers.wait(60)
    assert layers.error is None


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.cells(x)[0])


def test_classes_that_come_last_are_not_taken_for_steps():
    model, x = Tagger().eval(), torch.randn(1, 30, 3)
    with pytest.raises(
        ValueError, match=r"output must have its classes along the second axis.*\(1, 30, 4\): give Lens"
    ):
        nnlens.Lens(model).explore(x)
    view = nnlens.Lens(model, output=lambda y: y.transpose(1, 2), labels=list("abcd")).explore(x, target=("b", 7))
    assert view.wait(60)
    with torch.no_grad():
        assert np.allclose(view.selection.sample.logits, model(x)[0, 7], atol=1e-5)


def test_wrong_numbers_and_names_of_inputs_are_named():
    model, x = RgbAndDepth().eval(), torch.randn(1, 3, 16, 16)
    lens = nnlens.Lens(model)
    with pytest.raises(TypeError, match="too many positional arguments"):
        lens.explore((x, x, x, x))
    with pytest.raises(TypeError, match="unexpected keyword argument 'deep'"):
        lens.explore({"rgb": x, "deep": x, "depth": x})
    with pytest.raises(TypeError, match="multiple values for argument 'depth'"):
        lens.explore((x, x), depth=x)
    with pytest.raises(ValueError, match=r"axes must be of inputs of the model \(rgb, depth\), got 'nosuch'"):
        nnlens.Lens(model, axes={"nosuch": "nchw"}).explore((x, x[:, :1]))


def test_bands_of_another_input_are_left_out():
    case = CASES["two images"]
    view = nnlens.Lens(case.model(), bands=(2, 1, 0)).explore(case.given, varied="depth")
    assert view.wait(60)
    assert view.error is None
