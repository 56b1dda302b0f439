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
