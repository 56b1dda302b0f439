"""Examples of units in data sets of signals, volumes and vectors."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import nnlens

SIGNALS = torch.randn(12, 2, 60)


def signal_model():
    parts = nn.Conv1d(2, 4, 5, padding=2), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(4, 3)
    return nn.Sequential(*parts).eval()


def checked(view, maxima):
    """The items of the view, which are those with the largest maxima."""
    assert view.wait(60)
    assert view.error is None, view.error
    items = view.examples["items"]
    best = maxima.sort(descending=True, stable=True)
    assert [item["value"] for item in items] == pytest.approx(best.values[: len(items)].tolist(), abs=1e-5)
    assert [item["item"] for item in items] == best.indices[: len(items)].tolist()
    return items


@pytest.mark.parametrize("form", ["a tensor", "pairs", "arrays"])
def test_snippets_of_signals(form):
    model = signal_model()
    labels = ["calm", "fast"]
    data = {
        "a tensor": SIGNALS,
        "pairs": [(signal, index % 2) for index, signal in enumerate(SIGNALS)],
        "arrays": [signal.numpy() for signal in SIGNALS],
    }[form]
    lens = nnlens.Lens(model, labels=[*labels, "other"])
    view = lens.examples(data, layers=["1"], store=False, unit=2)
    with torch.no_grad():
        maps = model[:2](SIGNALS)
    items = checked(view, maps.amax(2)[:, 2])
    for item in items:
        assert Image.open(BytesIO(item["field"])).size == Image.open(BytesIO(item["whole"])).size
        place = int(maps[item["item"], 2].argmax())
        assert tuple(item["position"]) == (0, place)
        # The stretch that the unit sees: five samples around the place, in the picture's columns.
        left, right = max(0, place - 2), min(59, place + 2)
        assert item["box"][1] == round(left * item["width"] / 60)
        assert item["box"][3] == round((right + 1) * item["width"] / 60) - 1
    if form == "pairs":
        assert {item["label"] for item in items} == set(labels)
    # The unit's card has them too, and a click opens the signal.
    card = lens.unit(SIGNALS[:1], layer="1", unit=2)
    assert card.wait(60)
    assert len(card.examples["items"]) == len(items)
    card.example_request = items[0]["item"]
    assert card.wait(60)
    assert torch.equal(card.selection.sample.input.around.value[0], SIGNALS[items[0]["item"]])


def test_examples_of_volumes_show_the_slice_of_the_maximum():
    model = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool3d(1), nn.Flatten()).eval()
    volumes = torch.randn(6, 1, 8, 10, 12)
    view = nnlens.Lens(model, task="regression").examples(volumes, layers=["1"], store=False, unit=1)
    with torch.no_grad():
        maps = model[:2](volumes)
    items = checked(view, maps.amax((2, 3, 4))[:, 1])
    low, high = volumes.amin((1, 2, 3, 4)), volumes.amax((1, 2, 3, 4))
    for item in items:
        number = item["item"]
        depth, row, column = np.unravel_index(int(maps[number, 1].argmax()), maps.shape[2:])
        assert view.session.search.slice_of("1", 1, tuple(item["position"]), 8) == depth
        top, left, bottom, right = item["box"]
        assert top <= row <= bottom
        assert left <= column <= right
        shown = np.asarray(Image.open(BytesIO(item["whole"])).convert("L"))
        expected = (volumes[number, 0, depth] - low[number]) / (high[number] - low[number]) * 255
        assert np.abs(shown - expected.numpy()).max() < 2


def test_examples_of_vectors_and_what_does_not_fit():
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    rows = torch.randn(30, 5)
    view = nnlens.Lens(model).examples(rows, layers=["1"], store=False, unit=3)
    with torch.no_grad():
        checked(view, model[:2](rows)[:, 3])
    lens = nnlens.Lens(signal_model())
    other = lens.examples([SIGNALS[0], SIGNALS[1][:, :50]], layers=["1"], store=False)
    assert other.wait(60)
    assert "items of one shape" in other.search["skipped"][0][1]


@pytest.mark.parametrize("form", ["with a preprocess", "whole numbers", "the first is missing"])
def test_signals_in_other_forms(form):
    model = signal_model()
    data = {
        "with a preprocess": SIGNALS,
        "whole numbers": [(10 * signal).to(torch.int16).numpy() for signal in SIGNALS],
        "the first is missing": [None, *SIGNALS],
    }[form]
    preprocess = {"size": 8, "mean": 0.5, "std": 0.5} if form == "with a preprocess" else None
    view = nnlens.Lens(model, preprocess=preprocess).examples(data, layers=["1"], store=False, unit=0)
    rows = torch.stack([torch.as_tensor(item).float() for item in data if item is not None])
    with torch.no_grad():
        expected = model[:2](rows).amax(2)[:, 0].sort(descending=True).values
    assert view.wait(60)
    assert view.error is None
    assert [item["value"] for item in view.examples["items"]] == pytest.approx(expected[:9].tolist(), abs=1e-4)
