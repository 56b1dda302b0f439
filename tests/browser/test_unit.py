"""The unit card in a real JupyterLab: places, a kept unit, a drawn digit, images while they are found; and saved."""

from __future__ import annotations

import json
import re

import pytest
from drive import SETUP, checksum, pane, pick_layer, unfold, widget
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

DIGITS = """import os, tempfile
os.environ["NNLENS_CACHE"] = tempfile.mkdtemp()
import nnlens, torch
model, transform, names = nnlens.zoo.digits()
lens = nnlens.Lens(model, preprocess=transform, labels=names)
digits = nnlens.zoo.DigitImages()
view = lens.unit(digits[3][0], layer="features.9", channel=4)
view"""


def click_at(page: Page, canvas: Locator, across: float, down: float) -> None:
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] * across, box["y"] + box["height"] * down)


def draw_line(page: Page, canvas: Locator, points: list[tuple[float, float]]) -> None:
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for number, (across, down) in enumerate(points):
        page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] * down, steps=8)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def test_a_unit_under_the_microscope(lab, page, errors):
    book = lab("unit.ipynb", [DIGITS])
    book.run_all()
    expect(widget(page)).to_be_visible(timeout=60_000)
    expect(pane(page, "connections")).to_contain_text("made by features.7 (Conv2d)")

    # A place of the unit's map: what it sees, what comes back from there, what feeds it there.
    click_at(page, pane(page, "unit").locator("canvas"), 0.53, 0.4)
    expect(pane(page, "back_projection").locator("select").nth(1)).to_have_value("position", timeout=10_000)
    row, column = json.loads(book.python("print(list(lens.selection.position))"))
    assert (row, column) == (5, 7)
    expect(pane(page, "connections")).to_contain_text(f"at ({row}, {column})")
    expect(pane(page, "input")).to_contain_text(f"({row}, {column}) sees 10 × 10 pixels")
    book.python(
        "x = view.selection.sample.input.x.clone().requires_grad_()\n"
        f"model.features[:10](x)[0, 4, {row}, {column}].backward()\n"
        "expected = x.grad[0]; model.zero_grad()"
    )
    assert (
        book.python("print(bool(abs(torch.tensor(view.result.back_projection.values) - expected).max() < 1e-4))")
        == "True"
    )

    # A click on the picture chooses the place that sees it.
    click_at(page, pane(page, "input").locator("canvas"), 0.25, 0.75)
    expect(pane(page, "connections")).to_contain_text("at (10, 3)")
    assert book.python("print(lens.selection.position)") == "(10, 3)"

    # The rule changes the picture; a kept unit is looked at from another layer.
    before = checksum(pane(page, "back_projection").locator("canvas"))
    pane(page, "back_projection").locator("select").first.select_option("deconvnet")
    expect(pane(page, "back_projection")).to_contain_text(
        "deconvnet of features.9 · 4 at (10, 3): 3 of 3 rectifiers, 1 pool"
    )
    assert checksum(pane(page, "back_projection").locator("canvas")) != before
    unfold(page, "back_projection").get_by_text("keep this unit").click()
    pick_layer_of_card(page, "features.2")
    expect(pane(page, "back_projection").locator("h2")).to_contain_text(
        "features.9 · 4 at features.2 ·", timeout=10_000
    )
    leaning = pane(page, "back_projection").locator(".nn-link").first
    name = leaning.locator(".nn-unit-name").inner_text()
    leaning.click()
    unit = int(name.rpartition("·")[2])
    expect(pane(page, "unit").locator("input[type=number]")).to_have_value(str(unit))
    assert (
        book.python("print(lens.selection.layer, lens.selection.unit, view.origin['unit'])") == f"features.2 {unit} 4"
    )

    # One click up: what uses this unit.
    unfold(page, "back_projection").get_by_text("kept: 4").click()
    link = pane(page, "connections").locator(".nn-halves > div").nth(1).locator(".nn-link").first
    target = link.locator(".nn-unit-name").inner_text().replace("\n", "")
    link.click()
    layer, _, number = (part.strip() for part in target.partition("·"))
    expect(pane(page, "examples").locator("h2")).to_have_text(f"examples of {layer} · {number}", timeout=10_000)

    # A data set, in another cell: its best images come to this card.
    expect(pane(page, "examples")).to_contain_text("No data set yet")
    # Two processes search it.
    book.python(f"found = lens.examples(digits, layers=[{layer!r}], workers=2, shard_size=128); found.wait(120)")
    expect(pane(page, "examples")).to_contain_text("1000 images; active in", timeout=30_000)
    expect(pane(page, "examples").locator("figure")).to_have_count(9)
    values = [float(one) for one in pane(page, "examples").locator("figcaption span:first-child").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    best = float(book.python(f"print(lens.session.search[{layer!r}].examples({number})[0].value)"))
    assert values[0] == pytest.approx(best, rel=0.01)

    # An image grown from noise, live, and stopped.
    synthesis = pane(page, "synthesis")
    unfold(page, "synthesis")
    synthesis.locator("input[type=number]").first.fill("1024")
    synthesis.locator("input[type=number]").first.blur()
    synthesis.get_by_role("button", name="synthesise").click()
    expect(synthesis).to_contain_text(re.compile(r"step \d+ of 1024"), timeout=20_000)
    synthesis.get_by_role("button", name="stop").click()
    expect(synthesis.get_by_role("button", name="synthesise")).to_be_enabled(timeout=10_000)
    assert book.python("print(view.synthesis['running'], view.error)") == "False None"

    # An example is looked at: the card is about that image.
    pane(page, "examples").locator("figure button").first.click()
    item = book.python(f"print(lens.session.search[{layer!r}].examples({number})[0].item)")
    expect(widget(page).locator(".nn-status")).to_contain_text(f"image {item} ·", timeout=10_000)

    # Over the data set.
    pane(page, "ablation").get_by_role("button", name="over the data set").click()
    expect(pane(page, "ablation")).to_contain_text(
        re.compile(r"1000 images: another class on top in \d+"), timeout=60_000
    )


def pick_layer_of_card(page: Page, name: str) -> None:
    layers = pane(page, "layers")
    layers.locator("input[type=search]").fill(name)
    layers.locator(".nn-node", has_text=re.compile(rf"^{re.escape(name)}")).first.click()
    layers.locator("input[type=search]").fill("")


def test_a_digit_that_is_drawn_changes_its_class_live(lab, page, errors):
    book = lab("draw.ipynb", [DIGITS])
    book.run_all()
    reading = pane(page, "input").locator(".nn-reading")
    expect(reading).to_have_text(re.compile(r"^digit 0 "), timeout=60_000)
    canvas = pane(page, "input").locator("canvas")
    pane(page, "input").get_by_role("button", name="draw").click()
    pane(page, "input").get_by_role("button", name="clear").click()
    expect(widget(page).locator(".nn-status")).to_contain_text("drawing ·", timeout=10_000)
    draw_line(page, canvas, [(0.5, 0.18), (0.5, 0.82)])
    expect(reading).to_have_text(re.compile(r"^digit 1 "), timeout=10_000)
    # With a bar on top it becomes a seven, before the hand is lifted.
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.22, box["y"] + box["height"] * 0.2, steps=10)
    expect(reading).to_have_text(re.compile(r"^digit 7 "), timeout=10_000)
    page.mouse.up()
    assert book.python("print(lens.selection.label)") == "digit 7"
    # All parts follow; the eraser takes it away again.
    expect(pane(page, "connections").locator(".nn-halves")).not_to_have_class(re.compile("nn-stale"))
    pane(page, "input").get_by_role("button", name="erase").click()
    draw_line(page, canvas, [(0.45, 0.14), (0.2, 0.14), (0.2, 0.2), (0.42, 0.2), (0.2, 0.26), (0.42, 0.26)])
    expect(reading).to_have_text(re.compile(r"^digit 1 "), timeout=10_000)
    canvas.focus()
    page.keyboard.press("Escape")
    expect(pane(page, "input").get_by_role("button", name="erase")).to_be_hidden()


