"""The views of the loss around the weights, and of how alike two models are."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import nnlens
from nnlens.kernels import training

X = torch.randn(30, 1, 6, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(30) % 3


def small(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3))


@pytest.fixture
def watched(tmp_path):
    """A trained model, its watch, and the state before it was trained."""
    model = small()
    before = copy.deepcopy(model.state_dict())
    optimiser = torch.optim.SGD(model.parameters(), lr=0.3)
    with nnlens.Watch(nnlens.Lens(model), X[:4], every=1, folder=tmp_path / "run") as watch:
        for _step in range(12):
            loss = F.cross_entropy(model(X), Y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            watch.step(loss=loss)
    return model.eval(), watch, before


# The landscape.


def test_the_landscape_is_that_of_the_kernel(watched):
    model, _watch, _before = watched
    state = copy.deepcopy(model.state_dict())
    view = nnlens.Lens(model).landscape((X, Y), points=5, span=0.5, seed=3)
    view.wait()
    assert view.error is None
    loss = training.mean_loss(X, Y)
    expected = training.landscape(model, loss, directions=2, points=5, span=0.5, seed=3)
    drawn = np.array(view.landscape["values"]).reshape(5, 5)
    assert pytest.approx(expected.values, rel=1e-3) == drawn.T
    assert view.landscape["share"] == 1
    assert view.result.landscape.values == pytest.approx(expected.values)
    assert view.result.eigenvalues == pytest.approx(training.hessian_eigenvalues(model, loss), rel=1e-2)
    assert view.result.between is None
    assert view.between is None
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert "30 examples" in view.describe()
    view.directions = "one"
    view.wait()
    assert view.landscape["y"] == [0.0]
    assert len(view.landscape["values"]) == 5
    view.close()


def test_the_path_ends_at_the_model_in_the_plane_that_shows_most_of_it(watched):
    model, watch, before = watched
    view = nnlens.Lens(model).landscape((X, Y), watch=watch, other=before, points=5, rate=0.3)
    view.wait()
    assert view.directions == "path"
    points = view.landscape["path"]
    assert [point["step"] for point in points] == watch.checkpoints.steps
    assert (points[-1]["x"], points[-1]["y"]) == pytest.approx((0, 0))
    loss = training.mean_loss(X, Y)
    with torch.no_grad():
        assert view.landscape["centre"] == pytest.approx(float(loss(model)), rel=1e-5)
        ends = float(loss(model)), float(loss(small()))
    assert (view.between["series"][1]["y"][0], view.between["series"][1]["y"][-1]) == pytest.approx(ends, rel=1e-3)
    assert view.curvature["bound"] == pytest.approx(2 / 0.3)
    assert view.curvature["values"] == pytest.approx(list(training.hessian_eigenvalues(model, loss)), rel=1e-2)
    path = training.weight_path([watch.checkpoints.load(step) for step in watch.checkpoints.steps])
    assert points[0]["x"] == pytest.approx(path.places[0, 0], rel=1e-4)
    view.close()


def test_a_path_ends_before_the_weights_are_lost(watched):
    model, watch, _before = watched
    lost = {name: torch.full_like(value, torch.nan) for name, value in model.state_dict().items()}
    watch.checkpoints.save(99, lost)
    view = nnlens.Lens(model).landscape((X, Y), watch=watch, points=3)
    view.wait()
    assert view.error is None
    assert [point["step"] for point in view.landscape["path"]] == watch.checkpoints.steps[:-1]
    view.close()


def test_the_path_is_of_weights_and_follows_the_training(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    model.add_module("again", model[4].__class__(3, 3))
    model.again.weight = nn.Parameter(torch.eye(3))
    model.add_module("tied", nn.Linear(3, 3))
    model.tied.weight = model.again.weight  # a weight with two names
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    watch = nnlens.Watch(nnlens.Lens(model), X[:4], every=1, folder=tmp_path / "run")

    def run(steps):
        model.train()
        for _step in range(steps):
            optimiser.zero_grad()
            F.cross_entropy(model(X), Y).backward()
            optimiser.step()
            watch.step()
        model.eval()

    run(6)
    view = nnlens.Lens(model).landscape((X, Y), watch=watch, points=5)
    view.wait()
    assert view.error is None
    names = dict(model.named_parameters())
    expected = training.weight_path([watch.checkpoints.load(step) for step in watch.checkpoints.steps], names=names)
    assert view.landscape["path"][0]["x"] == pytest.approx(expected.places[0, 0], rel=1e-4)
    assert not any("running" in name for name in expected.directions[0])
    assert all(value is not None for value in view.landscape["values"])
    assert "at the last checkpoint" in view.describe()
    run(6)
    watch.close()
    view.update(full=True)
    view.wait()
    assert view.landscape["path"][-1]["step"] == watch.checkpoints.steps[-1] == 12
    with torch.no_grad():
        assert view.landscape["centre"] == pytest.approx(F.cross_entropy(model(X), Y).item(), rel=1e-4)
    view.close()


def test_a_saddle_is_not_called_stable():
    class Saddle(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([0.0, 0.0, 0.1]))

        def forward(self, x):
            return x * (-5 * self.w[0] ** 2 + 4 * self.w[1] ** 2 + self.w[2])

    view = nnlens.Lens(Saddle()).landscape((torch.ones(1, 1), -3 * torch.ones(1, 1)), directions="one", rate=0.1)
    view.wait()
    assert view.curvature["values"][0] == pytest.approx(-62, rel=1e-3)
    assert "no minimum" in view.curvature["words"]
    assert "stable" not in view.curvature["words"]
    view.close()


def test_frozen_weights_do_not_count_for_the_sharpness():
    model = small()
    loss = training.mean_loss(X, Y)
    whole = training.hessian_eigenvalues(model, loss, count=1)[0]
    model[0].requires_grad_(False)
    part = training.hessian_eigenvalues(model, loss, count=1)[0]
    assert part < whole
    model.requires_grad_(False)  # all of them: a model that was only loaded
    assert training.hessian_eigenvalues(model, loss, count=1)[0] == pytest.approx(whole, rel=1e-4)


def test_what_is_not_finite_is_said_and_pages_are_saved(tmp_path):
    model, lost = small(), small()
    lost[0].weight.data[0] = torch.nan
    view = nnlens.Lens(lost).landscape((X, Y), directions="one", points=3, other=model)
    view.wait()
    assert "not finite anywhere" in view.landscape["words"]
    assert np.isnan(view.result.between.barrier)
    assert view.result.eigenvalues is None
    assert "finite" in view.error["message"]
    assert view.save(tmp_path / "lost.html").exists()
    view.close()
    view = nnlens.Lens(model).similarity(lost, X)
    assert np.isnan(view.result.values).all()
    assert view.similarity["values"][0][0] is None
    assert "not finite" in view.describe()
    view.close()
    few = nnlens.Lens(nn.Linear(1, 1)).landscape((torch.ones(2, 1), torch.zeros(2, 1)), points=3)
    assert len(few.result.eigenvalues) == 2
    few.close()


def test_what_cannot_be_shown_leaves_what_was_there():
    view = nnlens.Lens(small()).similarity(small(1), X)
    view.wait()
    with pytest.raises(ValueError, match="changed_layer must be one of"):
        view.changed_layer = "nope"
    assert view.changed_layer == "3"
    view.close()


def test_the_channels_of_a_signal_are_its_units():
    def net(seed):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv1d(2, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(60, 3))

    view = nnlens.Lens(net(0)).similarity(net(1), torch.randn(12, 2, 10))
    view.wait()
    assert view.changed["count"] == 6
    view.close()


def test_the_landscape_follows_the_model(watched):
    model, _watch, before = watched
    view = nnlens.Lens(model).landscape((X, Y), points=3)
    view.wait()
    was = view.landscape["centre"]
    model.load_state_dict(before)
    view.update(full=True)
    view.wait()
    assert view.landscape["centre"] > was
    view.close()


def test_a_stopped_landscape_keeps_its_points_and_goes_on():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(36, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 3)
    )
    view = nnlens.Lens(model).landscape((X, Y), points=81)
    while view.landscape is None or view.landscape["share"] == 0:
        assert not view.wait(0.1)
    view.cancel += 1
    view.wait()
    done = view.landscape["share"]
    assert 0 < done < 1
    assert not view.landscape["running"]
    view.resume += 1
    assert not view.wait(0.3)
    assert view.landscape["running"]
    assert view.landscape["share"] > done
    view.close()


def test_a_landscape_by_workers(tmp_path, monkeypatch):
    pytest.importorskip("loky")
    monkeypatch.setenv("NNLENS_CACHE", str(tmp_path))
    model, transform, names = nnlens.zoo.digits()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    options = {"directions": "one", "points": 5, "count": 40}
    plain = lens.landscape(nnlens.zoo.DigitImages(), **options)
    plain.wait()
    view = lens.landscape(nnlens.zoo.DigitImages(), **options, workers=1, shard_size=16)
    assert view.wait(100)
    assert view.landscape["share"] == 1
    assert not view.landscape["running"]
    np.testing.assert_allclose(view.landscape["values"], plain.landscape["values"], rtol=1e-4)
    assert len(list(tmp_path.rglob("*.npz"))) == 3
    images = [*(nnlens.zoo.DigitImages()[item] for item in range(9)), (b"broken", 1)]
    some = lens.landscape(images, directions="one", points=3, shard_size=4)
    assert some.wait(60)
    assert "9 examples." in some.landscape["words"]
    assert [item for item, _why in some.landscape["skipped"]] == [9]
    assert some.curvature["values"]
    assert "Of 9 of the 10 examples." in some.curvature["words"]


def test_data_of_every_kind(tmp_path):
    model, transform, names = nnlens.zoo.digits()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    view = lens.landscape(nnlens.zoo.DigitImages(), directions="one", points=3, count=20)
    view.wait()
    assert view.landscape["centre"] < 0.3
    view.close()
    data = nnlens.zoo.DigitImages()
    with pytest.raises(ValueError, match="dataset must have the label of a class for each image"):
        lens.landscape([data[0][0], data[1][0]])
    with pytest.raises(ValueError, match="dataset must have a target for each input, got 30 and 29"):
        nnlens.Lens(small()).landscape((X, Y[:29]))
    line = nn.Sequential(nn.Linear(2, 1))
    regression = nnlens.Lens(line).landscape((torch.eye(2), torch.ones(2, 1)), directions="one", points=3)
    regression.wait()
    with torch.no_grad():
        assert regression.landscape["centre"] == pytest.approx(F.mse_loss(line(torch.eye(2)), torch.ones(2, 1)).item())
    regression.close()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"directions": "three"}, ValueError, "directions must be one of one, two, path"),
        ({"directions": "path"}, ValueError, "without a watch"),
        ({"points": 4}, ValueError, "points must be an odd number"),
        ({"count": 0}, ValueError, "count must be a whole number"),
        ({"rate": 0}, ValueError, "rate must be above 0"),
        ({"loss": "hinge"}, ValueError, "loss must be one of"),
        ({"watch": 3}, TypeError, "watch must be a Watch, got a int"),
        ({"other": {"a": torch.ones(1)}}, ValueError, "other must be a state of the same model"),
        ({"other": nn.Linear(2, 2)}, ValueError, "other must be a model of the same kind"),
        ({"span": 100}, Exception, "span"),
    ],
)
def test_what_a_landscape_cannot_use_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        nnlens.Lens(small()).landscape((X, Y), **options)


# How alike two models are.


def test_similarity_is_that_of_the_kernel():
    first, second = small(), small(1)
    view = nnlens.Lens(first).similarity(second, X)
    view.wait()
    assert view.error is None
    expected = training.similarity(nnlens.record(first, X), nnlens.record(second, X))
    assert np.array(view.similarity["values"]) == pytest.approx(expected.values, rel=1e-3)
    assert view.result.null == pytest.approx(expected.null)
    assert view.changed_layers == ["1", "3"]
    units = training.changed_units(nnlens.record(first, X), nnlens.record(second, X), "3")
    assert view.changed["units"] == list(np.argsort(-units))
    assert view.changed["values"] == pytest.approx(np.sort(units)[::-1], rel=1e-3)
    view.changed_layer = "1"
    assert view.changed["layer"] == "1"
    assert view.changed_units("1").shape == (4,)
    view.close()


def test_a_model_is_like_itself_and_like_its_checkpoints(watched):
    model, watch, before = watched
    view = nnlens.Lens(model).similarity(watch.at(watch.checkpoints.steps[-1]), X)
    assert np.diag(view.result.values) == pytest.approx([1, 1])
    assert view.changed_units("1") == pytest.approx(0, abs=1e-6)
    view.close()
    view = watch.at(12).similarity(before, X)
    assert view.result.values[1, 1] < 0.999
    view.close()


def test_two_architectures_have_no_units_in_common():
    torch.manual_seed(0)
    other = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Sigmoid(), nn.Linear(8, 3))
    view = nnlens.Lens(small()).similarity(other, X)
    view.wait()
    assert view.similarity["second"] == ["2"]
    assert np.array(view.similarity["values"]).shape == (2, 1)
    assert view.changed is None
    view.close()
    chosen = nnlens.Lens(small()).similarity(other, X, layers=["0"], other_layers=["1", "3"])
    assert chosen.result.second == ("1", "3")
    chosen.close()


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        ((3, X), {}, TypeError, "other must be a model"),
        ((small(), X[:2]), {}, ValueError, "images must be at least three, got 2"),
        ((small(), X), {"count": 2}, ValueError, "count must be a whole number of at least 3"),
        ((small(), X), {"layers": "1"}, TypeError, "layers must be a list of names"),
    ],
)
def test_what_similarity_cannot_use_is_refused(given, options, error, message):
    with pytest.raises(error, match=message):
        nnlens.Lens(small()).similarity(*given, **options)


def test_a_layer_that_is_not_there_is_an_error_in_the_view():
    view = nnlens.Lens(small()).similarity(small(1), X, layers=["9"])
    view.wait()
    assert "layers" in view.error["message"]
    view.close()
