"""Saved notebooks and pages without a kernel and without a network."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import nbformat
import pytest
from drive import SETUP, SHOW, checksum, click_tile, hover_photo, pane, pick_layer, reading, unit_words, widget
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page, expect

import nnlens
from nnlens.cli import main

pytestmark = pytest.mark.browser
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


class Offline:
    """A page that reaches nothing; what it asks for is remembered."""

    def __init__(self, browser: Browser, scripts: bool = True):
        self.context = browser.new_context(viewport={"width": 1200, "height": 1000}, java_script_enabled=scripts)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page = self.context.new_page()
        self.context.route(re.compile("^(?!file|blob|data)"), self._refuse)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _refuse(self, route) -> None:
        self.requests.append(route.request.url)
        route.abort()


@pytest.fixture
def offline(browser):
    made: list[Offline] = []

    def open_page(path, scripts: bool = True) -> Offline:
        one = Offline(browser, scripts)
        made.append(one)
        one.page.goto(path.as_uri())
        return one

    yield open_page
    for one in made:
        one.context.close()


def to_html(notebook) -> str:
    """nbconvert's page, its own two scripts from outside left out."""
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="")
    return exporter.from_notebook_node(notebook)[0]


def chosen(page: Page) -> list[str]:
    """What is chosen in the view: layer, unit, size, target."""
    return [
        pane(page, "mosaic").locator("h2").inner_text(),
        pane(page, "unit").locator("input[type=number]").input_value(),
        pane(page, "photo").locator("output").inner_text(),
        pane(page, "occlusion_map").locator("h2").inner_text(),
    ]


def play(page: Page) -> None:
    """Layer, unit, size, target and occluder change, from what the page holds."""
    expect(widget(page)).to_be_visible(timeout=20_000)
    expect(widget(page).locator(".nn-status")).to_contain_text("saved page, no kernel")
    usable = pane(page, "layers").locator(".nn-node[aria-selected]:not([aria-disabled])")
    pane(page, "layers").locator("input[type=search]").fill("conv2d")
    first = chosen(page)
    other = usable.filter(has_not=page.locator("[aria-selected=true]")).first
    name = other.locator(".nn-name").inner_text()
    before = checksum(pane(page, "mosaic").locator("canvas"))
    other.click()
    expect(pane(page, "mosaic").locator("h2")).to_contain_text(name)
    assert checksum(pane(page, "mosaic").locator("canvas")) != before
    unit = click_tile(page, 0.3, 0.4)
    assert unit_words(page)[0] == unit
    slider = pane(page, "photo").locator("input[type=range]")
    before = checksum(pane(page, "occlusion_map").locator("canvas"))
    old = pane(page, "photo").locator("output").inner_text()
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(pane(page, "photo").locator("output")).not_to_have_text(old)
    assert checksum(pane(page, "occlusion_map").locator("canvas")) != before
    assert "nn-stale" not in (pane(page, "occlusion_map").locator("canvas").get_attribute("class") or "")
    hover_photo(page, 0.5, 0.4)
    _, clean, now = reading(page)
    assert clean != now
    pane(page, "bars").locator(".nn-bar").nth(1).click()
    label = pane(page, "bars").locator(".nn-bar").nth(1).locator(".nn-name").inner_text()
    expect(pane(page, "occlusion_map").locator("h2")).to_have_text(f"occlusion · {label}")
    # What can do nothing without a kernel is not there; a choice that the page holds in part is disabled.
    expect(pane(page, "photo").locator("button:visible")).to_have_count(0)
    blur = pane(page, "photo").locator("option[value=blur]")
    assert blur.evaluate("option => option.disabled")
    # Everything can be undone, back to the state in which the page was opened.
    undo = widget(page).get_by_role("button", name="undo")
    for _ in range(20):
        if undo.is_disabled():
            break
        undo.click()
    expect(undo).to_be_disabled()
    assert chosen(page) == first


