"""How long a hand waits, in a real JupyterLab and a real browser: `python benchmarks/interaction.py [runs]`.

Prints medians and 95th percentiles from the event to the painted frame, and the mosaic of one layer against
the same mosaic as an `ipywidgets.Image` (PNG) and as a plotly heatmap, triggered alike, in turn. Needs the
extras `demo` and `test`, and Chromium.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "browser"))
from drive import SETUP, SHOW, pane
from hosts import CHROMIUM, QUIET, Lab, Server, jupyter

LAYERS = ["_blocks.3._bn1", "_blocks.5._swish:1", "_blocks.1._swish:1", "_blocks.9.add", "_conv_head", "_blocks.2.add"]

PEERS = """
import ipywidgets, io, numpy as np
import plotly.graph_objects as go
from nnlens.render.picture import mosaic_image

def png(layer):
    buffer = io.BytesIO()
    mosaic_image(lens.selection.sample.activations(layer), most=2048).save(buffer, "PNG")
    return buffer.getvalue()

def grid(layer):
    maps = lens.selection.sample.activations(layer).values
    columns = int(len(maps) ** 0.5)
    maps = maps[: columns * (len(maps) // columns)]
    rows = maps.reshape(-1, columns, *maps.shape[1:])
    return rows.transpose(0, 2, 1, 3).reshape(rows.shape[0] * rows.shape[2], -1)

image = ipywidgets.Image(value=png("_blocks.2.add"), format="png", width=480)
heat = go.Heatmap(z=grid("_blocks.2.add"), colorscale="Viridis")
figure = go.FigureWidget(heat, layout={"width": 480, "height": 400})
ipywidgets.VBox([image, figure])
"""

HELPERS = """() => {
window.frame = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
window.until = async (test, limit = 20000) => {
    const start = performance.now();
    while (!test()) {
        if (performance.now() - start > limit) throw new Error('nothing happened');
        await new Promise(requestAnimationFrame);
    }
};
window.pane = (name) => document.querySelector(`.nnlens [data-pane="${name}"]`);
window.at = (element, type, x, y) => {
    const box = element.getBoundingClientRect();
    const [clientX, clientY] = [box.left + x * box.width, box.top + y * box.height];
    element.dispatchEvent(new PointerEvent(type, {bubbles: true, clientX, clientY}));
};
window.timed = async (act, done) => {
    await frame();
    const start = performance.now();
    act();
    await until(done);  // seen at the beginning of a frame, which is painted before the next task
    await new Promise(painted => {
        const channel = new MessageChannel();
        channel.port1.onmessage = painted;
        channel.port2.postMessage(0);
    });
    return performance.now() - start;
};
window.run = code => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    return kernel.requestExecute({code, silent: true, store_history: false}).done;
};
}"""

HOVER = """async ([x, y]) => {
    const canvas = pane('mosaic').querySelector('canvas'), line = pane('mosaic').querySelector('.nn-line');
    const before = line.textContent;
    return await timed(() => at(canvas, 'pointermove', x, y), () => line.textContent !== before);
}"""
SELECT = """async ([x, y]) => {
    const canvas = pane('mosaic').querySelector('canvas'), words = () => pane('unit').textContent;
    const before = words();
    return await timed(() => at(canvas, 'pointerdown', x, y), () => words() !== before);
}"""
LAYER = """async name => {
    const filter = pane('layers').querySelector('input');
    filter.value = name;
    filter.dispatchEvent(new Event('input'));
    await frame();
    const row = pane('layers').querySelector('.nn-node');
    const title = pane('mosaic').querySelector('h2'), canvas = pane('mosaic').querySelector('canvas');
    const painted = () => title.textContent.includes(name) && !canvas.classList.contains('nn-stale');
    return await timed(() => row.click(), painted);
}"""
OCCLUDER = """async ([x, y]) => {
    const canvas = pane('photo').querySelector('canvas'), line = pane('photo').querySelector('.nn-reading');
    at(canvas, 'pointerleave', 0, 0);
    await until(() => !line.textContent.includes('→'));
    return await timed(() => at(canvas, 'pointermove', x, y), () => /→ \\d?\\.\\d/.test(line.textContent));
}"""
SIZE = """async place => {
    const canvas = pane('occlusion_map').querySelector('canvas'), photo = pane('photo');
    const slider = photo.querySelector('input[type=range]'), output = photo.querySelector('output');
    const size = 4 * (+place + 1);
    return await timed(
        () => { slider.value = size; slider.dispatchEvent(new Event('input')); },
        () => !canvas.classList.contains('nn-stale') && output.textContent === `${size} px`);
}"""
FIELD = """async ([x, y]) => {
    const canvas = pane('unit').querySelector('canvas'), line = pane('input').querySelector('.nn-line');
    const before = line.textContent;
    return await timed(() => at(canvas, 'pointermove', x, y), () => line.textContent !== before);
}"""
PLACE = """async ([x, y]) => {
    const canvas = pane('unit').querySelector('canvas');
    const words = () => pane('back_projection').querySelector('canvas').ariaLabel;
    const before = words();
    return await timed(() => at(canvas, 'pointerdown', x, y), () => words() !== before);
}"""
STROKE = """async ([x, y]) => {
    const canvas = pane('input').querySelector('canvas'), bars = () => pane('bars').textContent;
    [...pane('input').querySelectorAll('button')].find(one => one.ariaLabel === 'clear').click();
    await new Promise(done => setTimeout(done, 400));
    const before = bars();
    return await timed(() => at(canvas, 'pointerdown', x, y), () => bars() !== before);
}"""
# What the notebook alone takes: a text that the kernel writes into a label.
BARE = """
import ipywidgets
typed, label = ipywidgets.Text(), ipywidgets.Label()
typed.observe(lambda change: setattr(label, "value", change["new"]), "value")
ipywidgets.VBox([typed, label]).add_class("bare")"""
ECHO = """async number => {
    const input = document.querySelector('.bare input'), label = document.querySelector('.bare > .widget-label');
    const words = `typed ${number}`;
    return await timed(
        () => { input.value = words; input.dispatchEvent(new Event('input', {bubbles: true})); },
        () => label.textContent === words);
}"""
OURS = """async name => {
    const title = pane('mosaic').querySelector('h2');
    const code = `lens.selection.layer = ${JSON.stringify(name)}`;
    return await timed(() => run(code), () => title.textContent.includes(name));
}"""
IMAGE = """async name => {
    const image = document.querySelector('.widget-image');
    let loaded = false;
    image.addEventListener('load', () => { loaded = true; }, {once: true});
    return await timed(() => run(`image.value = png(${JSON.stringify(name)})`), () => loaded);
}"""
PLOTLY = """async name => {
    const plot = document.querySelector('.js-plotly-plot');
    let drawn = false;
    plot.once('plotly_afterplot', () => { drawn = true; });
    return await timed(() => run(`figure.data[0].z = grid(${JSON.stringify(name)})`), () => drawn);
}"""


def row(what: str, times: list[float], goal: str = "") -> None:
    print(f"{what:<44}{np.median(times):8.0f}{np.percentile(times, 95):8.0f}   {goal}", flush=True)


def measure(page: Page, book: Lab, runs: int) -> None:
    random = np.random.default_rng(0)

    def places() -> list[list[float]]:
        return random.uniform(0.1, 0.9, (runs, 2)).tolist()

    def wait_for_map() -> None:
        book.python("view.wait()")
        page.wait_for_timeout(100)

    print(f"{'milliseconds, event to painted frame':<44}{'median':>8}{'95 %':>8}   goal")
    wait_for_map()
    row("hover a tile: value read", [page.evaluate(HOVER, position) for position in places()], "≤ 50")
    row("click a tile: unit painted", [page.evaluate(SELECT, position) for position in places()], "≤ 50")
    layers = [LAYERS[turn % len(LAYERS)] for turn in range(runs)]
    row("pick a layer: mosaic painted", [page.evaluate(LAYER, name) for name in layers], "≤ 150")
    book.python("lens.session.worker.longest['live'] = 0")
    row(
        "move the occluder: new probability",
        [page.evaluate(OCCLUDER, position) for position in places()],
        "≤ 45, before 200",
    )
    row("the same of a text and a label of ipywidgets", [page.evaluate(ECHO, number) for number in range(runs)])
    longest = book.python("print(round(1e3 * lens.session.worker.longest['live']))")
    print(f"{'the longest step that computed one of these':<44}{longest:>8}{'':>8}   ≤ 20")
    times = []
    for position in list(range(4, 27))[: min(runs, 12)]:
        times.append(page.evaluate(SIZE, str(position)))
        book.python("view.cancel += 1; view.wait()")
    row("new size: first coarse occlusion map", times, "≤ 500")

    results: dict[str, list[float]] = {"nnlens": [], "ipywidgets.Image": [], "plotly heatmap": []}
    for name in layers:
        for peer, script in zip(results, (OURS, IMAGE, PLOTLY), strict=True):
            results[peer].append(page.evaluate(script, name))
            page.wait_for_timeout(50)
    print(f"\n{'the same mosaic, from Python to painted':<44}{'median':>8}{'95 %':>8}   ratio of medians")
    ours = np.median(results["nnlens"])
    for peer, times in results.items():
        row(peer, times, f"{np.median(times) / ours:.1f} ×")


CARD = """import nnlens
digits = nnlens.zoo.digits()
small = nnlens.Lens(digits.model, preprocess=digits.preprocess, labels=digits.labels)
small.unit(nnlens.zoo.DigitImages()[3][0], layer="features.9", unit=4)"""


def measure_card(page: Page, runs: int) -> None:
    random = np.random.default_rng(0)

    def places() -> list[list[float]]:
        return random.uniform(0.1, 0.9, (runs, 2)).tolist()

    print(f"\n{'the unit card of a digit network':<44}{'median':>8}{'95 %':>8}   goal")
    row("hover the unit's map: what the place sees", [page.evaluate(FIELD, position) for position in places()], "≤ 50")
    row("choose a place: what comes back from it", [page.evaluate(PLACE, position) for position in places()], "≤ 150")
    pane(page, "input").get_by_role("button", name="draw").click()
    row("draw a stroke: the classes", [page.evaluate(STROKE, position) for position in places()], "≤ 150")


RESIDENT = """import time
time.sleep(6)
print(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])"""


def memory(page: Page, server: Server) -> None:
    """What the kernel of the tour holds when all of its views are complete."""
    tour = json.loads((Path(__file__).parent.parent / "notebooks" / "00-tour.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in tour["cells"] if cell["cell_type"] == "code"]
    book = Lab(page, server, server.notebook("tour.ipynb", cells))
    book.run_all()
    page.locator(".nn-attribution").first.wait_for(timeout=120_000)
    book.python("lens.session.worker.join(120); small.session.worker.join(120)")
    kilobytes = [int(book.python(RESIDENT)) for _ in range(2)]
    print(f"\nmemory of the kernel after the tour: {kilobytes[-1] / 1e6:.2f} GB, goal ≤ 1.3, before 2.96", flush=True)


def main(runs: int) -> None:
    with (
        tempfile.TemporaryDirectory() as home,
        jupyter(Path(home)) as (port, folder),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1400, "height": 1600})
        server = Server(port, folder)
        book = Lab(page, server, server.notebook("bench.ipynb", [SETUP, SHOW, BARE, PEERS]))
        book.run_all()
        page.locator(".js-plotly-plot").wait_for(timeout=90_000)
        pane(page, "mosaic").wait_for()
        page.evaluate(HELPERS)
        measure(page, book, runs)
        page = browser.new_page(viewport={"width": 1400, "height": 1600})
        Lab(page, server, server.notebook("card.ipynb", [CARD])).run_all()
        pane(page, "connections").wait_for()
        page.evaluate(HELPERS)
        measure_card(page, runs)
        memory(browser.new_page(viewport={"width": 1400, "height": 1600}), server)
        browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
