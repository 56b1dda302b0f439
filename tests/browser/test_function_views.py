"""The views of the network as a function in JupyterLab, and as pages without a kernel."""

from __future__ import annotations

import re

import pytest
import torch
from playwright.sync_api import Locator, expect
from torch import nn

import nnlens

pytestmark = pytest.mark.browser
PLANE = """import torch, nnlens
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
view = nnlens.Lens(model).regions(nnlens.zoo.points("moons"))
view"""


def pane(view: Locator, name: str) -> Locator:
    return view.locator(f'[data-pane="{name}"]')


def test_the_pieces_follow_the_training(lab, page, errors):
    notebook = lab("regions.ipynb", [PLANE])
    notebook.run_all()
    view = page.locator(".nn-regions")
    title = pane(view, "plane").locator("h2")
    expect(title).to_have_text(re.compile(r"\d+ linear pieces"), timeout=60_000)
    assert title.inner_text() == notebook.python('print(len(view.result), "linear pieces")')
    # Read at a point: the numbers are those of the model.
    canvas = pane(view, "plane").locator("canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] / 4, "y": box["height"] / 4})
    value = float(notebook.python("print(model(torch.tensor([view.here]))[0].max().item())"))
    shown = pane(view, "here").locator("tr").first.locator("td").last.inner_text()
    assert float(shown.replace("=", "").replace("−", "-")) == pytest.approx(value, rel=1e-2, abs=1e-2)
    # Trained until it is stopped; each drawing is another one.
    pane(view, "training").get_by_role("button", name="train", exact=True).click()
    expect(pane(view, "training")).to_contain_text(re.compile(r"[1-9]\d\d steps"), timeout=60_000)
    pane(view, "training").get_by_role("button", name="stop", exact=True).click()
    expect(pane(view, "training").get_by_role("button", name="train", exact=True)).to_be_visible()
    assert float(notebook.python("print(view.training['accuracy'])")) > 0.6
    assert notebook.python("print(view.model is model)") == "False"
    # Enlarged, and undone.
    pane(view, "plane").get_by_role("button", name="enlarge", exact=True).click()
    assert float(notebook.python("view.wait(30); print(view.box[0][1] - view.box[0][0])")) < 3
    assert errors == []


def test_the_page_stays_interactive(page, tmp_path, errors):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    view = nnlens.Lens(model, labels=["left", "right"]).regions(nnlens.zoo.points("xor", 20))
    page.goto(view.save(tmp_path / "page.html").as_uri())
    shown = page.locator(".nn-regions")
    canvas = pane(shown, "plane").locator("canvas")
    expect(canvas).to_be_visible()
    before = pane(shown, "here").inner_text()
    canvas.hover(position={"x": 12, "y": 12})
    assert pane(shown, "here").inner_text() != before
    for kind in ("slope", "layer", "class"):
        pane(shown, "plane").locator("select").select_option(kind)
    expect(pane(shown, "plane")).to_contain_text("left")
    assert errors == []


def test_a_formula_is_read_changed_and_copied(lab, page, errors):
    setup = """import torch, nnlens
torch.manual_seed(1)
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)).double()
view = nnlens.Lens(model).formula([0.5, -1.0])
view"""
    notebook = lab("formula.ipynb", [setup])
    notebook.run_all()
    view = page.locator(".nn-formula")
    lines = pane(view, "formula").locator(".nn-definition")
    expect(lines).to_have_count(4, timeout=60_000)
    expect(lines.locator("math").first).to_be_visible()
    pane(view, "inputs").locator("input").first.fill("1.5")
    expected = "print(model(torch.tensor([view.inputs_at], dtype=torch.float64)).item())"
    shown = lines.last.locator(".nn-value").inner_text().removeprefix("= ").replace("−", "-")
    assert notebook.python("print(view.inputs_at)") == "[1.5, -1.0]"
    assert float(shown) == pytest.approx(float(notebook.python(expected)), rel=5e-3)
    pane(view, "formula").locator("input[type=range]").fill("2")
    expect(pane(view, "formula")).to_contain_text("With 2 digits the outputs are off by at most")
    expect(pane(view, "formula_code")).to_contain_text("with 2 digits")
    assert "math.tanh" in pane(view, "formula_code").locator("textarea").input_value()
    pane(view, "formula").locator("select").select_option("whole")
    expect(lines).to_have_count(1)
    assert errors == []


def test_the_page_of_a_formula_computes(page, tmp_path, errors):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).double()
    page.goto(nnlens.Lens(model).formula([0.5, -1.0]).save(tmp_path / "page.html").as_uri())
    view = page.locator(".nn-formula")
    pane(view, "inputs").locator("input").first.fill("-2")
    shown = pane(view, "formula").locator(".nn-value").last.inner_text().removeprefix("= ").replace("−", "-")
    expected = model(torch.tensor([[-2.0, -1.0]], dtype=torch.float64)).item()
    assert float(shown) == pytest.approx(expected, rel=5e-3)
    expect(pane(view, "inputs")).to_contain_text("exactly")
    assert errors == []


