"""What people who had only the README met: slips that must be said, and settings that must hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import nnlens
from nnlens import kernels


def net(*end: nn.Module, classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes), *end
    )


x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", ["score", "change", "per_pixel", "clean_score", "floor"])
def test_a_misspelt_kind_of_score_is_no_logit(method):
    found = kernels.occlusion(net(), x, size=8, stride=8, fill=0.0)
    with pytest.raises(ValueError, match='"logit" or "probability", got \'probabilty\''):
        getattr(found, method)(1, "probabilty")
    with pytest.raises(ValueError, match="target must be 0…2, got -1"):
        getattr(found, method)(-1)
    with pytest.raises(TypeError, match="target must be a class index, got 'b'"):
        getattr(found, method)("b")


def test_scores_with_a_unit_are_quantities():
    model = net(classes=2)
    view = nnlens.Lens(model, unit="years", labels=["age", "height"]).explore(x, target="height")
    assert view.result.probability == pytest.approx(float(model(x).detach()[0, 1]))
    depth = nn.Conv2d(3, 1, 3, padding=1)
    view = nnlens.Lens(depth, unit="m").occlusion(x)
    assert view.selection.sample.probabilities[0] == pytest.approx(float(depth(x).detach().mean()), abs=1e-6)
    with pytest.raises(ValueError, match="unit must be left out for the task 'multiclass'"):
        nnlens.Lens(model, task="multiclass", unit="years")
    lens = nnlens.Lens(model, unit="years")
    lens.explore(x)
    lens.task = "multiclass"  # the view's menu
    assert lens.meaning.unit == ""


@pytest.mark.parametrize("end", [nn.Sigmoid(), nn.Softmax(1)])
def test_the_logit_of_a_probability_is_one(end):
    model = net(end)
    view = nnlens.Lens(model).explore(x, target=1)
    p = float(model(x).detach()[0, 1])
    right = np.log(p / (1 - p)) if isinstance(end, nn.Sigmoid) else np.log(p)
    assert view.result.logit == pytest.approx(right, abs=1e-5)
    assert view.result.occlusion.clean_score(1, "logit") == pytest.approx(right, abs=1e-5)


def test_labels_set_later_are_the_labels_of_all_views():
    lens = nnlens.Lens(net(), labels=["a", "b", "c"])
    view = lens.explore(x)
    lens.labels = {"q": 0, "r": 1, "s": 2}
    assert (view.selection.sample.names, lens.explore(x, target="r").result.label) == (("q", "r", "s"), "r")
    with pytest.raises(ValueError, match="labels"):
        lens.labels = ["q"]
    assert lens.labels == {0: "q", 1: "r", 2: "s"}
    assert lens.explore(x, target="r").result.label == "r"


def test_a_call_that_fails_leaves_what_is_shown():
    lens = nnlens.Lens(net(), labels=["a", "b", "c"])
    view = lens.explore(x, layer="0", target="a", unit=2)
    seen = []
    for wrong in ({"size": "big"}, {"fill": "gray50"}, {"unit": 99}, {"scale": "units"}, {"score": "odds"}):
        with pytest.raises(Exception, match=r"size|fill|unit|scale|score"):
            lens.explore(x, layer="1", target="b", **wrong)
        chosen = view.selection
        seen.append((chosen.layer, chosen.label, chosen.unit, lens.selection is chosen))
    assert seen == [("0", "a", 2, True)] * 5
    with pytest.raises(ValueError, match="target"):
        lens.attribution(torch.rand(1, 3, 16, 16), target="nothing")
    assert lens.selection is view.selection


def test_regions_that_mean_nothing_are_refused():
    lens = nnlens.Lens(nn.Conv2d(3, 2, 3, padding=1))
    for region in (np.zeros((16, 16), bool), np.full((16, 16), 0.5), np.eye(16) * 3):
        with pytest.raises(ValueError, match=r"target's region must (hold|mark)"):
            lens.occlusion(x, target=(1, region))
    with pytest.raises(TypeError, match="region as an array"):
        lens.occlusion(x, target=(1, np.eye(16).tolist()))
    assert lens.occlusion(x, target=(1, np.eye(16))).selection.sample.meaning.sums


def test_token_ids_are_no_grey_picture():
    lens = nnlens.Lens(net(), preprocess={"size": 16, "mean": 0.5, "std": 0.5})
    with pytest.raises(ValueError, match=r"look like token ids: .*lens\.activations"):
        lens.explore(torch.randint(0, 30000, (8, 12)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (
            nn.Sequential(nn.Conv1d(1, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)),
            (1, 1, 50),
        ),
        (Recurrent(), (1, 9, 6)),
        (nn.Sequential(nn.Conv3d(1, 2, 3), nn.ReLU()), (1, 1, 6, 6, 6)),
        (nn.Linear(6, 2), (1, 6)),
    ],
    ids=["signal", "sequence", "volume", "row"],
)
def test_what_the_model_takes_reaches_it_as_it_is(model, given):
    x = torch.randn(given)
    lens = nnlens.Lens(model)
    view = lens.activations(x)
    (taken,), _ = view.selection.sample.input.call
    assert torch.equal(taken, x)
    assert torch.allclose(view.selection.sample.recording.output, model(x), atol=1e-6)
    assert lens.summary(x).result.lines()


def test_an_image_without_a_batch_is_one_still():
    lens = nnlens.Lens(net())
    assert lens.activations(x[0]).selection.sample.input.x.shape == (1, 3, 16, 16)


def test_a_colour_may_be_three_numbers():
    lens = nnlens.Lens(net(), preprocess={"size": 16, "mean": 0.5, "std": 0.5})
    view = lens.occlusion(np.zeros((16, 16, 3), np.uint8), fill=(255, 0, 0))
    assert view.fill == "#ff0000"
    with pytest.raises(TypeError, match=r"fill must be .* got \(300, 0, 0\)"):
        lens.occlusion(fill=(300, 0, 0))


def test_what_a_page_is_called_must_be_text(tmp_path):
    view = nnlens.Lens(net()).explore(x)
    for wrong in ({"title": 5}, {"text": ["a", "b"]}):
        with pytest.raises(TypeError, match="must be a string"):
            view.save(tmp_path / "a.html", **wrong)
    with pytest.raises(TypeError, match="path must be"):
        view.save(None)
    with pytest.raises(FileNotFoundError, match=r"path must be in a folder that exists, got .*nowhere"):
        view.save(tmp_path / "nowhere" / "a.html")
