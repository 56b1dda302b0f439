"""Boxes, a volume's point, groups of bands and the time axis of a signal, live in JupyterLab and as pages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

BOXES = """import sys, torch, nnlens
from torch import nn
class Detr(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("boxes", torch.tensor([[0.3, 0.4, 0.4, 0.4], [0.75, 0.5, 0.3, 0.8]]))
    def forward(self, x):
        left, right = x[..., : x.shape[3] // 2].mean((1, 2, 3)), x[..., x.shape[3] // 2 :].mean((1, 2, 3))
        rows = [torch.stack([4 * side, -4 * side, torch.zeros_like(side)], 1) for side in (left, right)]
        return {"pred_logits": torch.stack(rows, 1), "pred_boxes": self.boxes.expand(len(x), 2, 4)}
x = torch.ones(1, 1, 32, 48)
x[..., 24:] = -1
view = nnlens.Lens(Detr(), output=nnlens.outputs.boxes("detr"), labels=["bright", "dark"]).explore(x)
view"""
VOLUME = """torch.manual_seed(0)
parts = nn.Conv3d(1, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool3d(1), nn.Flatten(), nn.Linear(6, 2)
volume = 0.1 * torch.randn(1, 1, 20, 24, 28)
volume[..., 8:13, 10:15, 16:21] += 1
scan = nnlens.Lens(nn.Sequential(*parts)).explore(volume)
scan"""


def test_a_click_on_a_box_and_on_a_slice(lab, page, errors, tmp_path):
    book = lab("boxes.ipynb", [BOXES, VOLUME])
    book.run_all()
    boxes = page.locator('[data-pane="boxes"]').first
    expect(boxes.get_by_role("button")).to_have_count(2, timeout=60_000)
    expect(boxes.locator("xpath=..").locator('> [data-pane="layers"]')).to_have_count(1)  # they share a row
    canvas = boxes.locator("canvas")
    frame = canvas.bounding_box()
    canvas.click(position={"x": 0.3 * frame["width"], "y": 0.4 * frame["height"]})
    expect(boxes.get_by_role("button", pressed=True)).to_contain_text("bright", timeout=30_000)
    canvas.click(position={"x": 0.75 * frame["width"], "y": 0.5 * frame["height"]})
    expect(boxes.get_by_role("button", pressed=True)).to_contain_text("dark", timeout=30_000)
    boxes.locator("select").select_option("left")
    assert book.python("view.wait(30); print(view.selection.sample.meaning.unit, view.error)") == "px None"
    boxes.locator("select").select_option("score")
    page.screenshot(path=str(tmp_path / "boxes.png"))

    volume = page.locator('[data-pane="volume"]').nth(1)
    slices = volume.locator("canvas")
    slices.first.scroll_into_view_if_needed()
    frame = slices.first.bounding_box()
    slices.first.click(position={"x": 18.5 * frame["width"] / 28, "y": 12.5 * frame["height"] / 24})
    expect(volume).to_contain_text("row 12 of 24", timeout=30_000)
    slices.nth(1).press("ArrowDown")
    expect(volume).to_contain_text("depth 11 of 20", timeout=30_000)
    # The slices of the other panes follow, and so does the score behind the box.
    assert book.python("scan.wait(30); print(scan.slices['first'], list(scan.crosshair))") == "11 [11, 12, 18]"
    expect(volume.locator(".nn-reading")).to_have_text(re.compile(r"without the box: class \d \.\d\d → \.\d\d"))
    volume.get_by_role("button", name="hide it everywhere").click()
    expect(volume).to_contain_text(re.compile(r"boxes of 5 voxels at (\d+) of \1 depths"), timeout=60_000)
    page.screenshot(path=str(tmp_path / "volume.png"))
    # Undone like any other change.
    before = book.python("print(list(scan.crosshair))")
    slices.first.press("ArrowLeft")
    expect(volume).to_contain_text("column 17 of 28", timeout=30_000)
    slices.first.press("Control+z")
    expect(volume).to_contain_text("column 18 of 28", timeout=30_000)
    assert book.python("scan.wait(30); print(list(scan.crosshair))") == before
    # In a page without a kernel the point moves, and the map is there.
    path = tmp_path / "volume.html"
    book.python(f"print(scan.save({str(path)!r}))")
    page.goto(path.as_uri())
    volume = page.locator('[data-pane="volume"]')
    volume.locator("canvas").first.press("PageDown")
    expect(volume).to_contain_text("depth 12 of 20")
    expect(volume.locator(".nn-reading")).to_be_hidden()
    assert errors == []


SIGNAL = """import torch, nnlens
net = nnlens.zoo.heartbeats()
beat = nnlens.zoo.Heartbeats(8)[1]
lens = nnlens.Lens(net.model, labels=net.labels, rate=net.rate, channel_names=["I", "II"])
view = lens.explore(beat.signal[None])
view"""


def test_the_time_of_a_signal_is_stretched(lab, page, errors, tmp_path):
    book = lab("time.ipynb", [SIGNAL])
    book.run_all()
    photo, under = (page.locator(f'[data-pane="{name}"]').first for name in ("photo", "occlusion_map"))
    into = photo.get_by_role("button", name=re.compile("show less of the time"))
    expect(into).to_be_visible(timeout=60_000)
    trace = photo.locator("canvas").first
    whole = trace.bounding_box()
    into.click()
    into.click()
    expect(photo).to_contain_text(re.compile(r"to .* s"))
    wide = trace.bounding_box()
    assert wide["width"] == pytest.approx(4 * whole["width"], rel=0.01)
    assert wide["height"] == pytest.approx(whole["height"], abs=2)
    assert under.locator("canvas").first.bounding_box()["width"] == pytest.approx(wide["width"], abs=2)
    # Both scroll together, and the occluder is where the pointer is.
    photo.locator(".nn-time").evaluate("element => { element.scrollLeft = 200; }")
    page.wait_for_timeout(200)
    assert under.locator(".nn-time").first.evaluate("element => element.scrollLeft") == pytest.approx(200, abs=2)
    trace.hover(position={"x": 300, "y": 30})
    expect(trace).to_have_attribute("aria-label", re.compile("occluder of"), timeout=30_000)
    left = int(book.python("view.wait(30); print(view.occluder[1])"))
    size = int(book.python("print(view.size)"))
    assert left + size / 2 == pytest.approx(300 / wide["width"] * 1000, abs=3)
    page.screenshot(path=str(tmp_path / "time.png"))
    trace.press("-")
    trace.press("-")
    assert trace.bounding_box()["width"] == pytest.approx(whole["width"], abs=2)
    # Leads are hidden together.
    channels = page.locator('[data-pane="channels"]').first
    for box in channels.get_by_role("checkbox").all():
        box.check()
    expect(channels).to_contain_text("without I, II:", timeout=30_000)
    assert errors == []
