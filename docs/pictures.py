"""Makes the README's pictures from a running JupyterLab: `python docs/pictures.py`."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "browser"))
from drive import SETUP, hover_photo, pane, reading  # noqa: E402
from hosts import CHROMIUM, QUIET, Lab, Server, jupyter  # noqa: E402

SHOW = """view = lens.explore(nnlens.zoo.photo("coffee"), layer="_blocks.1._swish:1", size=56)
view"""


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as home,
        jupyter(Path(home)) as (port, folder),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        server = Server(port, folder)
        for theme in ("Light", "Dark"):
            page = browser.new_page(viewport={"width": 1420, "height": 1500})
            book = Lab(page, server, server.notebook(f"{theme.lower()}.ipynb", [SETUP, SHOW]), f"JupyterLab {theme}")
            book.run_all()
            page.locator(".nnlens").wait_for(timeout=60_000)
            book.python("view.wait()")
            pane(page, "unit").locator("input[type=checkbox]").check()
            hover_photo(page, 0.52, 0.3)
            reading(page)
            page.wait_for_timeout(500)
            shot = Image.open(io.BytesIO(page.locator(".nnlens").screenshot()))
            shot = shot.convert("RGB")
            small = shot.quantize(palette=shot.quantize(256), dither=Image.Dither.FLOYDSTEINBERG)
            small.save(HERE / f"explorer-{theme.lower()}.png", optimize=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