def test_executed_without_a_person(tmp_path, offline):
    """nbconvert --execute: the page plays, offline, and without scripts it is a picture."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SETUP), nbformat.v4.new_code_cell(SHOW)])
    source = tmp_path / "lesson.ipynb"
    nbformat.write(book, source)
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--execute",
        "--to",
        "notebook",
        "--output",
        "done.ipynb",
        "lesson.ipynb",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=240)
    done = nbformat.read(tmp_path / "done.ipynb", 4)
    data = done.cells[1].outputs[0].data
    assert set(data) == {"text/html", "image/png", "text/plain"}
    assert len(data["text/html"]) + len(data["image/png"]) < 2_000_000
    assert "widgets" not in done.metadata
    (tmp_path / "lesson.html").write_text(to_html(done))
    one = offline(tmp_path / "lesson.html")
    play(one.page)
    assert one.requests == []
    assert one.errors == []
    still = offline(tmp_path / "lesson.html", scripts=False)
    picture = still.page.locator(".nnlens-still img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 600
    assert "espresso" in picture.get_attribute("alt")


def test_a_saved_page(tmp_path, offline, monkeypatch):
    monkeypatch.setenv("NNLENS_MODE", "static")
    model, transform, names = nnlens.zoo.efficientnet_lite0()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    view = lens.explore(nnlens.zoo.photo("coffee"), layers=["_blocks.3._bn1"], sizes=[40], stride=32)
    path = view.save(tmp_path / "x.html")
    one = offline(path)
    expect(widget(one.page)).to_be_visible(timeout=20_000)
    row = pane(one.page, "layers").locator('.nn-node[aria-selected="true"]')
    one.page.wait_for_timeout(200)
    inside = row.evaluate(
        """row => {
            const [here, list] = [row.getBoundingClientRect(), row.parentElement.getBoundingClientRect()];
            return here.top >= list.top - 1 && here.bottom <= list.bottom + 1;
        }"""
    )
    assert inside, "the selected layer is in sight"
    pick_layer(one.page, "_blocks.3._bn1")
    unit = click_tile(one.page, 0.3, 0.4)
    assert unit_words(one.page)[1] == pytest.approx(
        lens.sample(nnlens.zoo.photo("coffee")).activations("_blocks.3._bn1").maximum[unit], rel=0.01
    )
    assert one.requests == []
    assert one.errors == []


def test_run_live_saved_frozen_with_a_foreign_widget(lab, page, server, tmp_path, offline):
    """A live run saved from JupyterLab with its widget state: frozen, ours plays and the other package's stays."""
    book = lab(
        "mixed.ipynb", [SETUP, "import ipywidgets\nslider = ipywidgets.IntSlider(description='foreign')\nslider", SHOW]
    )
    book.run_all()
    expect(page.locator(".nnlens")).to_be_visible(timeout=60_000)
    states = json.loads(
        book.python(
            "import json, ipywidgets\n"
            "state = ipywidgets.Widget.get_manager_state(widgets=None)\n"
            "print(json.dumps(state, default=str))"
        )
    )
    ids = json.loads(book.python("print(json.dumps([slider.model_id, view.model_id]))"))
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_timeout(1500)
    saved = nbformat.read(server.folder / "mixed.ipynb", 4)
    ours = saved.cells[2].outputs[0].data
    assert set(ours) == {VIEW, "text/html", "image/png", "text/plain"}
    saved.metadata["widgets"] = {STATE: states}
    path = tmp_path / "mixed.ipynb"
    nbformat.write(saved, path)
    assert main(["freeze", str(path)]) == 0
    frozen = nbformat.read(path, 4)
    assert set(frozen.cells[2].outputs[0].data) == {"text/html", "image/png", "text/plain"}
    assert frozen.cells[1].outputs[0].data[VIEW]["model_id"] == ids[0]
    kept = frozen.metadata["widgets"][STATE]["state"]
    assert ids[0] in kept
    assert ids[1] not in kept
    (tmp_path / "mixed.html").write_text(to_html(frozen))
    one = offline(tmp_path / "mixed.html")
    expect(widget(one.page)).to_be_visible(timeout=20_000)
    click_tile(one.page, 0.3, 0.4)
    assert one.errors == []
    # Whatever was asked for outside belongs to the foreign widget (its manager comes from a CDN).
    assert not [url for url in one.requests if "nnlens" in url or "anywidget" in url]


def test_an_untrusted_notebook_shows_the_picture(lab, page, server, lens_output):
    name = "untrusted.ipynb"
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cell = nbformat.v4.new_code_cell("view", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("execute_result", lens_output, execution_count=1)]
    book.cells = [cell]
    nbformat.write(book, server.folder / name)
    page.goto(f"{server.address}/lab/workspaces/untrusted/tree/{name}")
    picture = page.locator(".jp-OutputArea-output img")
    expect(picture).to_be_visible(timeout=60_000)
    assert picture.evaluate("image => image.naturalWidth") > 600
    assert page.locator(".nnlens").count() == 0


@pytest.fixture
def lens_output(monkeypatch):
    monkeypatch.setenv("NNLENS_MODE", "static")
    model, transform, names = nnlens.zoo.efficientnet_lite0()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    return lens.explore(nnlens.zoo.photo("coffee"), sizes=[], stride=64)._repr_mimebundle_()[0]
