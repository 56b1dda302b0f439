"""Every view for those who use keys, a screen reader or large letters: axe-core, and a walk with the Tab key."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from detectors import Detr
from drive import SETUP, pane, widget
from input_networks import cases
from playwright.sync_api import Page, expect
from torch import nn

import nnlens

pytestmark = pytest.mark.browser
AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = (
    *("explorer", "card", "unit", "attribution", "compare", "occlusion", "activations", "examples"),
    *("filters", "weights", "replacements"),
    *("cells", "attention", "logit_lens", "token_attribution", "exponents"),
    *("regions", "plane_of_images", "formula", "local_map", "sensitivity"),
    *("training", "landscape", "similarity", "theory"),
    *("signal", "signal_attribution", "several", "volume", "classes", "bands", "boxes", "neighbours", "made"),
)

WALK = """() => {
    const element = document.activeElement;
    if (!element || element === document.body || !element.closest('.nnlens')) return null;
    const style = getComputedStyle(element);
    const all = [...document.querySelectorAll('.nnlens *')];
    return {at: all.indexOf(element), seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2};
}"""
REACHABLE = """() => [...document.querySelectorAll('.nnlens *')].flatMap((element, at) => {
    const usable = element.matches('button, select, input, textarea, [tabindex="0"]') && !element.disabled;
    const folded = element.closest('[popover]:not(:popover-open)');
    return usable && !folded && element.checkVisibility() ? [[at, element.outerHTML.slice(0, 120)]] : [];
})"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A saved page of each view."""
    folder = tmp_path_factory.mktemp("pages")
    model, transform, names = nnlens.zoo.digits()
    digits = nnlens.zoo.DigitImages()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    image = digits[3][0]
    views = {
        "examples": lens.examples(list(digits)[:40], layers=["features.9"]),
        "explorer": lens.explore(image),
        "card": lens.explore(image, link=False, layer="features.9", card=True),
        "unit": lens.unit(image, link=False, layer="features.9", unit=4),
        "attribution": lens.attribution(image, samples=100),
        "compare": lens.compare(image, digits[5][0]),
        "occlusion": lens.occlusion(image),
        "activations": lens.activations(image),
        "filters": lens.filters("features.3", image),
        "weights": lens.weights(draws=2),
        "replacements": lens.replacements("features.3", digits, count=40, methods=["low-rank"]),
        **text_views(),
        **function_views(),
        **training_views(folder / "run"),
        **views_of_other_inputs(),
    }
    assert set(views) == set(VIEWS)
    return {name: view.save(folder / f"{name}.html") for name, view in views.items()}


def views_of_other_inputs():
    """Views of a signal, of several inputs and of a volume."""
    net, beat = nnlens.zoo.heartbeats(), nnlens.zoo.Heartbeats(4)[1].signal[None]
    heart = nnlens.Lens(net.model, labels=net.labels, rate=net.rate)
    both = cases()["keywords"]
    scan = cases()["a volume"]
    return {
        "signal": heart.explore(beat),
        "signal_attribution": heart.attribution(beat, methods=["gradient", "lime"], samples=60),
        "several": nnlens.Lens(both.model()).explore(both.given, **both.keywords),
        "volume": nnlens.Lens(scan.model()).explore(scan.given),
        "classes": nnlens.Lens(nn.Conv2d(3, 4, 5), labels=["sky", "road", "tree", "car"]).explore(both.given),
        **views_of_other_outputs(both.given),
    }