def test_the_explorer_unfolds_the_card(lab, page, errors):
    book = lab("card.ipynb", [SETUP, 'view = lens.explore(nnlens.zoo.photo("coffee"))\nview'])
    book.run_all()
    expect(widget(page)).to_be_visible(timeout=60_000)
    assert book.python("print(view.card)") == "False"
    pick_layer(page, "_blocks.3._bn1")
    tile = pane(page, "mosaic").locator("canvas")
    tile.scroll_into_view_if_needed()
    box = tile.bounding_box()
    page.mouse.dblclick(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    expect(pane(page, "connections")).to_contain_text("made by _blocks.3._depthwise_conv.conv2d", timeout=20_000)
    expect(pane(page, "back_projection").locator("canvas")).to_be_visible()
    unit = book.python("print(lens.selection.unit)")
    expect(pane(page, "examples").locator("h2")).to_have_text(f"examples of _blocks.3._bn1 · {unit}")
    widget(page).get_by_role("button", name="unit card").click()
    expect(pane(page, "connections")).to_be_hidden()


def test_the_card_on_a_page_without_a_kernel(page, errors, tmp_path):
    import nnlens

    model, transform, names = nnlens.zoo.digits()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    digits = nnlens.zoo.DigitImages()
    nnlens.set_mode("static")
    view = lens.unit(digits[1][0], layer="features.12", unit=7)
    lens.examples(digits, layers=["features.12"], store=False)
    view.complete()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(view.save(tmp_path / "card.html").as_uri())
    pixels = pane(page, "back_projection")
    expect(pixels).to_contain_text("gradient of features.12 · 7")
    before = checksum(pixels.locator("canvas"))
    pixels.locator("select").first.select_option("guided backprop")
    expect(pixels).to_contain_text("guided backprop of features.12 · 7: ")
    assert checksum(pixels.locator("canvas")) != before
    figure = pane(page, "examples").locator("figcaption").first
    most = float(figure.locator("span").first.inner_text())
    pane(page, "examples").locator("select").first.select_option("bottom")
    expect(figure.locator("span").first).not_to_have_text(str(most))
    expect(pane(page, "synthesis").get_by_role("button", name="synthesise")).to_be_disabled()
    pane(page, "unit").locator("input[type=number]").fill("3")
    pane(page, "unit").locator("input[type=number]").blur()
    expect(pane(page, "connections")).to_contain_text("this page stores features.12 · 7 here")
    assert all(url.startswith(("file:", "blob:", "data:")) for url in requests), requests
