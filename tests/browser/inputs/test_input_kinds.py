"""Signals, several inputs and volumes, live in JupyterLab and as pages without a kernel."""

from __future__ import annotations

import re

import pytest
from drive import pane
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SIGNAL = """import torch, nnlens
from torch import nn
net = nnlens.zoo.heartbeats()
beat = nnlens.zoo.Heartbeats(8)[1]
lens = nnlens.Lens(net.model, labels=net.labels, rate=net.rate)
view = lens.explore(beat.signal[None])
view"""


def test_the_occluder_moves_over_a_signal(lab, page, errors, tmp_path):
    book = lab("signal.ipynb", [SIGNAL])
    book.run_all()
    expect(pane(page, "occlusion_map").locator(".nn-count")).to_contain_text("positions", timeout=60_000)
    trace = pane(page, "photo").locator("canvas").first
    expect(trace).to_be_visible()
    box = trace.bounding_box()
    # It takes the whole width, and the map below has the same time axis.
    under = pane(page, "occlusion_map").locator("canvas").first.bounding_box()
    assert (box["x"], box["width"]) == (pytest.approx(under["x"], abs=1), pytest.approx(under["width"], abs=1))
    assert under["y"] > box["y"] + box["height"]
    assert box["width"] > 3 * box["height"]
    # Over the extra beat, which lies at a known place: another class wins.
    middle = sum(map(int, book.python("print(*beat.place)").split())) / 2 / 1000
    trace.hover(position={"x": middle * box["width"], "y": box["height"] / 2})
    reading = pane(page, "photo").locator(".nn-reading")
    expect(reading).to_have_text(re.compile(r"extra beat \.9\d → \.[0-4]\d"), timeout=30_000)
    expect(trace).to_have_attribute("aria-label", re.compile(r"occluder of \d+ samples \(0\.\d+ s\) at \d"))
    right = book.python("view.wait(30); print(*view.occluder, view.occluded['probability'][0])").split()
    assert right[0] == "0"
    expect(pane(page, "photo")).to_contain_text("0.6 s")
    page.screenshot(path=str(tmp_path / "signal.png"))
    # A page without a kernel: the occluder moves between the stored positions.
    path = tmp_path / "signal.html"
    book.python(f"print(view.save({str(path)!r}))")
    page.goto(path.as_uri())
    trace = pane(page, "photo").locator("canvas").first
    box = trace.bounding_box()
    trace.hover(position={"x": middle * box["width"], "y": box["height"] / 2})
    expect(pane(page, "photo").locator(".nn-reading")).to_have_text(re.compile(r"extra beat \.9\d → \.[0-4]\d"))
    assert errors == []


SEVERAL = """import torch, nnlens
from torch import nn
class RgbAndDepth(nn.Module):
    def __init__(self):
        super().__init__()
        self.rgb, self.depth, self.meta = nn.Conv2d(3, 8, 3), nn.Conv2d(1, 8, 3), nn.Linear(4, 8)
        self.head = nn.Linear(8, 3)
    def forward(self, rgb, depth, meta):
        return self.head((self.rgb(rgb).relu() + self.depth(depth).relu()).amax((2, 3)) + self.meta(meta))
torch.manual_seed(0)
rgb, depth, meta = torch.rand(1, 3, 48, 48), torch.rand(1, 1, 48, 48), torch.randn(1, 4)
view = nnlens.Lens(RgbAndDepth()).explore(rgb, depth=depth, meta=meta)
view"""
VOLUME = """parts = nn.Conv3d(1, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool3d(1), nn.Flatten(), nn.Linear(6, 2)
scan = nn.Sequential(*parts)
volume = 0.1 * torch.randn(1, 1, 20, 24, 28)
volume[..., 8:13, 10:15, 16:21] += 1
slices = nnlens.Lens(scan).explore(volume)
slices"""


