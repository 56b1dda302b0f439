"""Watching trainings of many kinds: the same weights as without, the figures of a loop, checkpoints that open views."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import nnlens
from nnlens import Watch
from nnlens.session.training.watched import run_folder


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


GENERATOR = torch.Generator().manual_seed(5)
IMAGES = torch.randn(12, 1, 8, 8, generator=GENERATOR)
CLASSES = torch.randint(0, 3, (12,), generator=GENERATOR)


def trained(model: nn.Module, watch: Watch | None, steps: int = 6, optimiser=None) -> list[float]:
    optimiser = optimiser or torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    torch.manual_seed(9)
    model.train()
    for _step in range(steps):
        loss = F.cross_entropy(model(IMAGES), CLASSES)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if watch is not None:
            watch.step(loss=loss, error=0.5)
    return losses


def watched(model: nn.Module, tmp_path, **options) -> Watch:
    return Watch(nnlens.Lens(model, labels=["a", "b", "c"]), IMAGES, folder=tmp_path / "run", **options)


def test_the_training_is_the_same_with_and_without(tmp_path):
    plain, model = network(), network()
    expected = trained(plain, None)
    with watched(model, tmp_path, every=1) as watch:
        losses = trained(model, watch)
    assert losses == expected
    assert all(map(torch.equal, plain.state_dict().values(), model.state_dict().values()))
    assert model.training
    assert watch.history.metrics.values["loss"] == pytest.approx(losses)
    assert watch.history.metrics.values["error"] == [0.5] * 6
    assert len(watch.history.measurements) == 6


def test_every_figure_is_that_of_the_loop(tmp_path):
    model = network()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with watched(model, tmp_path, every=1) as watch:
        for step in range(3):
            before = model[6].weight.detach().clone(), model[6].bias.detach().clone()
            loss = F.cross_entropy(model(IMAGES), CLASSES)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            watch.step(loss=loss)
            measured = watch.history.measurements[step]
            rows = {row.module: row for row in measured.weights}
            last = model[6]
            assert rows["6"].weight == pytest.approx(
                torch.cat([last.weight.flatten(), last.bias]).norm().item(), rel=1e-5
            )
            assert rows["6"].gradient == pytest.approx(
                torch.cat([last.weight.grad.flatten(), last.bias.grad]).norm().item(), rel=1e-5
            )
            moved = torch.cat([(last.weight - before[0]).flatten(), last.bias - before[1]]).norm().item()
            assert rows["6"].update == pytest.approx(moved, rel=1e-4)
            values = copy.deepcopy(model).eval()[:3](IMAGES)
            assert measured.activations[0].layer == "2"
            assert measured.activations[0].zeros == pytest.approx((values == 0).float().mean().item())
            assert measured.step == step + 1


def test_it_looks_less_often_where_it_would_cost_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("nnlens.session.training.budget._FREE", 0.0)
    model = network()
    with watched(model, tmp_path, share=0.01) as watch:
        trained(model, watch, steps=60)
    assert 1 <= len(watch.history.measurements) < 30
    assert watch.history.metrics.steps[-1] == 60
    assert watch.checkpoints.steps[-1] == 60


def test_a_training_of_seconds_is_seen_too(tmp_path, monkeypatch):
    monkeypatch.setattr("nnlens.session.training.budget._FREE", 5.0)
    model = network()
    with watched(model, tmp_path, share=1e-6) as watch:
        trained(model, watch, steps=60)
    steps = [measurement.step for measurement in watch.history.measurements]
    assert steps[:5] == [1, 2, 3, 4, 5]
    assert len(watch.checkpoints) > 8


def test_gradients_and_optimisers_are_kept_where_asked_for(tmp_path):
    model = network()
    with watched(model, tmp_path, optimiser=True) as watch:
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
        for _step in range(2):
            loss = model(IMAGES).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            watch.step(loss=loss)
    found = watch.optimiser_at(2)
    named = dict(model.named_parameters())
    assert set(found) == set(named)
    for name, item in named.items():
        assert torch.equal(found[name]["gradient"], item.grad)
        assert torch.equal(found[name]["exp_avg"], optimiser.state[item]["exp_avg"])
    assert not torch.equal(watch.optimiser_at(1)["0.weight"]["exp_avg"], found["0.weight"]["exp_avg"])
    assert set(watch.checkpoints.load(2)) == set(model.state_dict())
    plain = watched(network(), tmp_path / "other")
    plain.checkpoint()
    with pytest.raises(ValueError, match="make the Watch with optimiser=True"):
        plain.optimiser_at(0)
    plain.close()


def test_views_go_back_in_the_training(tmp_path):
    model = network()
    states = {}
    watch = watched(model, tmp_path, every=1)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in range(1, 5):
        trained(model, watch, steps=1, optimiser=optimiser)
        states[step] = copy.deepcopy(model.state_dict())
    view = watch.lens.activations(IMAGES[:1])
    later = view.selection.activations.values.copy()
    assert watch.go_to(1) == 1
    assert not np.array_equal(view.selection.activations.values, later)
    old = network()
    old.load_state_dict(states[1])
    expected = nnlens.record(old, IMAGES[:1])[view.layer][0].numpy()
    assert np.allclose(view.selection.activations.values, expected)
    assert all(map(torch.equal, model.state_dict().values(), states[4].values()))  # the one that trains stays
    beside = nnlens.compare(watch.at(1), watch.at(4), IMAGES[:1])
    assert beside.result is not None
    watch.close()


def test_it_is_saved_and_opened_again(tmp_path):
    model = network()
    with watched(model, tmp_path, every=2) as watch:
        trained(model, watch, steps=5)
        folder = watch.save(tmp_path / "saved")
    opened = Watch.load(folder, nnlens.Lens(network(3)))
    assert opened.count == 5
    assert repr(opened.history.measurements) == repr(watch.history.measurements)
    opened.go_to(5)
    assert torch.equal(opened.lens.model[6].weight, model[6].weight)
    with pytest.raises(ValueError, match="closed, or was loaded"):
        opened.step(loss=1.0)
    with pytest.raises(ValueError, match="must be of a model with the same weights"):
        Watch.load(folder, nnlens.Lens(nn.Linear(2, 2)))
    with pytest.raises(ValueError, match="folder must hold a watched training"):
        Watch.load(tmp_path, nnlens.Lens(model))
    with pytest.raises(ValueError, match="folder must be empty"):
        watch.save(folder)
    with pytest.raises(ValueError, match="must hold no checkpoints"):
        watched(model, tmp_path)


def test_what_fails_does_not_stop_the_training(tmp_path, monkeypatch):
    model = network()
    watch = watched(model, tmp_path, every=1)
    monkeypatch.setattr(watch, "_measure", lambda: 1 / 0)
    with pytest.warns(UserWarning, match="measure is given up after ZeroDivisionError") as warned:
        losses = trained(model, watch)
    assert len(losses) == 6
    assert sum("given up" in str(item.message) for item in warned) == 1
    assert watch.history.metrics.steps[-1] == 6
    monkeypatch.setattr(watch.checkpoints, "save", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.warns(UserWarning, match="checkpoint is given up after OSError: the disk is full"):
        trained(model, watch, steps=4)


@pytest.mark.parametrize("kind", ["autocast", "accumulated", "two optimisers", "frozen", "by hand", "closure"])
def test_loops_of_other_kinds(tmp_path, kind):
    model = network()
    if kind == "frozen":
        model[0].requires_grad_(False)
    one = torch.optim.SGD(model[:3].parameters(), lr=0.1)
    two = torch.optim.Adam(model[3:].parameters(), lr=0.01)
    both = torch.optim.LBFGS(model.parameters(), max_iter=2)
    with watched(model, tmp_path, every=1) as watch:
        for step in range(4):
            with torch.autocast("cpu", torch.bfloat16, enabled=kind == "autocast"):
                loss = F.cross_entropy(model(IMAGES), CLASSES)
            loss.backward()
            if kind == "accumulated" and step % 2 == 0:
                watch.step(loss=loss)
                continue
            if kind == "by hand":
                with torch.no_grad():
                    for weight in model.parameters():
                        weight -= 0.1 * weight.grad
            elif kind == "closure":

                def closure() -> torch.Tensor:
                    both.zero_grad()
                    again = F.cross_entropy(model(IMAGES), CLASSES)
                    again.backward()
                    return again

                both.step(closure)
            else:
                one.step()
                two.step()
            if kind == "frozen":
                assert model[0].weight.grad is None
            model.zero_grad() if kind != "by hand" else None
            watch.step(loss=loss)
            if kind == "by hand":
                model.zero_grad()
    rows = [{row.module: row for row in item.weights} for item in watch.history.measurements]
    assert len(rows) == (2 if kind == "accumulated" else 4)
    assert all(row["6"].update > 0 and row["6"].gradient > 0 for row in rows)
    assert all(np.isnan(row["0"].update) == (kind == "frozen") for row in rows)


def test_a_compiled_model_and_two_watches(tmp_path):
    model = network()
    compiled = torch.compile(model, backend="eager")
    lens = nnlens.Lens(compiled)
    first = Watch(lens, IMAGES, every=1, folder=tmp_path / "first")
    second = Watch(nnlens.Lens(model), IMAGES, every=2, folder=tmp_path / "second")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for _step in range(4):
        loss = F.cross_entropy(compiled(IMAGES), CLASSES)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first.step(loss=loss)
        second.step(loss=loss)
    assert (len(first.history.measurements), len(second.history.measurements)) == (4, 2)
    for watch in (first, second):
        watch.close()
        assert watch.checkpoints.steps[-1] == 4
        watch.go_to(4)
        assert torch.equal(watch.lens.model.state_dict()["6.weight"], model[6].weight)


def test_the_first_number_that_is_not_finite_is_named(tmp_path):
    model = network()
    watch = watched(model, tmp_path, every=1)
    trained(model, watch, steps=1)
    watch.step(loss=float("inf"))
    assert "the batch, the train mode or the loss function" in watch.alarms[-1].words
    with torch.no_grad():
        model[6].bias[0] = float("nan")
    other = watched(model, tmp_path / "other", every=1)
    other.step(loss=float("nan"))
    assert (other.alarms[-1].kind, other.alarms[-1].where) == ("not finite", "6.bias")

    class Root(nn.Module):
        def forward(self, x):
            return torch.sqrt(x - 100)

    rooted = nn.Sequential(nn.Flatten(), nn.Linear(IMAGES[0].numel(), 2), Root(), nn.ReLU())
    third = watched(rooted, tmp_path / "third", every=1)
    third.step(loss=float("nan"))
    assert third.alarms[-1].where == "2.sqrt"


def test_the_loop_can_be_asked_to_stop(tmp_path):
    model = network()
    watch = watched(model, tmp_path)
    assert not watch.stop_requested
    watch.stop()
    assert watch.stop_requested
    trained(model, watch, steps=2)  # nothing is thrown into the loop
    watch.close()


def test_memory_does_not_grow(tmp_path):
    model = nn.Linear(2, 1)
    x = torch.ones(4, 2)
    watch = Watch(nnlens.Lens(model), x, folder=tmp_path / "run", checkpoints=4)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4)

    def run(steps: int) -> int:
        for _step in range(steps):
            loss = model(x).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            watch.step(loss=loss)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early = run(3000)
        late = run(10_000)
    finally:
        tracemalloc.stop()
    assert late - early < 1_000_000
    assert watch.history.metrics.steps[-1] > 12_000
    watch.close()


def test_a_killed_process_loses_at_most_the_last_interval(tmp_path):
    script = f"""
