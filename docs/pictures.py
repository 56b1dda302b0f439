"""Makes the pictures of the documentation, with nnlens itself: `python docs/pictures.py`."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "browser"))
from drive import SETUP, hover_photo, pane, reading  # noqa: E402
from hosts import CHROMIUM, QUIET, Lab, Server, jupyter  # noqa: E402

import nnlens  # noqa: E402
from nnlens.kernels import Incremental, Prepared  # noqa: E402
from nnlens.kernels.occlusion.occluder import occluder  # noqa: E402
from nnlens.recording import record  # noqa: E402
from nnlens.render.colormaps import color_tables  # noqa: E402

SHOW = """view = lens.explore(nnlens.zoo.photo("coffee"), layer="_blocks.1._swish:1", size=56)
view"""


# Of EfficientNet-Lite0: the image, layers down to the cut, and one behind it.
LAYERS = ["_swish:1", "_blocks.1._swish:2", "_blocks.3._swish:2", "_blocks.6.add", "_blocks.8._swish:1"]


def windows() -> None:
    """What one occluder changes, layer by layer, and the window that is computed for it."""
    model, transform, names = nnlens.zoo.efficientnet_lite0()
    lens = nnlens.Lens(model, preprocess=transform, labels=names)
    sample = lens.sample(nnlens.zoo.photo("coffee"))
    x, size, position = sample.input.x, 32, (96, 80)
    places = np.arange(0, 224 - size + 1, 16)
    plan = Incremental(Prepared(model, x), (size, size), places, places)
    row, column = (int(np.flatnonzero(places == one)[0]) for one in position)
    window = occluder(x, size=size, fill=sample.input.grey)
    covered = window.cover(np.array([position[0]]), np.array([position[1]]))
    other = record(model, covered)
    table = color_tables()["sequential"]
    side, gap, text = 224, 20, 52
    sheet = Image.new("RGB", ((side + gap) * 3 - gap, (side + text) * 2), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, name in enumerate(["input", *LAYERS]):
        left, top = (number % 3) * (side + gap), (number // 3) * (side + text)
        if name == "input":
            shown = sample.input.shown.copy()
            y, x = position
            ImageDraw.Draw(shown).rectangle((x, y, x + size - 1, y + size - 1), "#808080")
            picture, box = shown.resize((side, side)), (y, x, y + size, x + size)
            words = [f"the image, {size} by {size} pixels hidden"]
        else:
            change = (other[name] - sample.recording[name])[0].abs().amax(0).numpy()
            codes = (change / change.max() * (len(table) - 1)).astype(int)
            picture = Image.fromarray(table[codes]).resize((side, side), Image.NEAREST)
            share = next(one for one in plan.plan if one.name == name)
            down, across = plan.window(name, row, column) if share.local else (slice(0, len(change)),) * 2
            scale = side / len(change)
            box = tuple(round(one * scale) for one in (down.start, across.start, down.stop, across.stop))
            how = "computed" if share.local else "computed whole"
            words = [f"{name}, {len(change)} by {len(change)}", f"{share.area:.0%} of it {how}".replace("%", " %")]
        sheet.paste(picture, (left, top))
        pen.rectangle((left + box[1], top + box[0], left + box[3] - 1, top + box[2] - 1), outline="#fb923c", width=2)
        for line, what in enumerate(words):
            pen.text((left + 2, top + side + 4 + 17 * line), what, "black", font)
    sheet.save(HERE / "windows.png", optimize=True)


UNIT = """model, transform, names = nnlens.zoo.digits()
lens, digits = nnlens.Lens(model, preprocess=transform, labels=names), nnlens.zoo.DigitImages()
found = lens.examples(digits, layers=["features.9"], store=False)
view = lens.unit(digits[3][0], layer="features.9", channel=4)
view"""


def saved(page: Page, name: str) -> None:
    shot = Image.open(io.BytesIO(page.locator(".nnlens").screenshot())).convert("RGB")
    small = shot.quantize(palette=shot.quantize(256), dither=Image.Dither.FLOYDSTEINBERG)
    small.save(HERE / name, optimize=True)


def unit(page: Page, server: Server) -> None:
    book = Lab(page, server, server.notebook("unit.ipynb", ["import nnlens", UNIT]), "JupyterLab Light")
    book.run_all()
    page.locator(".nnlens").wait_for(timeout=60_000)
    book.python("found.wait(); view.count = 2; view.synthesis_run = 1; view.wait()")
    canvas = pane(page, "unit").locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.53, box["y"] + box["height"] * 0.61)
    book.python("view.wait()")
    page.mouse.move(5, 5)
    page.wait_for_timeout(500)
    saved(page, "unit-light.png")


ATTRIBUTION = """view = lens.attribution(nnlens.zoo.photo("cat"), target=["tiger cat", "Egyptian cat"], samples=400)
view"""


def attribution(page: Page, server: Server) -> None:
    book = Lab(page, server, server.notebook("attribution.ipynb", [SETUP, ATTRIBUTION]), "JupyterLab Light")
    book.run_all()
    page.locator(".nnlens").wait_for(timeout=60_000)
    book.python("view.wait()")
    pane(page, "grid").locator("canvas.nn-map").nth(2).click()
    page.mouse.move(5, 5)
    page.wait_for_timeout(500)
    saved(page, "attribution-light.png")


def main() -> None:
    windows()
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
            pane(page, "unit").get_by_role("button", name="over the photograph").click()
            hover_photo(page, 0.52, 0.3)
            reading(page)
            page.wait_for_timeout(500)
            saved(page, f"explorer-{theme.lower()}.png")
            page.close()
        page = browser.new_page(viewport={"width": 1420, "height": 1700})
        unit(page, server)
        page.close()
        page = browser.new_page(viewport={"width": 1420, "height": 2000})
        attribution(page, server)
        browser.close()


if __name__ == "__main__":
    main()
