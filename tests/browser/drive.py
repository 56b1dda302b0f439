"""The steps that a user takes with the explorer, and what plain torch says must come out."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

SETUP = """import nnlens, torch
model, transform, names = nnlens.zoo.efficientnet_lite0()
lens = nnlens.Lens(model, preprocess=transform, labels=names)"""
SHOW = 'view = lens.explore(nnlens.zoo.photo("coffee"))\nview'

# Reference values, computed without nnlens's recording or kernels.
REFERENCE = """
import numpy as np
from PIL import Image

def model_input(path):
    picture = Image.open(path).convert("RGB")
    scale = 256 / min(picture.size)
    size = [max(224, round(side * scale)) for side in picture.size]
    picture = picture.resize(size, Image.BICUBIC)
    left, top = [(side - 224) // 2 for side in size]
    pixels = np.array(picture.crop((left, top, left + 224, top + 224)), dtype=np.float32)
    return (torch.from_numpy(pixels).permute(2, 0, 1)[None] - 127) / 128

def module_output(path, x):
    kept = {}
    hook = model.get_submodule(path).register_forward_hook(lambda m, i, o: kept.update(value=o.clone()))
    with torch.no_grad():
        model(x)
    hook.remove()
    return kept["value"][0]

def hidden(x, top, left, size):
    x = x.clone()
    x[:, :, top:top + size, left:left + size] = 0.5 / (128 / 255) - 127 / 128
    with torch.no_grad():
        return model(x)[0].softmax(0)
"""


def plain_torch() -> dict[str, Any]:
    """The reference's names, in this process: model, names, model_input, hidden, …"""
    names: dict[str, Any] = {}
    exec(SETUP + REFERENCE, names)
    return names


def widget(page: Page) -> Locator:
    return page.locator(".nnlens").first


def pane(page: Page, name: str) -> Locator:
    return widget(page).locator(f'[data-pane="{name}"]')


def unfold(page: Page, name: str) -> Locator:
    """A pane whose rarely used controls are unfolded."""
    pane(page, name).get_by_role("button", name="more", exact=True).click()
    return pane(page, name)


def pick_layer(page: Page, name: str) -> None:
    layers = pane(page, "layers")
    layers.locator("input[type=search]").fill(name)
    layers.locator(".nn-node", has_text=name).first.click()
    expect(pane(page, "mosaic").locator("h2")).to_contain_text(name)
    layers.locator("input[type=search]").fill("")


def click_tile(page: Page, across: float, down: float) -> int:
    """Click into the mosaic at a share of its width and height; the unit that the widget says was there."""
    canvas = pane(page, "mosaic").locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] * across, box["y"] + box["height"] * down
    page.mouse.move(x, y)
    unit = int(re.search(r"unit (\d+):", pane(page, "mosaic").locator(".nn-line").inner_text())[1])
    page.mouse.click(x, y)
    expect(pane(page, "unit")).to_contain_text(f"unit {unit} of")
    return unit


def unit_words(page: Page) -> tuple[int, float, tuple[int, int], int]:
    """unit, maximum, its place, zeros in percent, as the unit pane says them."""
    text = pane(page, "unit").inner_text().replace("−", "-")
    found = re.search(
        r"unit (\d+)(?: \(.*?\))? of \S+: strongest at row (\d+), column (\d+) \((\S+)\), .*?; (\S+) % zeros", text
    )
    assert found, text
    unit, row, column, top, zeros = found.groups()
    return int(unit), float(top), (int(row), int(column)), round(float(zeros))


def pixel(canvas: Locator, across: float, down: float) -> list[int]:
    """The colour of a canvas at a share of its width and height."""
    return canvas.evaluate(
        """(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(
            Math.floor(canvas.width * x), Math.floor(canvas.height * y), 1, 1).data].slice(0, 3)""",
        [across, down],
    )


def checksum(canvas: Locator) -> int:
    return canvas.evaluate(
        """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
            .data.reduce((sum, value, at) => (sum * 31 + value * (at % 7 + 1)) % 1000000007, 0)"""
    )


def hover_photo(page: Page, across: float, down: float) -> None:
    canvas = pane(page, "photo").locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    for step in (0.25, 0.5, 0.75, 1.0):  # a hand, not a jump
        page.mouse.move(box["x"] + box["width"] * across * step, box["y"] + box["height"] * down * step)


def reading(page: Page) -> tuple[str, float, float]:
    """Label, clean probability and probability under the occluder, once the kernel has answered."""
    line = pane(page, "photo").locator(".nn-reading")
    expect(line).to_have_text(re.compile(r"→ \d?\.\d\d$"), timeout=10_000)
    label, clean, now = re.fullmatch(r"(.*) (\d?\.\d\d) → (\d?\.\d\d)", line.inner_text()).groups()
    return label, float(clean), float(now)