def test_inputs_are_chosen_and_changed(lab, page, errors, tmp_path):
    book = lab("several.ipynb", [SEVERAL, VOLUME])
    book.run_all()
    first, second = page.locator(".nn-explorer").nth(0), page.locator(".nn-explorer").nth(1)
    inputs = first.locator('[data-pane="inputs"]')
    expect(inputs.get_by_role("button")).to_have_count(3, timeout=60_000)
    expect(inputs.get_by_role("button", pressed=True)).to_contain_text("rgb")
    # Another one is varied by a click; a slider changes a number, and the scores with it.
    inputs.get_by_role("button", name=re.compile("depth")).click()
    expect(inputs.get_by_role("button", pressed=True)).to_contain_text("depth", timeout=30_000)
    assert book.python("view.wait(30); print(view.selection.sample.input.x.shape[1])") == "1"
    before = first.locator('[data-pane="bars"]').inner_text()
    slider = inputs.get_by_role("slider").nth(2)
    slider.fill("2.5")
    expect(first.locator('[data-pane="bars"]')).not_to_have_text(before, timeout=30_000)
    assert book.python("view.wait(30); print(view.inputs[2]['numbers'][2])") == "2.5"
    # Undone like any other change.
    page.screenshot(path=str(tmp_path / "several.png"))
    # Slices of a volume in another direction.
    slices = second.locator('[data-pane="inputs"]')
    expect(slices.get_by_role("slider")).to_be_visible(timeout=60_000)
    slices.locator("select").select_option("w")
    expect(slices.get_by_role("slider")).to_have_attribute("max", "27", timeout=30_000)
    slices.get_by_role("slider").fill("18")
    expect(slices).to_contain_text("18 / 28", timeout=30_000)
    shown = "layout = slices.selection.sample.input.around.as_image; print(layout.along, layout.first)"
    assert book.python(f"slices.wait(30); {shown}") == "w 18"
    slices.get_by_role("spinbutton").fill("3")
    slices.get_by_role("spinbutton").press("Enter")
    expect(slices).to_contain_text("18–20 / 28", timeout=30_000)
    page.screenshot(path=str(tmp_path / "volume.png"))
    # In a page without a kernel they are shown, and say why they are fixed.
    path = tmp_path / "volume.html"
    book.python(f"print(slices.save({str(path)!r}))")
    page.goto(path.as_uri())
    fixed = page.locator('[data-pane="inputs"]').get_by_role("slider")
    expect(fixed).to_be_disabled()
    assert errors == []


CLASSES = """import torch, nnlens
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 4, 5, padding=2))
x = torch.rand(1, 3, 24, 36)
view = nnlens.Lens(model, labels=["sky", "road", "tree", "car"]).explore(x)
view"""


def test_a_click_on_a_place_asks_what_makes_its_class(lab, page, errors, tmp_path):
    book = lab("classes.ipynb", [CLASSES])
    book.run_all()
    classes = page.locator('[data-pane="class_map"]')
    expect(classes).to_contain_text("mean over all places", timeout=60_000)
    canvas = classes.locator("canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": 20.5 * box["width"] / 36, "y": 10.5 * box["height"] / 24})
    expect(classes).to_contain_text("the target is read at (10, 20)", timeout=30_000)
    right = "view.wait(30); print(int(model(x)[0, :, 10, 20].argmax()) == view.target)"
    assert book.python(right) == "True"
    canvas.press("ArrowDown")
    expect(classes).to_contain_text("the target is read at (11, 20)", timeout=30_000)
    # A region, by dragging.
    canvas.hover(position={"x": 5.5 * box["width"] / 36, "y": 5.5 * box["height"] / 24})
    page.mouse.down()
    canvas.hover(position={"x": 15.5 * box["width"] / 36, "y": 12.5 * box["height"] / 24})
    page.mouse.up()
    expect(classes).to_contain_text("rows 5 to 12, columns 5 to 15", timeout=30_000)
    page.screenshot(path=str(tmp_path / "classes.png"))
    classes.get_by_role("button", name="all places").click()
    expect(classes).to_contain_text("mean over all places", timeout=30_000)
    assert errors == []
