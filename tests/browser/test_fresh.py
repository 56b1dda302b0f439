"""A view whose model is trained, whose scores are read in another way, and whose kernel goes, in a real JupyterLab."""

from __future__ import annotations

import re

import pytest
from drive import pane, unfold, widget
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SETUP = """import nnlens, torch
model, transform, names = nnlens.zoo.digits()
digits = nnlens.zoo.DigitImages()
lens = nnlens.Lens(model, preprocess=transform, labels=names)
view = lens.explore(digits[3][0])
view"""


def test_a_view_of_an_older_model_says_so(lab, page, errors, tmp_path):
    book = lab("fresh.ipynb", [SETUP])
    book.run_all()
    expect(pane(page, "occlusion_map").locator(".nn-count")).to_contain_text("positions", timeout=60_000)
    expect(pane(page, "photo").locator("select").first).to_have_value("background")
    old = widget(page).locator(".nn-changed")
    expect(old).to_be_hidden()

    # Trained in a cell: every view of the model is marked, and one click computes it again.
    book.python("with torch.no_grad():\n    model.classifier.weight.data.mul_(0.3)")
    expect(old).to_contain_text("The model has changed")
    page.screenshot(path=str(tmp_path / "old.png"))
    old.locator("button").click()
    expect(old).to_be_hidden(timeout=30_000)
    right = book.python("print(f'{float(model(view.selection.sample.input.x).detach().softmax(1).max()):.2f}')")
    expect(pane(page, "photo").locator(".nn-reading")).to_have_text(re.compile(right.lstrip("0") + "$"))

    # Its scores are read in another way, in the view.
    reads = unfold(page, "bars").locator("select")
    expect(reads).to_have_value("multiclass")
    reads.select_option("multilabel")
    right = book.python("print(f'{float(model(view.selection.sample.input.x).detach().sigmoid().max()):.2f}')")
    expect(pane(page, "photo").locator(".nn-reading")).to_have_text(re.compile(right.lstrip("0") + "$"), timeout=30_000)
    assert book.python("print(lens.task)") == "multilabel"

    # The kernel is restarted: with the next change the view says that nobody answers.
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    page.wait_for_timeout(3000)
    pane(page, "bars").locator(".nn-bar").nth(1).click()
    expect(old).to_contain_text("The kernel does not answer", timeout=30_000)
    expect(widget(page).locator(".nn-status")).to_contain_text("no answer")
    page.screenshot(path=str(tmp_path / "silent.png"))