import os, sys, torch, nnlens
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
watch = nnlens.Watch(nnlens.Lens(model), torch.eye(2), every=1, folder={str(tmp_path / "run")!r})
optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(40):
    loss = model(torch.eye(2)).square().mean()
    optimiser.zero_grad(); loss.backward(); optimiser.step()
    watch.step(loss=loss)
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    opened = Watch.load(tmp_path / "run", nnlens.Lens(model))
    last = opened.checkpoints.steps[-1]
    assert 40 / 1.15 - 1 <= last <= 40
    assert opened.count == last
    assert opened.history.measurements[-1].step >= last - 1


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"every": 0}, ValueError, "every must be a whole number"),
        ({"share": 1.5}, ValueError, "share must be between 0 and 1"),
        ({"layers": "2"}, TypeError, "layers must be a list"),
        ({"layers": ["nothing"]}, ValueError, "layers must"),
    ],
)
def test_bad_options_are_said(tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        watched(network(), tmp_path, **options)


def test_bad_numbers_and_images_are_said(tmp_path):
    watch = watched(network(), tmp_path)
    with pytest.raises(TypeError, match="loss must be a number or a tensor of one number"):
        watch.step(loss=torch.ones(2))
    with pytest.raises(TypeError, match="accuracy must be a number"):
        watch.step(accuracy="high")
    with pytest.raises(TypeError, match="lens must be a Lens"):
        Watch(network(), IMAGES)
    with pytest.raises(nnlens.ForwardError):
        Watch(nnlens.Lens(network()), torch.zeros(2, 5, 8, 8), folder=tmp_path / "other")
    watch.close()


def test_the_cache_keeps_the_latest_trainings_and_those_that_may_go_on(tmp_path, monkeypatch):
    monkeypatch.setenv("NNLENS_CACHE", str(tmp_path))
    base = run_folder().parent
    for age in (9000, 8000, 7000, 6000, 5000, 60):
        (base / str(age)).mkdir(parents=True)
        os.utime(base / str(age), (time.time() - age,) * 2)
    run_folder()
    assert sorted(path.name for path in base.iterdir()) == ["5000", "60", "6000"]
    for age in (50, 40, 30):
        (base / str(age)).mkdir()
    run_folder()
    assert sorted(path.name for path in base.iterdir()) == ["30", "40", "50", "60"]
