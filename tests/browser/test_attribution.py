"""Attributions in a real JupyterLab: maps, their evidence, superpixels by hand, other classes; and saved."""

from __future__ import annotations

import re

import pytest
from drive import checksum, pane, unfold, widget
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

OBJECTS = """import nnlens, torch
model, transform, names = nnlens.zoo.objects()
lens = nnlens.Lens(model, preprocess=transform, labels=names)
methods = ["grad_cam", "guided_backprop", "lime"]
view = lens.attribution(nnlens.zoo.photo("cat"), methods=methods, samples=200, segments=12)
view"""


def click_at(page: Page, part: str, across: float, down: float) -> None:
    canvas = pane(page, part).locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] * across, box["y"] + box["height"] * down)


def test_attributions_with_their_evidence(lab, page, errors):
    book = lab("attribution.ipynb", [OBJECTS])
    book.run_all()
    expect(widget(page)).to_be_visible(timeout=60_000)
    maps = pane(page, "grid").locator("canvas.nn-map")
    expect(maps).to_have_count(3)
    label = book.python("print(lens.selection.label)")
    expect(maps.nth(2)).to_have_attribute("aria-label", re.compile(f"LIME of {label}: lime of class"), timeout=30_000)
    # What guided backprop is known for is said under its picture.
    expect(pane(page, "grid")).to_contain_text("It hardly changes", timeout=60_000)
    book.python("view.wait()")

    # A click chooses a map; its evidence and what it leaves out stand below.
    maps.nth(2).click()
    expect(pane(page, "evidence").locator("h2")).to_have_text(f"evidence · LIME of {label}")
    expect(pane(page, "evidence")).to_contain_text("linear (R²)")
    pane(page, "evidence").get_by_role("button", name=re.compile("noise on the input")).click()
    expect(pane(page, "evidence")).to_contain_text("Noise of up to", timeout=60_000)

    # Superpixels are switched off by hand, and the probability is that of plain torch.
    click_at(page, "photo", 0.5, 0.5)
    reading = pane(page, "photo").locator(".nn-reading")
    expect(reading).to_have_text(re.compile(r"→ \d?\.\d\d$"), timeout=10_000)
    now = float(reading.inner_text().rpartition("→ ")[2])
    expected = book.python(
        "from nnlens.kernels import superpixels\n"
        "x = view.selection.sample.input.x.clone()\n"
        "at = torch.tensor(superpixels(x, 'slic', 12) == view.switched_off[0])\n"
        "x[0][:, at] = x[0][:, at].mean(1, keepdim=True)\n"
        "print(float(model(x).softmax(1)[0, lens.selection.target].detach()))"
    )
    assert now == pytest.approx(float(expected), abs=0.006)

    # Another class is another row; how the maps are shown changes in the browser.
    field = pane(page, "controls").get_by_role("combobox", name="compare with another class")
    field.fill("dog")
    field.press("Enter")
    expect(maps).to_have_count(6, timeout=10_000)
    expect(pane(page, "grid")).to_contain_text("why dog")
    book.python("view.wait()")
    before = checksum(maps.nth(2))
    pane(page, "controls").get_by_label("show").select_option("magnitude")
    expect(pane(page, "grid").locator(".nn-legend").nth(2)).not_to_contain_text("+")
    assert checksum(maps.nth(2)) != before
    assert book.python("print(view.result['lime', 1].target == names.index('dog'))") == "True"

    # A mistake is told where it was made, and nothing is lost.
    samples = unfold(page, "controls").get_by_label("samples")
    samples.fill("3")
    samples.blur()
    expect(widget(page).locator(".nn-error")).to_contain_text("samples must be 10…20000, got 3")
    expect(samples).to_have_value("200")


def test_a_page_without_a_kernel_keeps_the_grid(page, errors, tmp_path):
    import nnlens

    model, transform, names = nnlens.zoo.objects()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    nnlens.set_mode("static")
    options = {"methods": ["gradient", "lime"], "target": ["cat", "dog"], "samples": 200, "segments": 12}
    view = lens.attribution(nnlens.zoo.photo("cat"), **options)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(view.save(tmp_path / "maps.html").as_uri())
    maps = pane(page, "grid").locator("canvas.nn-map")
    expect(maps).to_have_count(4)
    before = checksum(maps.nth(1))
    pane(page, "controls").get_by_label("scale").select_option("all")
    assert checksum(maps.nth(1)) != before
    maps.nth(3).click()
    expect(pane(page, "evidence").locator("h2")).to_have_text("evidence · LIME of dog")
    expect(pane(page, "evidence")).to_contain_text("The score follows it")
    # Each superpixel alone can be switched off.
    expect(pane(page, "photo")).to_contain_text("click one to switch it off")
    click_at(page, "photo", 0.5, 0.5)
    expect(pane(page, "photo").locator(".nn-reading")).to_have_text(re.compile(r"^dog \d?\.\d\d → \d?\.\d\d$"))
    expect(unfold(page, "controls").get_by_label("samples")).to_be_disabled()
    assert all(url.startswith(("file:", "blob:", "data:")) for url in requests), requests