def views_of_other_outputs(x):
    """Views of many bands, and of models that give no class scores."""
    outputs = nnlens.outputs
    halves = torch.ones(1, 1, 16, 24)
    halves[..., 12:] = -1
    bands = nn.Sequential(nn.Conv2d(7, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    encoder = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    embeddings = nnlens.kernels.embed(encoder, torch.rand(9, *x.shape[1:]))
    return {
        "bands": nnlens.Lens(bands).explore(torch.rand(1, 7, 12, 12)),
        "boxes": nnlens.Lens(Detr(), output=outputs.boxes("detr"), labels=["bright", "dark"]).explore(halves),
        "neighbours": nnlens.Lens(encoder, output=outputs.neighbours(embeddings, most=4)).explore(x),
        "made": nnlens.Lens(nn.Conv2d(3, 3, 3, padding=1), output=outputs.reconstruction_error()).explore(x),
    }


def text_views():
    """The views of a text."""
    reader, writer = nnlens.zoo.code_lstm(), nnlens.zoo.glass_lm()
    words = nnlens.zoo.code_text(1200)
    cells = nnlens.Lens(reader.model, alphabet=reader.alphabet).cells(words, find="inside quotes", corpus=words * 3)
    cells.hold_at = 1.0
    lens = nnlens.Lens(writer.model, tokenizer=writer.tokenizer)
    sentence = "Alice was beginning to get very tired of sitting by her sister"
    return {
        "cells": cells,
        "exponents": nnlens.Lens(reader.model, alphabet=reader.alphabet).exponents(words[:120]),
        "attention": lens.attention(sentence),
        "logit_lens": lens.logit_lens(sentence),
        "token_attribution": lens.attribution(sentence, samples=60),
    }


def function_views():
    """The views of the network as a function."""
    torch.manual_seed(0)
    small = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    model, transform, names = nnlens.zoo.digits()
    digits = nnlens.zoo.DigitImages()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    return {
        "regions": nnlens.Lens(small).regions(nnlens.zoo.points("moons", 30)),
        "formula": nnlens.Lens(small).formula(),
        "local_map": lens.local_map(digits[3][0], digits[5][0]),
        "sensitivity": lens.sensitivity(digits[3][0]),
        "plane_of_images": lens.regions(images=[digits[place][0] for place in (3, 5, 8)]),
    }


def training_views(folder):
    """The views of a short training of the small network of digits, and of what it has made."""
    model, transform, names = nnlens.zoo.digits()
    digits = nnlens.zoo.DigitImages()
    x, y = (
        torch.stack(list(part))
        for part in zip(*((transform(image), torch.tensor(y)) for image, y in digits), strict=True)
    )
    before = copy.deepcopy(model.state_dict())
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    with nnlens.Watch(lens, x[:8], every=1, folder=folder) as watch:
        view = watch.view()
        for _step in range(6):
            loss = nn.functional.cross_entropy(model(x[:40]), y[:40])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            watch.step(loss=loss)
    view.shown_step = 2
    model.eval()
    return {
        "training": view,
        "landscape": lens.landscape((x[:40], y[:40]), watch=watch, other=before, points=5),
        "similarity": lens.similarity(before, x[:20]),
        "theory": nnlens.theory("edge of chaos", lens, settings={"width": 30}),
    }


def violations(page: Page, within: str = "document") -> list[str]:
    """What axe-core finds, one line each."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(f"async () => (await axe.run({within})).violations")
    return [f"{one['impact']}: {one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_saved_page(browser, pages, name, scheme):
    context = browser.new_context(color_scheme=scheme, viewport={"width": 960, "height": 720})
    page = context.new_page()
    page.goto(pages[name].as_uri())
    expect(widget(page)).to_be_visible(timeout=20_000)
    page.wait_for_timeout(300)
    assert violations(page) == []
    for number in range(page.get_by_role("button", name="more", exact=True).count()):
        page.get_by_role("button", name="more", exact=True).nth(number).click()
        assert violations(page) == []
        page.keyboard.press("Escape")
    page.get_by_role("button", name="keys").click()
    assert violations(page) == []
    context.close()


@pytest.mark.parametrize("name", VIEWS)
def test_the_tab_key_reaches_every_control_and_leaves_the_view(page, pages, name):
    page.goto(pages[name].as_uri())
    expect(widget(page)).to_be_visible(timeout=20_000)
    page.wait_for_timeout(300)
    reachable = dict(page.evaluate(REACHABLE))
    assert len(reachable) > 3
    reached: dict[int, bool] = {}
    for _ in range(len(reachable) + 5):
        page.keyboard.press("Tab")
        at = page.evaluate(WALK)
        if at is None:
            break
        reached[at["at"]] = at["seen"]
    assert at is None, "the focus does not leave the view"
    assert [html for at, html in reachable.items() if at not in reached] == []
    assert [reachable.get(at) for at, seen in reached.items() if not seen] == [], "the focus cannot be seen"


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", [480, 640])
def test_nothing_is_cut_off_at_twice_the_size(page, pages, name, width):
    """A screen of 1280 pixels at 200 % has 640."""
    page.set_viewport_size({"width": width, "height": 720})
    page.goto(pages[name].as_uri())
    expect(widget(page)).to_be_visible(timeout=20_000)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    beyond = page.evaluate(
        """() => {
            const edge = document.querySelector('.nnlens').getBoundingClientRect().right + 1;
            const scrolled = '.nn-maps, .nn-agreement, .nn-strip-of-checks, .nn-scroll, .nn-sr';
            return [...document.querySelectorAll('.nnlens *')]
                .filter((one) => one.checkVisibility() && !one.closest(scrolled))
                .filter((one) => one.getBoundingClientRect().right > edge)
                .map((one) => one.outerHTML.slice(0, 120));
        }"""
    )
    assert beyond == []


@pytest.mark.parametrize("name", VIEWS)
def test_every_target_is_large_enough(page, pages, name):
    """24 pixels each way, as WCAG 2.2 asks; and the list of keys has room for its words."""
    page.goto(pages[name].as_uri())
    expect(widget(page)).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="keys").click()
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, select, input, .nn-node')]
            .filter((one) => one.checkVisibility() && one.type !== 'checkbox' && !one.closest('.nn-more-controls'))
            .map((one) => [one.outerHTML.slice(0, 120), one.getBoundingClientRect()])
            .filter(([, box]) => Math.min(box.width, box.height) < 23.5).map(([html]) => html)"""
    )
    assert small == []
    cut = (
        "() => [...document.querySelectorAll('.nn-help dt')].filter((one) => one.scrollWidth > one.clientWidth).length"
    )
    assert page.evaluate(cut) == 0


@pytest.mark.parametrize("width", [640, 960, 1400])
def test_all_columns_of_attributions_are_seen(page, pages, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(pages["attribution"].as_uri())
    maps = pane(page, "grid").locator("canvas.nn-map")
    expect(maps).to_have_count(5)
    assert pane(page, "grid").locator(".nn-maps").evaluate("one => one.scrollWidth <= one.clientWidth")


def test_the_height_stays_from_layer_to_layer(page, pages):
    page.goto(pages["explorer"].as_uri())
    expect(widget(page)).to_be_visible(timeout=20_000)
    tree = pane(page, "layers").locator(".nn-node[aria-selected]:not([aria-disabled])")
    heights = set()
    for number in range(tree.count()):
        tree.nth(number).click()
        page.wait_for_timeout(50)
        heights.add(widget(page).bounding_box()["height"])
    assert len(heights) == 1


@pytest.mark.parametrize(("width", "most"), [(960, 720), (1400, 640)])
def test_the_explorer_is_seen_without_scrolling(page, pages, width, most):
    page.set_viewport_size({"width": width, "height": 600})
    page.goto(pages["explorer"].as_uri())
    expect(widget(page)).to_be_visible(timeout=20_000)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollHeight") <= most
    # The photograph, the slider and the whole map.
    for one in (
        pane(page, "photo").locator("canvas"),
        pane(page, "photo").locator("input[type=range]"),
        pane(page, "occlusion_map").locator("canvas").first,
    ):
        box = one.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 600


def test_the_unit_card_is_low(page, pages):
    page.set_viewport_size({"width": 960, "height": 600})
    page.goto(pages["unit"].as_uri())
    expect(widget(page)).to_be_visible(timeout=20_000)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollHeight") <= 1000


def test_axe_finds_nothing_in_a_live_view_and_its_keys_are_listed(lab, page, errors):
    book = lab("access.ipynb", [SETUP, 'view = lens.explore(nnlens.zoo.photo("coffee"), card=True)\nview'])
    book.run_all()
    expect(pane(page, "connections")).to_contain_text("made by", timeout=60_000)
    found = violations(page, "document.querySelector('.nnlens')")
    # The notebook around the view decides on levels of headings.
    assert [line for line in found if not line.startswith("moderate: heading-order")] == []
    pane(page, "mosaic").locator("canvas").focus()
    page.keyboard.press("?")
    expect(widget(page).locator(".nn-help")).to_contain_text("choose a unit")
    # A picture says what it shows.
    expect(pane(page, "unit").locator("canvas")).to_have_attribute(
        "aria-label", re.compile(r"strongest at row \d+, column \d+ .* (in|at) the ")
    )
