"""What a model gives beside scores of classes, in views: boxes, reconstructions, pictures, neighbours."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from detectors import Detr, of_form
from PIL import Image
from torch import nn

import nnlens
from nnlens.kernels import embed

HALVES = torch.ones(1, 1, 16, 24)
HALVES[..., 12:] = -1


class OfForm(nn.Module):
    """A detector whose output has another form."""

    def __init__(self, form):
        super().__init__()
        self.inner, self.form = Detr(), form

    def forward(self, x):
        found = self.inner(x)
        if self.form != "detr":
            found["pred_boxes"] = found["pred_boxes"] * torch.tensor([24.0, 16.0, 24.0, 16.0])
        return of_form(self.form, found)


def detected(form="detr", **options):
    lens = nnlens.Lens(OfForm(form), output=nnlens.outputs.boxes(form, **options), labels=["bright", "dark"])
    view = lens.explore(HALVES)
    assert view.wait(60)
    assert view.error is None, view.error
    return lens, view


@pytest.mark.parametrize("form", ["torchvision", "detr", "yolo", "yolo8"])
def test_boxes_are_found_drawn_and_explained(form):
    _lens, view = detected(form)
    assert sorted(view.labels) == ["bright", "dark"]
    bright = view.labels.index("bright")
    assert view.boxes["boxes"][bright] == pytest.approx((0.1, 0.2, 0.5, 0.6), abs=1e-5)
    assert view.boxes["classes"][bright] == 0
    assert view.boxes["scores"][bright] == pytest.approx(view.scores["probability"][bright], abs=1e-5)
    # Hiding the left half changes the box that is about it, and the other one not at all.
    view.selection.target = bright
    assert view.wait(60)
    change = view.result.occlusion.change(bright)
    other = view.result.occlusion.change(1 - bright)
    assert np.nanmin(change[:, 0]) < -0.01
    assert np.abs(other[:, 0]).max() < 1e-6


def test_an_edge_of_a_box_is_the_target():
    lens, view = detected()
    view.box_value = "right"
    assert view.wait(60)
    assert view.error is None
    assert lens.meaning.unit == "px"
    bright = view.labels.index("bright")
    shown = dict(zip(view.scores["classes"], view.scores["probability"], strict=True))
    assert shown[bright] == pytest.approx(0.5 * 24, abs=1e-4)
    state = view.state
    view.box_value = "score"
    assert view.scores["probability"][0] <= 1
    view.state = state
    assert view.box_value == "right"
    assert lens.task == "regression"


def test_another_image_has_other_boxes():
    lens, view = detected(least=0.9)
    assert len(view.labels) == 2
    dim = torch.full_like(HALVES, 0.01)
    with pytest.raises(ValueError, match=r"found nothing with a score of 0\.9 or more: give least="):
        lens.explore(dim)
    # The layers can be looked at all the same.
    layers = lens.activations(dim)
    assert layers.wait(60)
    assert layers.boxes is None
    one = torch.full_like(HALVES, 1.0)
    two = lens.explore(one)
    assert sorted(two.labels) == ["bright 1", "bright 2"]


def test_boxes_refuse_what_they_cannot_do():
    for options, words in [
        ({"form": "ssd"}, "form must be one of torchvision, detr, yolo, yolo8, got 'ssd'"),
        ({"form": "detr", "least": 2}, "least must be a number between 0 and 1, got 2"),
        ({"form": "detr", "most": 0}, "most must be a whole number, 1 or more, got 0"),
        ({"form": "detr", "value": "area"}, "value must be one of score, left, top, right, bottom, got 'area'"),
    ]:
        with pytest.raises(ValueError, match=words):
            nnlens.outputs.boxes(**options)
    with pytest.raises(ValueError, match="output must be the same for all inputs here, got Boxes"):
        nnlens.outputs.boxes("detr")(None)


class Autoencoder(nn.Module):
    def __init__(self, convolution):
        super().__init__()
        self.encode, self.decode = convolution(2, 4, 3, padding=1), convolution(4, 2, 3, padding=1)

    def forward(self, x):
        return self.decode(self.encode(x).relu())


def test_a_reconstruction_is_shown_with_its_difference():
    model = Autoencoder(nn.Conv2d)
    lens = nnlens.Lens(model, output=nnlens.outputs.reconstruction_error())
    for _ in range(2):  # each input has its own
        x = torch.rand(1, 2, 12, 10)
        view = lens.explore(x)
        assert view.wait(60)
        assert view.error is None
        with torch.no_grad():
            expected = (model(x) - x).square().mean()
        assert view.made_picture["error"] == pytest.approx(float(expected), rel=1e-5)
        assert view.scores["probability"] == pytest.approx([float(expected)], rel=1e-5)
        with torch.no_grad():
            assert view.made_picture["reach"] == pytest.approx(float((model(x) - x).abs().max()), rel=1e-5)
        assert Image.open(BytesIO(view.made_picture["picture"])).size == (10, 12)


def test_a_reconstruction_of_a_signal_is_a_trace():
    model = Autoencoder(nn.Conv1d)
    x = torch.randn(1, 2, 50)
    view = nnlens.Lens(model, output=nnlens.outputs.reconstruction_error()).explore(x)
    assert view.wait(60)
    assert view.error is None
    drawn = np.frombuffer(view.made_picture["trace"]["low"], np.float32).reshape(2, 50)
    with torch.no_grad():
        assert np.allclose(drawn, model(x)[0], atol=1e-6)
        change = np.frombuffer(view.made_picture["difference_trace"]["low"], np.float32).reshape(2, 50)
        assert np.allclose(change, (model(x) - x)[0], atol=1e-6)
    with pytest.raises(ValueError, match=r"output must be a reconstruction, with the input's shape \(1, 2, 12, 10\)"):
        nnlens.Lens(nn.Conv2d(2, 3, 3), output=nnlens.outputs.reconstruction_error()).explore(torch.rand(1, 2, 12, 10))


def test_a_generated_picture_follows_the_numbers():
    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3 * 8 * 8)

        def forward(self, z):
            return self.linear(z).view(-1, 3, 8, 8).sigmoid()

    view = nnlens.Lens(Generator(), channel_names=["age", "smile", "light", "pose"]).activations(torch.randn(1, 4))
    assert view.wait(60)
    assert view.inputs[0]["number_names"] == ["age", "smile", "light", "pose"]
    assert view.class_map is None  # a picture has colours, and no classes
    before = view.made_picture["picture"]
    view.held_number = {"input": 0, "place": 1, "value": 2.5}
    assert view.wait(60)
    assert view.error is None
    assert view.made_picture["picture"] != before


@pytest.fixture
def encoder():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()).eval()


def test_the_nearest_neighbours_of_an_input(encoder):
    images = torch.rand(20, 3, 12, 12) * torch.rand(20, 3, 1, 1)
    found = embed(encoder, images, batch_size=7)
    with torch.no_grad():
        plain = nn.functional.normalize(encoder(images), dim=1)
    assert torch.allclose(nn.functional.normalize(found.values, dim=1), plain, atol=1e-6)
    lens = nnlens.Lens(encoder, output=nnlens.outputs.neighbours(found, most=5))
    view = lens.explore(images[3:4])
    assert view.wait(60)
    assert view.error is None
    similarities = plain @ plain[3]
    best = similarities.argsort(descending=True)[:5]
    assert list(view.labels) == [f"image {int(index)}" for index in best]
    assert [item["similarity"] for item in view.neighbours["items"]] == pytest.approx(
        similarities[best].tolist(), abs=1e-5
    )
    assert view.neighbours["total"] == 20
    assert Image.open(BytesIO(view.neighbours["items"][0]["picture"])).size == (12, 12)
    # The target is the similarity to one of them.
    view.selection.target = 2
    assert view.wait(60)
    assert view.result.probability == pytest.approx(float(similarities[best[2]]), abs=1e-5)


def test_embeddings_skip_what_cannot_be_read_and_name_what_is_wrong(encoder):
    class Broken:
        def __len__(self):
            return 4

        def __getitem__(self, item):
            if item == 1:
                raise OSError("gone")
            return torch.full((3, 12, 12), float(item)), "odd" if item % 2 else "even"

    encoder.train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    found = embed(encoder, Broken())
    assert encoder.training
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert found.items == (0, 2, 3)
    assert found.name(1) == "even: image 2"
    with pytest.raises(ValueError, match=r"output must be an embedding of the form \(n, width\), got \(2, 8, 10, 10\)"):
        embed(encoder[:2], torch.rand(2, 3, 12, 12))
    with pytest.raises(ValueError, match="batch_size must be a whole number, 1 or more, got 0"):
        embed(encoder, torch.rand(2, 3, 12, 12), batch_size=0)
    with pytest.raises(TypeError, match=r"embeddings must be what kernels\.embed gives, got Tensor"):
        nnlens.outputs.neighbours(torch.rand(3, 4))


def test_labels_above_a_threshold_are_shown():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 20))
    x = torch.rand(1, 3, 2, 2)
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.linspace(-2, 2, 20))
    view = nnlens.Lens(model, task="multilabel").explore(x)
    assert view.wait(60)
    assert len(view.scores["classes"]) == 10  # those above 0.5
    assert view.inputs_module
    view.label_threshold = 0.8
    assert view.scores["classes"] == [19, 18, 17, 16, 15]
    with pytest.raises(Exception, match="label_threshold"):
        view.label_threshold = 1.5


def test_embeddings_that_are_not_finite_are_left_out():
    class Shares(nn.Module):
        def forward(self, x):
            flat = x.flatten(1)[:, :4]
            return flat / flat.sum(1, keepdim=True)

    x = torch.rand(5, 1, 8, 8)
    x[2] = 0
    found = embed(Shares(), x)
    assert found.items == (0, 1, 3, 4)
    assert repr(found) == "Embeddings(4 items of 4 numbers)"
    view = nnlens.Lens(Shares(), output=nnlens.outputs.neighbours(found, most=9)).explore(x[:1])
    assert view.wait(60)
    assert len(view.labels) == 4
    with pytest.raises(ValueError, match=r"inputs of one shape, \(1, 8, 8\), got \(1, 9, 9\) as item 1"):
        embed(Shares(), [torch.rand(1, 8, 8), torch.rand(1, 9, 9)])


def test_images_that_are_read_each_in_its_own_way_are_not_compared():
    lens = nnlens.Lens(Detr(), output=nnlens.outputs.boxes("detr"), labels=["bright", "dark"])
    with pytest.raises(ValueError, match="such as boxes and neighbours, has classes of its own"):
        lens.compare(HALVES, torch.ones(1, 1, 16, 24))


def test_torchvisions_detectors_and_segmenters():
    models = pytest.importorskip("torchvision.models")
    options = {"weights": None, "weights_backbone": None}
    detector = models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(**options, box_score_thresh=0.0).eval()
    x = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        best = float(detector(x)[0]["scores"].max())
    view = nnlens.Lens(detector, output=nnlens.outputs.boxes("torchvision", least=0.0, most=3)).explore(x)
    assert view.wait(300)
    assert view.error is None
    assert view.boxes["scores"][0] == pytest.approx(best, abs=1e-5)
    segmenter = models.segmentation.lraspp_mobilenet_v3_large(**options).eval()
    places = nnlens.Lens(segmenter).explore(x)
    assert places.wait(300)
    assert (places.class_map["rows"], places.class_map["columns"]) == (96, 96)
