"""Views over data sets that worker processes read, in JupyterLab: live, stopped, and continued from what is stored."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
IMAGES = """import nnlens
model, transform, names = nnlens.zoo.digits()
digits = nnlens.zoo.DigitImages()
lens = nnlens.Lens(model, preprocess=transform, labels=names)
data = [*(digits[item] for item in range(100)), (b"broken", 1)]
by = {"workers": 2, "shard_size": 25}"""
TEXTS = """import pathlib, nnlens
reader = nnlens.zoo.code_lstm()
lens = nnlens.Lens(reader.model, alphabet=reader.alphabet)
file = pathlib.Path("long.txt").absolute()
file.write_text(nnlens.zoo.code_text(60_000), "utf-8")"""

CELLS = """by = {"workers": 1, "shard_size": 1000}
view = lens.cells(nnlens.zoo.code_text(300), corpus=file, layer="rnn.cell_l1", unit=35, **by)
view"""


def test_replacements_and_a_landscape_by_two_processes(lab, page, errors):
    views = [
        'found = lens.replacements("features.3", data, **by)\nfound',
        "around = lens.landscape(data, points=11, **by)\naround",
    ]
    notebook = lab("workers.ipynb", [IMAGES, *views])
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


def test_contexts_in_a_file_are_stopped_and_go_on(lab, page, errors):
    notebook = lab("contexts.ipynb", [TEXTS, CELLS])
    notebook.run_all()
    contexts = page.locator('.nn-cells [data-pane="contexts"]')
    stop = contexts.get_by_role("button", name="stop", exact=True)
    expect(contexts.locator(".nn-count")).to_contain_text(re.compile(r"\d"), timeout=60_000)
    stop.click()
    go_on = contexts.get_by_role("button", name="continue", exact=True)
    expect(go_on).to_be_visible(timeout=30_000)
    read = int(notebook.python("print(len(lens.session.contexts.found('rnn.cell_l1')))"))
    go_on.click()
    expect(go_on).to_be_hidden(timeout=120_000)
    expect(stop).to_be_hidden(timeout=120_000)
    assert notebook.python("print(view.wait(120), view.error)") == "True None"
    assert int(notebook.python("print(view.contexts['windows'])")) > read
    assert errors == []
