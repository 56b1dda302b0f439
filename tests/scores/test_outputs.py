"""Scores from embeddings, reconstructions and boxes, and views of them."""

from __future__ import annotations

import pytest
import torch
from detectors import BOX, Detr, of_form
from torch import nn

import nnlens
from nnlens.scores.outputs import Detection, box_scores, detections, reconstruction_error, similarity


@pytest.mark.parametrize("form", ["torchvision", "detr", "yolo", "yolo8"])
def test_a_box_is_found_again_by_overlap(form):
    model = Detr()
    x = torch.ones(1, 1, 8, 8)
    x[..., 4:] = -1
    found = detections(of_form(form, model(x)), form)
    assert [item.label for item in found] == [0, 1]
    assert found[0].box == pytest.approx(BOX)
    read = box_scores(found, form)
    scores = read(of_form(form, model(torch.cat([x, x * 0.5]))))
    assert scores.shape == (2, 2)
    assert scores[0].tolist() == pytest.approx([item.score for item in found], abs=1e-6)
    assert (scores[1] < scores[0]).all()
    # Where nothing lies there any more the score is 0.
    away = [Detection((0.0, 0.0, 0.05, 0.05), 0, 0.9)]
    assert box_scores(away, form)(of_form(form, model(x))).tolist() == [[0.0]]


def test_a_detector_in_a_view():
    """Hiding the half that a box is about changes its score, and the other half does not."""
    model = Detr()
    x = torch.ones(1, 1, 8, 8) + 0.01 * torch.randn(1, 1, 8, 8)
    x[..., 4:] *= -1
    found = detections(model(x), "detr", width=8, height=8)
    lens = nnlens.Lens(
        model,
        output=box_scores(found, "detr", width=8, height=8),
        task="multilabel",
        logits=False,
        labels=["left" if item.box[0] < 2 else "right" for item in found],
    )
    view = lens.occlusion(x, size=4, stride=4, fill=0.0, target="left")
    assert view.wait(60)
    change = view.result.change(view.target)
    assert (change[:, 0] < -0.1).all()
    assert abs(change[:, 1]).max() < 1e-5
    assert view.error is None


def test_the_similarity_to_a_reference_takes_the_place_of_classes():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    images = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        references = model(images)
    lens = nnlens.Lens(model, output=similarity(references), task="regression", labels=["a", "b", "c"])
    view = lens.explore(images[1:2])
    assert view.wait(60)
    sample = view.selection.sample
    assert sample.names[sample.top_class()] == "b"
    assert sample.logits[1] == pytest.approx(1, abs=1e-5)
    expected = torch.nn.functional.cosine_similarity(references[1:2], references).numpy()
    assert sample.logits == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match=r"references must be a tensor \(k, width\), got \(4,\)"):
        similarity(torch.ones(4))
    with pytest.raises(ValueError, match="references must be as wide as the embeddings"):
        similarity(torch.ones(1, 3))(torch.ones(2, 4))


def test_the_error_of_an_autoencoder():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1)).eval()
    x = torch.randn(1, 1, 8, 8)
    lens = nnlens.Lens(model, output=reconstruction_error(x), task="regression", labels=["error"])
    view = lens.occlusion(x, size=2, stride=2)
    assert view.wait(60)
    with torch.no_grad():
        assert view.result.clean_score(0) == pytest.approx(float((model(x) - x).square().mean()), abs=1e-5)
    with pytest.raises(ValueError, match="x must have the output's shape"):
        reconstruction_error(torch.ones(1, 1, 2, 2))(torch.ones(1, 1, 3, 3))


def test_wrong_forms_are_named():
    with pytest.raises(ValueError, match="found must hold at least one detection"):
        box_scores([], "detr")
    with pytest.raises(ValueError, match="form must be one of torchvision, detr, yolo, yolo8, got 'ssd'"):
        box_scores([Detection(BOX, 0, 1.0)], "ssd")


def found(boxes, labels, scores):
    """The output of one of torchvision's detectors."""
    return [{"boxes": torch.tensor(boxes), "labels": torch.tensor(labels), "scores": torch.tensor(scores)}]


HERE = [0.0, 0.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("later", "score"),
    [
        (found([HERE, [0.0, 0.0, 10.0, 10.2]], [1, 2], [0.85, 0.3]), 0.85),
        # A weak box of another class overlaps more.
        (found([[0.0, 0.0, 10.0, 10.5], [0.0, 0.0, 10.0, 10.1]], [1, 2], [0.85, 0.3]), 0.85),
        # What is not finite, or has no area, is no box.
        (found([HERE, [float("nan")] * 4, [3.0, 3.0, 3.0, 9.0]], [1, 2, 1], [0.85, 0.3, 0.99]), 0.85),
        (found([[20.0, 20.0, 30.0, 30.0]], [1], [0.85]), 0.0),
    ],
)
def test_the_box_of_the_same_class_is_followed(later, score):
    read = box_scores(detections(found([HERE], [1], [0.9]), "torchvision"), "torchvision")
    assert read(later).tolist() == [[pytest.approx(score)]]


def test_two_classes_in_one_place_and_a_label_that_is_gone():
    both = found([HERE, HERE], [0, 1], [0.9, 0.7])
    assert box_scores(detections(both, "torchvision"), "torchvision")(both).tolist() == [pytest.approx([0.9, 0.7])]
    high = box_scores(detections(found([HERE], [2000], [0.9]), "torchvision"), "torchvision")
    assert high(found([HERE], [1], [0.9])).tolist() == [[0.0]]


def test_duplicates_of_one_object_count_once():
    rows = [[5.0, 5.0, 10.0, 10.0], [5.5, 5.0, 10.0, 10.0], [30.0, 5.0, 10.0, 10.0]]
    output = torch.cat([torch.tensor(rows), torch.tensor([[1.0, 0.9, 0.1], [1.0, 0.8, 0.1], [1.0, 0.2, 0.7]])], 1)[None]
    assert [item.score for item in detections(output, "yolo")] == pytest.approx([0.9, 0.7])


def test_scores_of_boxes_are_read_as_such():
    """Not as the logits of one class: the other boxes have no part in them."""
    model = Detr()
    x = torch.ones(1, 1, 8, 8)
    x[..., 4:] = -1
    for factor in (1.0, 0.4):
        boxes = detections(model(factor * x), "detr")
        view = nnlens.Lens(model, output=box_scores(boxes, "detr")).explore(factor * x)
        assert view.wait(60)
        assert view.meaning["task"] == "multilabel"
        assert view.scores["probability"] == pytest.approx([item.score for item in boxes], abs=1e-6)


@pytest.mark.parametrize("form", ["torchvision", "detr", "yolo", "yolo8"])
@pytest.mark.parametrize("output", [torch.rand(1, 3), {"scores": torch.rand(1, 3)}, 7])
def test_another_form_is_named(form, output):
    with pytest.raises(
        ValueError, match=f"output must be that of a detector of the form '{form}', .*; the model returned"
    ):
        detections(output, form)


def test_what_reconstructions_are_compared_with_is_checked():
    with pytest.raises(TypeError, match="x must be a tensor in the form of the output, got str"):
        reconstruction_error("a")
