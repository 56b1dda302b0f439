"""The view of a training: what it shows is what the watch has seen, and its slider moves the views of the copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import nnlens
from nnlens import Watch
from nnlens.kernels.training.film import chosen_units
from nnlens.widgets.training.part import TrainingPart

IMAGES = torch.randn(8, 1, 9, 9, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(8) % 2


@pytest.fixture
def trained(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(75, 2))
    watch = Watch(nnlens.Lens(model, labels=["a", "b"]), IMAGES, every=1, folder=tmp_path / "run")
    view = watch.view(layer_figure="ratio", film_layer="1")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
    told = []
    view.observe(lambda change: told.append(change["new"]["count"]), "watched")

    def run(steps: int) -> None:
        for _step in range(steps):
            loss = F.cross_entropy(model(IMAGES), CLASSES)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            watch.step(loss=loss)

    run(5)
    watch._told = 0.0
    run(1)
    yield watch, view, told, run
    watch.close()


def test_it_follows_while_the_loop_runs(trained):
    watch, view, told, _run = trained
    assert told
    assert view.watched["running"]
    watch.close()
    assert view.watched["count"] == 6
    assert not view.watched["running"]
    assert view.watched["steps"] == [1, 2, 3, 4, 5, 6]
    expected = watch.history.metrics.values["loss"]
    assert view.watched["curves"][0]["values"] == pytest.approx(expected, rel=1e-3)
    ratios = view.watched["modules"][0]["values"]["ratio"]
    assert ratios == pytest.approx(watch.history.figure("ratio", "0")[1], rel=1e-3)
    assert view.watched["layers"][1]["values"]["saturated"] == [None] * 6
    assert view.result is watch.history


def test_all_views_of_a_training_follow(trained):
    watch, view, _told, run = trained
    second = watch.view(layer_figure="zeros")
    watch._told = 0.0
    run(1)
    assert view.watched["count"] == second.watched["count"] == 7
    watch.go_to(1)
    assert view.shown_step == second.shown_step == 1


def test_the_slider_moves_all_views_of_the_copy(trained):
    watch, view, _told, _run = trained
    other = watch.lens.activations(IMAGES[:1])
    first, between, second = watch.checkpoints.steps[:3]
    watch.checkpoints.path(between).unlink()
    view.shown_step = second - 1  # no checkpoint: the nearest is shown, the earlier of two
    assert view.wait(30)
    assert view.shown_step == first
    expected = nnlens.record(watch.at(first).model, IMAGES[:1])[other.layer][0].numpy()
    assert np.allclose(other.selection.activations.values, expected, atol=1e-6)
    assert not view.stale
    view.shown_step = -1
    view.wait(30)
    last = watch.checkpoints.load(watch.checkpoints.steps[-1])
    assert all(torch.equal(value, last[name]) for name, value in watch.lens.model.state_dict().items())
    assert watch.go_to(second) == view.shown_step == second


def test_any_two_checkpoints_are_compared(trained):
    watch, _view, _told, _run = trained
    steps = watch.checkpoints.steps
    view = watch.compare(layer="1")
    view.wait(30)
    assert (view.first_step, view.second_step) == (steps[0], steps[-1])
    assert view.compared_steps == steps

    def maps(step):
        return nnlens.record(watch.at(step).model, IMAGES[:1])["1"][0].numpy()

    assert np.allclose(view.result.activations[0].values, maps(steps[0]), atol=1e-6)
    view.first_step = view.second_step = steps[2]
    view.wait(30)
    assert view.error is None
    assert all(np.allclose(side.values, maps(steps[2]), atol=1e-6) for side in view.result.activations)
    assert np.allclose(view.result.difference.rms, 0, atol=1e-6)
    assert f"first_step={steps[2]}" in view.state
    assert not view.stale
    view.close()
    chosen = watch.compare(IMAGES[:1], first=2, second=4)
    assert (chosen.first_step, chosen.second_step) == (2, 4)
    chosen.close()


def test_the_maps_are_shown_while_the_loop_runs(trained):
    watch, view, _told, run = trained
    before = view.film["units"]
    run(1)
    film = view.film
    assert film["steps"] == [watch.count]
    assert film["units"] == before
    maps = nnlens.record(watch._lens.model.eval(), IMAGES[:1])["1"][0].detach().numpy()[before]
    codes = np.frombuffer(film["codes"], np.uint8).reshape(maps.shape).astype(float)
    shown = film["low"] + codes / 252 * (film["high"] - film["low"])
    assert shown == pytest.approx(maps, abs=(film["high"] - film["low"]) / 250)
    # A layer that is not among the watched ones is shown when the cell has run.
    view.part(TrainingPart).traits.film_layer = "3"
    run(1)
    assert view.film["layer"] == "3"


def test_the_film_is_what_each_checkpoint_computes(trained, tmp_path):
    watch, view, _told, run = trained
    view.part(TrainingPart).read_film()
    view.wait(30)
    film = view.film
    assert film["layer"] == "1"
    assert film["steps"] == watch.checkpoints.steps
    codes = np.frombuffer(film["codes"], np.uint8).reshape(len(film["steps"]), len(film["units"]), 7, 7)
    for place, step in enumerate(film["steps"]):
        maps = nnlens.record(watch.at(step).model, IMAGES[:1])["1"][0].numpy()[film["units"]]
        values = film["low"] + codes[place] / 252 * (film["high"] - film["low"])
        assert np.abs(values - maps).max() <= (film["high"] - film["low"]) / 252
    run(1)
    view.look_for_changes()
    view.wait(30)
    assert view.film["steps"][-1] == 7
    one = watch.film("3", units=[0, 2])
    for name in ("units.gif", "units.png"):
        with Image.open(one.save(tmp_path / name)) as picture:
            assert picture.n_frames == len(one.steps)
    with pytest.raises(ValueError, match=r"path must end in \.gif or \.png"):
        one.save(tmp_path / "units.mp4")
    with pytest.raises(ValueError, match="unit must be one of 0, 2"):
        one.save(tmp_path / "unit.gif", unit=1)
    with pytest.raises(ValueError, match="units must be 0…2"):
        watch.film("3", units=[3])


def test_the_button_asks_the_loop_to_end(trained):
    watch, view, _told, run = trained
    view.stop_training += 1
    assert watch.stop_requested
    assert view.watched["stopping"]
    run(1)  # nothing is thrown


def test_a_view_that_fails_does_not_stop_the_training(trained, monkeypatch):
    watch, view, _told, run = trained
    monkeypatch.setattr(view, "tell", lambda: 1 / 0)
    watch._told = 0.0
    with pytest.warns(UserWarning, match="view is given up after ZeroDivisionError"):
        run(1)
    run(2)
    assert watch.count == 9


def test_a_page_keeps_the_slider_and_the_film(trained, tmp_path):
    watch, view, _told, _run = trained
    watch.close()
    page = view.save(tmp_path / "page.html").read_text("utf-8")
    assert "A training of 6 steps" in page
    state = view.page_state()
    assert state["film"]["steps"] == watch.checkpoints.steps
    assert not state["watched"]["running"]


def test_a_training_that_was_loaded_has_a_view(trained, tmp_path):
    watch, _view, _told, _run = trained
    folder = watch.save(tmp_path / "saved")
    opened = Watch.load(folder, nnlens.Lens(watch._lens.model, labels=["a", "b"]))
    view = opened.view()
    view.wait(30)
    assert view.watched["count"] == 6
    assert view.film is None
    with pytest.raises(ValueError, match="image must be given"):
        opened.film("1")
    assert opened.film("1", image=IMAGES[:1]).steps == tuple(opened.checkpoints.steps)


def test_bad_options_are_said(trained):
    watch, _view, _told, _run = trained
    with pytest.raises(ValueError, match="film_layer must be one of 1, 3, got 'nothing'"):
        watch.view(film_layer="nothing")
    with pytest.raises(TypeError, match="figur"):
        watch.view(figur="zeros")


def test_maps_of_a_training_that_fails_are_chosen_without_a_warning():
    maps = np.full((3, 2, 2), 3e38, np.float32)
    maps[1] = [[-3e38, 3e38], [np.inf, np.nan]]
    assert len(chosen_units(maps, 2)) == 2
