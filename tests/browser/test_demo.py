"""The README's first command: the tour opens, and all of its cells run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from drive import pane
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parent.parent.parent


def test_the_tour_runs_from_top_to_bottom(page, tmp_path):
    homes = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "nnlens.cli", "demo", "--no-browser"],
            cwd=tmp_path,
            env={**os.environ, **homes, "PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        for _ in range(120):
            if "is running at" in log.read_text():
                break
            page.wait_for_timeout(500)
        address = re.search(r"The tour: (http://localhost\S+)", log.read_text())[1]
        page.goto(address)
        page.locator(".jp-CodeCell").first.wait_for(timeout=60_000)
        expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=60_000)
        page.get_by_text("Run", exact=True).first.click()
        page.get_by_text("Run All Cells", exact=True).first.click()
        saved = page.get_by_text("PosixPath('explorer.html')")
        expect(saved).to_be_attached(timeout=120_000)
        assert page.locator(".jp-OutputArea-output[data-mime-type*=error]").count() == 0
        expect(page.locator(".nn-explorer")).to_have_count(1)
        expect(page.locator(".nn-activations")).to_have_count(1)
        expect(page.locator(".nn-occlusion")).to_have_count(1)
        expect(page.locator(".nn-unit .nn-gallery figure")).to_have_count(9, timeout=30_000)
        expect(page.locator(".nn-attribution canvas.nn-map")).to_have_count(3, timeout=30_000)
        # The third cell set the selection: the explorer above follows it.
        expect(pane(page, "mosaic").locator("h2")).to_contain_text("_blocks.2.add")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
        (ROOT / "notebooks" / "explorer.html").unlink(missing_ok=True)
