"""The same widget in Notebook 7 and in marimo."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from drive import SETUP, SHOW, click_tile, hover_photo, pane, pick_layer, plain_torch, reading, unit_words, widget
from hosts import free_port, wait_for_server
from playwright.sync_api import Page, expect

import nnlens

pytestmark = pytest.mark.browser


def use_it(page: Page) -> None:
    """Layer, tile, occluder, size and another image, by hand; plain torch says what must come out."""
    torch = plain_torch()
    x = torch["model_input"](nnlens.zoo.photo("coffee"))
    expect(widget(page)).to_be_visible(timeout=90_000)
    pick_layer(page, "_blocks.3._bn1")
    unit = click_tile(page, 0.4, 0.5)
    said, values = unit_words(page), torch["module_output"]("_blocks.3._bn1", x)[unit]
    assert said[0] == unit
    assert said[1] == pytest.approx(float(values.max()), rel=0.01)
    assert values[said[2]] == values.max()
    hover_photo(page, 0.5, 0.4)
    label, clean, now = reading(page)
    where = re.search(r"row (\d+), column (\d+)", pane(page, "photo").locator("canvas").get_attribute("aria-label"))
    shares = torch["hidden"](x, int(where[1]), int(where[2]), 56)
    assert label == "espresso"
    assert now == pytest.approx(float(shares[torch["names"].index("espresso")]), abs=0.006)
    assert clean != now
    slider = pane(page, "photo").locator("input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(pane(page, "photo").locator("output")).to_have_text("60 px")
    expect(pane(page, "occlusion_map").locator(".nn-count")).to_contain_text("144 positions", timeout=60_000)
    pane(page, "photo").locator("input[type=file]").set_input_files(nnlens.zoo.photo("rocket"))
    expect(widget(page).locator(".nn-status")).to_contain_text("rocket.jpg", timeout=20_000)
    best = torch["model"](torch["model_input"](nnlens.zoo.photo("rocket")))[0].argmax()
    expect(pane(page, "photo").locator(".nn-reading")).to_contain_text(torch["names"][best])


def test_notebook_7(server, page):
    name = server.notebook("classic.ipynb", [SETUP, SHOW])
    page.goto(f"{server.address}/notebooks/{name}")
    page.locator(".jp-CodeCell").first.wait_for(timeout=60_000)
    server.wait_for_kernel(name)
    page.get_by_text("Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).first.click()
    use_it(page)


APP = """import marimo

app = marimo.App()

@app.cell
def _():
    import marimo as mo
    import nnlens
    model, transform, names = nnlens.zoo.efficientnet_lite0()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    view = mo.ui.anywidget(lens.explore(nnlens.zoo.photo("coffee")))
    view
    return (lens, mo, view)

@app.cell
def _(lens, mo, view):
    view.value
    mo.md(f"Python has {lens.selection.layer} and unit {lens.selection.unit}")
    return

if __name__ == "__main__":
    app.run()
"""


def test_marimo(page, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-m", "marimo", "run", "app.py", "--headless", "--no-token", "--port", str(port)]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=out, stderr=out, env={**os.environ, "HOME": str(tmp_path)}
        )
    try:
        wait_for_server(f"http://127.0.0.1:{port}/health", process, log)
        page.goto(f"http://127.0.0.1:{port}")
        use_it(page)
        unit = pane(page, "unit").locator("input[type=number]").input_value()
        expect(page.get_by_text(re.compile(rf"Python has _blocks\.3\._bn1 and unit {unit}\b"))).to_be_visible()
    finally:
        process.terminate()
        process.wait(20)