def test_the_linear_function_at_an_image(lab, page, errors):
    setup = """import nnlens
model, transform, names = nnlens.zoo.digits()
digits = nnlens.zoo.DigitImages()
view = nnlens.Lens(model, preprocess=transform, labels=names).local_map(digits[3][0], digits[5][0])
view"""
    notebook = lab("local_map.ipynb", [setup])
    notebook.run_all()
    view = page.locator(".nn-local_map")
    expect(pane(view, "weights_image").locator("h2")).to_have_text(re.compile("weights of .* against"), timeout=60_000)
    expect(pane(view, "reach")).to_contain_text("nearest border", timeout=60_000)
    expect(pane(view, "line")).to_contain_text("linear pieces", timeout=60_000)
    pane(view, "weights_image").locator("select").first.select_option("class")
    expect(pane(view, "weights_image").locator("h2")).not_to_contain_text("against")
    pane(view, "bars").locator("button.nn-bar").nth(1).click()
    name = notebook.python("print(view.labels[view.target])")
    expect(pane(view, "weights_image").locator("h2")).to_have_text(f"weights of {name}")
    line = pane(view, "line").locator("canvas[role=slider]")
    line.press("End")
    assert notebook.python("print(view.along)") == "1.0"
    assert notebook.python("print(view.labels[view.line['best'][-1]])") in line.get_attribute("aria-valuetext")
    assert errors == []


def test_sensitivity_is_scaled_and_refuted(lab, page, errors):
    setup = """import nnlens
model, transform, names = nnlens.zoo.digits()
view = nnlens.Lens(model, preprocess=transform, labels=names).sensitivity(nnlens.zoo.DigitImages()[3][0])
view"""
    notebook = lab("sensitivity.ipynb", [setup])
    notebook.run_all()
    view = page.locator(".nn-sensitivity")
    expect(pane(view, "growth")).to_contain_text("relative changes are", timeout=60_000)
    expect(pane(view, "stretch").locator("tbody tr")).to_have_count(2, timeout=60_000)
    expect(pane(view, "border").locator("tbody tr")).to_have_count(3, timeout=60_000)
    expect(pane(view, "adversarial")).to_contain_text("becomes")
    pane(view, "growth").locator("input[type=range]").fill("0.5")
    expect(pane(view, "stretch").locator("tbody tr")).to_have_count(3, timeout=60_000)
    expect(pane(view, "growth")).to_contain_text("scaled weights")
    pane(view, "surrogates").get_by_role("button", name="fit simple models").click()
    expect(pane(view, "surrogates")).to_contain_text("R² falls below", timeout=120_000)
    shown = notebook.python("print(view.surrogates['rows'][0]['failure'] / view.surrogates['length'])")
    assert 0 < float(shown) < 1
    assert errors == []
