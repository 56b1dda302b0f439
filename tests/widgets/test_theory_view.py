"""The view of theories: every experiment, its settings, what is kept, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import nnlens
from nnlens.kernels.training import theories
from nnlens.widgets.theory.experiments import EXPERIMENTS
from nnlens.widgets.theory.part import TheoryPart, settings_text


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_runs_to_its_end_and_says_what_came_out(name):
    quick = {
        "edge of stability": {"steps": 1000},
        "neural collapse": {"steps": 1000, "classes": 3},
        "scattering": {"angles": 2, "scales": 1},
        "tangent kernel": {"width": 32},
    }.get(name, {})
    view = nnlens.theory(name, settings=quick, show=["theory", "plots"])
    assert view.wait(60)
    assert view.error is None
    shown = view.experiment
    assert (shown["share"], shown["running"]) == (1.0, False)
    assert shown["words"]
    assert shown["about"]
    assert shown["check"]
    kinds = {item["kind"] for chart in shown["plots"] for item in chart["series"]}
    assert {"theory", "limit"} & kinds
    assert {"measured", "dots"} & kinds
    assert view.result == shown["plots"]
    assert shown["title"] in view.describe()
    assert view.settings == {item.name: quick.get(item.name, item.value) for item in EXPERIMENTS[name].settings()}
    assert len(view.panels()) == len(shown["plots"])
    view.close()


def test_what_is_drawn_is_what_the_kernel_says():
    view = nnlens.theory("double descent", settings={"noise": 0.25, "examples": 50})
    view.wait()
    measured = next(item for item in view.result[0]["series"] if item["kind"] == "measured")
    found = theories.double_descent(np.array(measured["x"]), examples=50, noise=0.25)
    assert measured["y"] == pytest.approx(found.measured, rel=1e-4)
    theory = next(item for item in view.result[0]["series"] if item["kind"] == "theory")
    expected = [x and theories.expected_risk(x, noise=0.25) for x in theory["x"]]
    assert [y for y in theory["y"] if y is not None] == pytest.approx([y for y in expected if y is not None], rel=1e-3)
    view.close()


def test_settings_run_it_again_and_belong_to_the_state():
    view = nnlens.theory("edge of chaos", settings={"weights": 1.0})
    view.wait()
    order = view.experiment["words"]
    view.settings = {"weights": 3.0, "activation": "tanh"}
    view.wait()
    assert view.experiment["words"] != order
    assert view.theory_settings == '{"weights":3}' == settings_text("edge of chaos", {"weights": 3})
    state = view.state
    view.theory = "double descent"  # whose settings are others
    view.wait()
    assert view.theory_settings == ""
    view.state = state
    view.wait()
    assert view.settings["weights"] == 3
    assert "theory" in view.experiment["plots"][0]["series"][0]["kind"]
    view.close()


def test_what_was_run_before_is_there_at_once_and_in_a_saved_page():
    view = nnlens.theory("double descent", settings={"examples": 20})
    view.wait()
    first = view.experiment["words"]
    view.settings = {"examples": 20, "noise": 1.0}
    view.wait()
    part = view.part(TheoryPart)
    done = dict(part._done)
    assert len(done) == 2
    view.settings = {"examples": 20}
    view.wait()
    assert view.experiment["words"] == first
    [response] = part.bake(10**6, whole=False)
    assert set(response.table) == {'double descent|{"examples":20}', 'double descent|{"noise":1,"examples":20}'}
    assert part.bake(100, whole=False) == []
    view.close()


def test_a_whole_page_has_other_settings(monkeypatch):
    monkeypatch.setattr("nnlens.widgets.theory.part._BAKING", 1.0)
    view = nnlens.theory("edge of chaos", settings={"width": 10})
    view.wait()
    [response] = view.part(TheoryPart).bake(10**7, whole=True)
    assert len(response.table) > 3
    # Those first that differ in one setting only.
    some = [json.loads(key.partition("|")[2] or "{}") for key in list(response.table)[:4]]
    assert all(len({**item, "width": 10}.keys() ^ {"width"}) <= 1 for item in some)
    view.close()


def test_stopping_an_experiment_keeps_what_is_there():
    view = nnlens.theory("neural collapse", settings={"steps": 4000})
    while view.experiment is None or view.experiment["share"] == 0:
        assert not view.wait(0.2)
    view.cancel += 1
    view.wait()
    assert not view.experiment["running"]
    share = view.experiment["share"]
    assert 0 < share < 1
    assert view.experiment["plots"]
    view.resume += 1
    assert not view.wait(0.5)
    assert view.experiment["running"]
    assert view.experiment["share"] > share
    view.close()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("edge of stabilty", {}, "name must be one of .* got 'edge of stabilty'.*did you mean 'edge of stability'"),
        ("edge of stability", {"speed": 1}, "settings must be of rate, momentum, steps .* got 'speed'"),
        ("edge of stability", {"rate": 5}, r"rate must be a number 0\.05…0\.6, got 5"),
        ("neural collapse", {"classes": 3.5}, "classes must be a whole number, got 3.5"),
        ("neural collapse", {"normalisation": "layer"}, "normalisation must be one of batch, none, got 'layer'"),
    ],
)
def test_what_does_not_fit_is_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        nnlens.theory(name, settings=settings)


def test_the_layers_of_a_lens_are_shown():
    view = nnlens.theory("edge of chaos", nnlens.Lens(small()))
    view.wait()
    drawn = view.result[1]["series"][1]
    scales = theories.layer_scales(small())
    assert drawn["x"] == pytest.approx([item.weight_variance**0.5 for item in scales], rel=1e-4)
    with pytest.raises(TypeError, match="lens must be a Lens"):
        nnlens.theory("edge of chaos", small())
    view.close()


def test_what_nobody_can_read_is_an_error_until_the_next_setting():
    theory = nnlens.theory("edge of chaos", settings={"weights": 3.0})
    theory.wait()
    theory.theory_settings = "{bad"
    theory.wait()
    assert theory.theory_settings == ""
    assert "JSON" in theory.error["message"]
    theory.settings = {"weights": 2.0}
    theory.wait()
    assert theory.error is None
    theory.close()


def test_random_numbers_of_the_user_are_left_alone():
    before = torch.get_rng_state()
    nnlens.zoo.digits()
    nnlens.zoo.scattering()
    for name in ("edge of chaos", "edge of stability"):
        view = nnlens.theory(name, settings={"steps": 1000} if "stability" in name else {})
        view.wait()
        view.close()
    assert torch.equal(before, torch.get_rng_state())
