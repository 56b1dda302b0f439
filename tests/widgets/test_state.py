"""The state of a view as text."""

from __future__ import annotations

import json
import random

import pytest
from torch import nn

import nnlens
from nnlens.widgets.base.state import StateTrait, decoded, encoded, state_traits


@pytest.fixture
def lens():
    model, transform, names = nnlens.zoo.digits()
    return nnlens.Lens(model, preprocess=transform, labels=names)


@pytest.fixture
def digit():
    return nnlens.zoo.DigitImages()[3][0]


def test_another_view_shows_the_state(lens, digit):
    view = lens.explore(digit)
    view.selection.layer = "features.9"
    view.selection.unit, view.selection.position = 4, (5, 7)
    view.size, view.fill, view.sort, view.scale = 9, "grey", "maximum", "unit"
    state = view.state
    assert state.startswith("1&layer=features.9&unit=4&position=[5,7]&")
    other = lens.explore(digit, link=False, state=state)
    assert other.state == state
    assert (other.layer, other.unit, list(other.position), other.size) == ("features.9", 4, [5, 7], 9)
    assert other.selection.unit == 4
    assert other.mosaic["layer"] == other.unit_map["layer"] == "features.9"


@pytest.mark.parametrize("seed", range(4))
def test_an_earlier_state_comes_back_whatever_was_chosen_since(lens, digit, seed):
    view = lens.explore(digit)
    number = random.Random(seed)
    first = view.state
    states = []
    for _ in range(20):
        states.append(view.state)
        name = number.choice(["layer", "unit", "target", "sort", "size", "scale", "overlay", "card", "fill"])
        setattr(
            view,
            name,
            {
                "layer": lambda: number.choice(["features.2", "features.9", "features.19", "classifier"]),
                "unit": lambda: number.randrange(10),
                "target": lambda: number.randrange(10),
                "sort": lambda: number.choice(["index", "mean"]),
                "size": lambda: number.randint(1, 14),
                "scale": lambda: number.choice(["unit", "layer"]),
                "overlay": lambda: number.random() < 0.5,
                "card": lambda: number.random() < 0.5,
                "fill": lambda: number.choice(["grey", "mean"]),
            }[name](),
        )
    for state in reversed(states):
        view.state = state
        assert view.state == state
    assert view.state == first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 'state must begin with the version "1"'),
        ("2&layer=features.2", 'state must begin with the version "1"'),
        ("1&siz=3", "did you mean 'size'"),
        ("1&layer=features.99", "state does not fit this view: layer must be"),
        ("1&layer=features.2&unit=99", "unit must be 0…15"),
        ("1&layer=features.2&size=1000", "size must be"),
    ],
)
def test_a_wrong_state_is_an_error_and_changes_nothing(lens, digit, text, words):
    view = lens.explore(digit)
    before = view.state
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        view.state = text
    assert view.state == before
    with pytest.raises(TypeError, match="state must be a text"):
        view.state = 3


def test_what_a_person_leaves_out_stays_as_it_is(lens, digit):
    view = lens.explore(digit, size=9, layer="features.2")
    view.sort = "mean"
    view.state = "1&size=8"
    assert (view.size, view.layer, view.sort) == (8, "features.2", "index")
    view.state = "1"
    assert (view.size, view.layer) == (8, "features.2")
    for text, words in (("1&sort=foo", "sort"), ("1&stride=0", "stride"), ("1&target=99", "target")):
        with pytest.raises(ValueError, match=f"state does not fit this view.*{words}"):
            view.state = text


def test_the_browser_asks_for_an_earlier_image_and_state(lens, digit):
    view = lens.explore(digit)
    first, before = view.state, view.selection.sample.input
    lens.selection.show(lens.session.samples.of(nnlens.zoo.DigitImages()[5][0]))
    assert view.image_number == 1
    view.selection.layer = "features.2"
    # The browser's bytes arrive as a memoryview.
    mask = memoryview(bytes([128]) + bytes(97))
    view.restore = {"state": first, "image": 0, "mask": mask}
    assert view.wait(60)
    assert view.selection.sample.input is before
    assert view.state == first
    assert view.restore is None
    assert view.error is None
    assert view.mask == bytes(mask)


def test_the_browser_asks_for_an_earlier_reading_of_the_scores(lens, digit):
    view = lens.explore(digit)
    before = {"task": view.meaning["task"], "logits": view.meaning["logits"]}
    view.read_as = {"task": "multilabel", "logits": None}
    assert lens.task == "multilabel"
    view.restore = {"state": view.state, "image": 0, "mask": None, "reading": before}
    assert view.wait(60)
    assert lens.task == "multiclass"


def test_every_choice_of_a_view_belongs_to_its_state(lens, digit):
    """What the browser sets and the kernel keeps, and nothing that is computed."""
    names = {trait["name"] for trait in state_traits(lens.explore(digit))}
    assert {"target", "layer", "unit", "position", "size", "fill", "rule", "goal", "replacement", "kind"} <= names
    assert not names & {"photo", "scores", "mosaic", "occlusion_map", "busy", "hide", "labels", "mask"}


def _trait(name, default, only_if=None) -> StateTrait:
    return {"name": name, "default": json.dumps(default), "values": None, "only_if": only_if}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("conv:1", "conv:1"),
        ("0", "%220%22"),
        ("a b&c=d", "a%20b%26c%3Dd"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        (1e-7, "1e-7"),
        (0.00005, "0.00005"),
        (3.0, "3"),
        (1e21, "1e%2B21"),
        ([1, [2.5, None]], "[1,[2.5,null]]"),
        ({"layer": "a", "unit": 1}, "%7B%22layer%22:%22a%22,%22unit%22:1%7D"),
    ],
)
def test_values_are_written_as_the_browser_writes_them(value, written):
    traits = [_trait("value", "usual")]
    view = nn.Module()
    view.value = value
    assert encoded(view, traits) == f"1&value={written}"
    assert decoded(encoded(view, traits), traits) == {"value": value}
