"""The views of weights in JupyterLab, and as pages without a kernel."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import nnlens

pytestmark = pytest.mark.browser
SETUP = """import nnlens, torch
model, transform, names = nnlens.zoo.digits()
digits = nnlens.zoo.DigitImages()
lens = nnlens.Lens(model, preprocess=transform, labels=names)"""
BOTH = """view = lens.activations(digits[3][0], layer="features.9")
view"""
WORKERS = """data = [*(digits[item] for item in range(100)), (b"broken", 1)]
by = {"workers": 2, "shard_size": 25}"""
FILTERS = 'filters = lens.filters("features.7")\nfilters'


def pane(view: Locator, name: str) -> Locator:
    return view.locator(f'[data-pane="{name}"]')


def tile(page: Page, view: Locator, across: float, down: float) -> None:
    """Click into the bank at a share of its width and height."""
    canvas = pane(view, "bank").locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] * across, box["y"] + box["height"] * down)


def test_filters_follow_the_other_views_and_lead_them(lab, page, errors):
    notebook = lab("filters.ipynb", [SETUP, BOTH, FILTERS])
    notebook.run_all()
    view = page.locator(".nn-filters")
    expect(pane(view, "bank").locator("h2")).to_have_text("filters of features.7", timeout=60_000)
    tile(page, view, 0.02, 0.02)
    expect(pane(view, "filter").locator("h2")).to_have_text("filter 0")
    number = page.locator(".nn-activations [data-pane=unit] input[type=number]")
    expect(number).to_have_value("0")
    pane(view, "bank").locator("canvas").press("ArrowRight")
    expect(number).to_have_value("1")
    expect(pane(view, "filter").locator("h2")).to_have_text("filter 1")
    # The numbers are those of the weight.
    norm = float(notebook.python("print(model.features[7].weight[1].norm().item())"))
    shown = pane(view, "filter").locator("dd").first.inner_text()
    assert float(shown) == pytest.approx(norm, rel=6e-3)
    # In the background: what it reads from the image, and its answers to gratings.
    expect(pane(view, "gratings")).to_contain_text(re.compile("best .* at .*°"), timeout=60_000)
    expect(pane(view, "expanded")).to_contain_text("product of the linear parts")
    # From another view, and back with undo.
    number.fill("12")
    number.press("Enter")
    expect(pane(view, "filter").locator("h2")).to_have_text("filter 12")
    pane(view, "bank").locator("canvas").press("Control+z")
    expect(pane(view, "filter").locator("h2")).to_have_text("filter 1")
    # Another weight takes its layer with it.
    pane(view, "bank").locator("select").first.select_option("features.0")
    expect(page.locator(".nn-activations [data-pane=mosaic] h2")).to_contain_text("features.0")
    expect(pane(view, "filter").locator("h2")).to_have_text("filter 0")
    assert errors == []


def test_the_table_of_weights_fills_and_compares(lab, page, errors):
    other = "import copy\nother = copy.deepcopy(model)\nother.features[0].weight.data *= 3"
    cells = [SETUP, other, 'weights = lens.weights({"larger": other}, draws=3)\nweights']
    notebook = lab("weights.ipynb", cells)
    notebook.run_all()
    view = page.locator(".nn-weights")
    rows = pane(view, "table").locator("tbody tr")
    expect(rows).to_have_count(7, timeout=60_000)
    rows.nth(2).click()
    expect(pane(view, "charts").locator("h2")).to_contain_text("features.7")
    expect(pane(view, "findings").locator("li").first).to_contain_text("there", timeout=30_000)
    pane(view, "table").locator("select").select_option("initial")
    expect(pane(view, "findings").locator("li").first).to_contain_text("in 3 draws", timeout=60_000)
    assert notebook.python("print(weights.against, weights.weight)").split() == ["initial", "features.7"]
    notebook.python('weights.weight = "features.3"')
    expect(pane(view, "charts").locator("h2")).to_contain_text("features.3")
    assert errors == []


def test_replacements_are_drawn_while_they_are_tried(lab, page, errors):
    cells = [SETUP, 'found = lens.replacements("features.3", digits, count=60)\nfound']
    notebook = lab("replacements.ipynb", cells)
    notebook.run_all()
    view = page.locator(".nn-replacements")
    rows = pane(view, "results").locator("tbody tr")
    expect(rows.nth(3)).to_be_visible(timeout=60_000)
    expect(pane(view, "chart")).to_contain_text("smallest of those tried that is good enough", timeout=60_000)
    expect(pane(view, "chart")).to_contain_text("tried on 60 images", timeout=60_000)
    words = notebook.python("print(found.result.smallest().describe())").partition(":")[0]
    expect(pane(view, "results").locator(".nn-chosen th")).to_have_text(words)
    assert errors == []


def test_replacements_and_a_landscape_by_two_processes(lab, page, errors):
    views = [
        'found = lens.replacements("features.3", data, **by)\nfound',
        "around = lens.landscape(data, points=11, **by)\naround",
    ]
    notebook = lab("workers.ipynb", [SETUP, WORKERS, *views])
    notebook.run_all()
    chart = page.locator('.nn-replacements [data-pane="chart"]')
    expect(chart).to_contain_text("tried on 100 images · 1 could not be read", timeout=120_000)
    expect(chart.locator(".nn-count")).to_have_attribute("title", re.compile("^100: "))
    contour = page.locator('.nn-landscape [data-pane="contour"]')
    expect(contour).to_contain_text("100 examples", timeout=120_000)
    expect(contour.locator(".nn-count")).to_have_text("1 could not be read", timeout=60_000)
    # The numbers are those of the notebook's own process.
    notebook.python('plain = lens.replacements("features.3", data, shard_size=25)')
    assert notebook.python("print(plain.wait(120), plain.sweep == found.sweep)") == "True True"
    notebook.python("plain = lens.landscape(data, points=11, shard_size=25)")
    assert notebook.python("print(plain.wait(120), plain.landscape == around.landscape)") == "True True"
    assert errors == []


def test_a_page_without_a_kernel_keeps_its_filters(page, errors, tmp_path):
    model, transform, names = nnlens.zoo.digits()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    path = lens.filters("features.3", nnlens.zoo.DigitImages()[3][0]).save(tmp_path / "filters.html")
    page.goto(path.as_uri())
    view = page.locator(".nn-filters")
    expect(pane(view, "filter").locator("h2")).to_have_text("filter 0", timeout=20_000)
    for _ in range(3):
        pane(view, "bank").locator("canvas").press("ArrowRight")
    expect(pane(view, "filter").locator("h2")).to_have_text("filter 3")
    expect(pane(view, "unit").locator("input[type=number]")).to_have_value("3")
    norm = np.linalg.norm(model.features[3].weight[3].detach().numpy())
    assert float(pane(view, "filter").locator("dd").first.inner_text()) == pytest.approx(norm, rel=6e-3)
    pane(view, "bank").locator("select").first.select_option("features.0")
    expect(pane(view, "bank").locator("h2")).to_have_text("filters of features.0")
    expect(pane(view, "filter").locator("h2")).to_have_text("filter 0")
    pane(view, "bank").locator("canvas").press("Control+z")
    expect(pane(view, "bank").locator("h2")).to_have_text("filters of features.3")
    expect(pane(view, "filter").locator("h2")).to_have_text("filter 3")
    assert errors == []
