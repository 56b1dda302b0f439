"""The explorer in a real JupyterLab, against plain torch."""

from __future__ import annotations

import json
import re
import time

import pytest
from drive import (
    REFERENCE,
    SETUP,
    SHOW,
    checksum,
    click_tile,
    hover_photo,
    pane,
    pick_layer,
    pixel,
    reading,
    unfold,
    unit_words,
    widget,
)
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def _the_map_of_another_size_is_right(book, page):
    before = checksum(pane(page, "occlusion_map").locator("canvas"))
    slider = pane(page, "photo").locator("input[type=range]")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(pane(page, "photo").locator("output")).to_have_text("76 px")
    expect(pane(page, "occlusion_map").locator(".nn-count")).to_contain_text(
        re.compile(r"^\s*121 positions|100 positions"), timeout=60_000
    )
    assert checksum(pane(page, "occlusion_map").locator("canvas")) != before
    ours = json.loads(
        book.python(
            "o = view.result.occlusion; print([list(o.size), int(o.tops[4]), int(o.lefts[6]), float(o.score()[4, 6])])"
        )
    )
    expected = float(book.python(f"print(float(hidden(x, {ours[1]}, {ours[2]}, 76)[view.target]))"))
    assert ours[0] == [76, 76]
    assert ours[3] == pytest.approx(expected, abs=1e-4)


def _a_file_that_is_no_image_is_an_error(book, page, tmp_path):
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    pane(page, "photo").locator("input[type=file]").set_input_files(bad)
    expect(widget(page).locator(".nn-error")).to_contain_text("image must be a picture that Pillow can read")
    assert book.python("print(lens.selection.image)") == "webcam"
    widget(page).locator(".nn-error button").click()
    expect(widget(page).locator(".nn-error")).to_be_hidden()


def test_a_whole_session(lab, page, errors, tmp_path):
    book = lab("session.ipynb", [SETUP, SHOW])
    book.run_all()
    expect(widget(page)).to_be_visible(timeout=60_000)
    book.python(REFERENCE + 'x = model_input(nnlens.zoo.photo("coffee"))')

    # Complete from the first moment: the top class, a layer, a unit, and their pictures.
    label, share = book.python("p = model(x)[0].softmax(0); print(names[p.argmax()], f'{p.max():.2f}')").rsplit(" ", 1)
    expect(pane(page, "photo").locator(".nn-reading")).to_have_text(f"{label} {share.lstrip('0')}")
    expect(pane(page, "occlusion_map").locator(".nn-count")).to_contain_text("144 positions", timeout=60_000)

    # Another layer: pixels, numbers and Python's selection follow.
    mosaic = pane(page, "mosaic").locator("canvas")
    before = checksum(mosaic)
    pick_layer(page, "_blocks.3._bn1")
    assert book.python("print(lens.selection.layer)") == "_blocks.3._bn1"
    assert checksum(mosaic) != before
    layer = json.loads(book.python("v = module_output('_blocks.3._bn1', x); print(list(v.shape))"))
    expect(pane(page, "mosaic").locator("h2")).to_have_text(f"mosaic of _blocks.3._bn1 · {layer[0]}×{layer[1]}²")

    # A tile: its unit is selected everywhere.
    unit = click_tile(page, 0.43, 0.61)
    assert book.python("print(lens.selection.unit, view.unit)") == f"{unit} {unit}"
    top, row, column, zeros = json.loads(
        book.python(
            f"u = v[{unit}]; at = int(u.argmax())\n"
            "print([float(u.max()), at // u.shape[1], at % u.shape[1], float((u == 0).float().mean() * 100)])"
        )
    )
    said = unit_words(page)
    assert said[0] == unit
    assert said[1] == pytest.approx(top, rel=0.01)
    assert said[2] == (row, column)
    assert said[3] == pytest.approx(zeros, abs=1)
    expect(pane(page, "unit").locator(".nn-line")).to_contain_text("at (")

    # In its own scale the brightest pixel of the large map is the last colour of the table.
    pick_layer(page, "_blocks.3._swish:1")
    pane(page, "mosaic").locator("select").nth(1).select_option("unit")
    unit = click_tile(page, 0.2, 0.3)
    _, _, (row, column), _ = unit_words(page)
    page.mouse.move(5, 5)
    book.python("lens.selection.position = None")
    size = json.loads(book.python("print(list(view.result.activations.values.shape[1:]))"))
    page.wait_for_timeout(300)
    at = (column + 0.5) / size[1], (row + 0.5) / size[0]
    assert pixel(pane(page, "unit").locator("canvas"), *at) == [253, 231, 37]

    # The occluder under the mouse: plain torch gives the same probability.
    hover_photo(page, 0.5, 0.4)
    _, clean, now = reading(page)
    position, size = json.loads(book.python("print([view.occluder, view.size])"))
    expected = float(book.python(f"print(float(hidden(x, {position[0]}, {position[1]}, {size})[view.target]))"))
    assert now == pytest.approx(expected, abs=0.006)
    assert clean != now

    _the_map_of_another_size_is_right(book, page)

    # A bar: the target changes everywhere.
    second = pane(page, "bars").locator(".nn-bar").nth(1)
    name = second.locator(".nn-name").inner_text()
    second.click()
    expect(pane(page, "occlusion_map").locator("h2")).to_have_text(f"occlusion · {name}")
    book.wait_for("print(lens.selection.label)", name)

    # Another image by upload: all panes follow.
    source = book.python('print(nnlens.zoo.photo("rocket"))')
    pane(page, "photo").locator("input[type=file]").set_input_files(source)
    expect(widget(page).locator(".nn-status")).to_contain_text("rocket.jpg", timeout=20_000)
    book.python('x = model_input(nnlens.zoo.photo("rocket"))')
    label, share = book.python("p = model(x)[0].softmax(0); print(names[p.argmax()], f'{p.max():.2f}')").rsplit(" ", 1)
    expect(pane(page, "photo").locator(".nn-reading")).to_contain_text(f"{label} {share.lstrip('0')}")
    assert book.python("print(lens.selection.image, view.layer)") == "rocket.jpg _blocks.3._swish:1"

    # A frame of the webcam.
    unfold(page, "photo").get_by_text("webcam").click()
    expect(widget(page).locator(".nn-status")).to_contain_text("webcam ·", timeout=20_000)
    assert book.python("print(lens.selection.image)") == "webcam"

    _a_file_that_is_no_image_is_an_error(book, page, tmp_path)


def test_keys_reach_the_widget_and_not_the_notebook(lab, page, errors):
    book = lab("keys.ipynb", [SETUP, SHOW, "1 + 1"])
    book.run_all()
    expect(widget(page)).to_be_visible(timeout=60_000)
    cells = page.locator(".jp-Cell").count()
    canvas = pane(page, "mosaic").locator("canvas")
    canvas.focus()
    start = int(book.python("print(lens.selection.unit)"))
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowRight", "a", "b", "d", "d"):
        page.keyboard.press(key)
    expect(pane(page, "unit").locator("input[type=number]")).to_have_value(str(start + 2))
    assert page.locator(".jp-Cell").count() == cells, "a, b and dd are the notebook's keys for cells"
    # One undo for what was done in one go, and the same again; the notebook has not taken the keys.
    number = pane(page, "unit").locator("input[type=number]")
    page.keyboard.press("Control+z")
    expect(number).to_have_value(str(start))
    assert book.python("print(lens.selection.unit)") == str(start)
    page.keyboard.press("Control+Shift+z")
    expect(number).to_have_value(str(start + 2))
    tree = pane(page, "layers").locator('.nn-node[aria-selected="true"]')
    before = tree.get_attribute("title")
    tree.focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_timeout(300)
    assert pane(page, "layers").locator(".nn-node:focus").get_attribute("title") != before
    page.keyboard.press("/")
    page.keyboard.type("batchnorm")
    expect(pane(page, "layers").locator(".nn-node")).to_have_count(49)
    pane(page, "photo").locator("canvas").focus()
    page.keyboard.press("ArrowRight")
    reading(page)
    page.keyboard.press("Escape")
    end = time.monotonic() + 10  # the latest request is sent when the one before is answered
    while book.python("print(view.occluder)") != "None":
        assert time.monotonic() < end


def test_views_are_linked_across_cells_and_python_leads(lab, page, errors):
    book = lab(
        "linked.ipynb",
        [
            SETUP,
            'one = lens.activations(nnlens.zoo.photo("coffee"))\none',
            'two = lens.explore(nnlens.zoo.photo("coffee"), hide=["occlusion_map", "photo", "bars"])\ntwo',
        ],
    )
    book.run_all()
    expect(page.locator(".nn-explorer")).to_be_visible(timeout=60_000)
    book.python('lens.selection.layer = "_conv_head"')
    for root in (".nn-activations", ".nn-explorer"):
        expect(page.locator(f"{root} [data-pane=mosaic] h2")).to_contain_text("_conv_head.conv2d · 1280×7²")
    box = page.locator(".nn-activations .nn-mosaic").bounding_box()
    page.mouse.click(box["x"] + 40, box["y"] + 40)
    unit = book.python("print(lens.selection.unit)")
    expect(page.locator(".nn-explorer [data-pane=unit] input[type=number]")).to_have_value(unit)
    assert page.locator(".nn-explorer [data-pane=photo]").count() == 0
    # A cell that fails leaves the widgets alone, and its error is the user's.
    assert "layer must be one of" in book.python(
        "try:\n    lens.selection.layer = 'nowhere'\nexcept ValueError as error:\n    print(error)"
    )


TRANSFORMER = """import nnlens, torch, transformers
sizes = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, num_labels=5)
model = transformers.ViTForImageClassification(transformers.ViTConfig(**sizes))
lens = nnlens.Lens(model, preprocess={"size": 224, "mean": 0.5, "std": 0.5})"""


def test_tokens_of_a_transformer_and_the_summary_of_its_pass(lab, page, errors):
    show = 'view = lens.activations(nnlens.zoo.photo("coffee"))\nview'
    book = lab("tokens.ipynb", [TRANSFORMER, show, "lens.summary(passes=1)"])
    book.run_all()
    expect(widget(page)).to_be_visible(timeout=60_000)

    # The guess is shown, and read off the pass.
    mosaic = pane(page, "mosaic")
    field = mosaic.locator("input[placeholder=auto]")
    expect(mosaic).to_contain_text("197 tokens as a 14 × 14 grid, first token left out")
    expect(field).to_have_value("14 × 14")

    # It can be overridden: here, and in Python.
    field.fill("7 × 28")
    field.press("Enter")
    expect(mosaic).to_contain_text("197 tokens as a 7 × 28 grid, first token left out")
    assert book.python("print(lens.selection.grid, view.result.values.shape[1:])") == "(7, 28) (7, 28)"
    book.python('lens.selection.grid = "strip"')
    expect(mosaic).to_contain_text("one strip of 197 steps per unit")
    expect(field).to_have_value("strip")
    field.fill("")
    field.press("Enter")
    expect(mosaic).to_contain_text("14 × 14 grid")

    # A grid that cannot be is refused where it is typed.
    field.fill("15 × 15")
    field.press("Enter")
    assert field.evaluate("field => field.validationMessage").endswith("or strip; empty to detect it")
    assert book.python("print(lens.selection.grid)") == "None"

    # The attention's weights are a layer like any other.
    pick_layer(page, "attention_weights")
    expect(mosaic).to_contain_text("one map per head")
    expect(field).to_be_hidden()

    # The summary folds without any script of ours.
    table = page.locator(".nnlens-table")
    expect(table).to_contain_text("ViTForImageClassification")
    row = table.get_by_text("patch_embeddings", exact=True).or_(table.get_by_text("embeddings", exact=True)).first
    expect(row).to_be_visible()
    table.locator("summary").first.click()
    expect(row).to_be_hidden()


def _a_painted_mask_is_right(book, page):
    unfold(page, "photo").get_by_role("button", name="paint a mask").click()
    box = pane(page, "photo").locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 70)
    page.mouse.down()
    for step in range(60, 160, 10):
        page.mouse.move(box["x"] + step, box["y"] + 70)
    page.mouse.up()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    expect(pane(page, "photo").locator(".nn-reading")).not_to_have_class(re.compile("nn-stale"))
    _, _, now = reading(page)
    own = book.python(
        "import numpy as np\n"
        "m = np.unpackbits(np.frombuffer(view.mask, np.uint8))[:224 * 224].reshape(224, 224).astype(bool)\n"
        "y = x.clone(); y[:, :, torch.from_numpy(m)] = 0.5 / (128 / 255) - 127 / 128\n"
        "with torch.no_grad(): print(float(model(y)[0].softmax(0)[view.target]), m.mean())"
    ).split()
    assert now == pytest.approx(float(own[0]), abs=0.0051)
    assert 0.02 < float(own[1]) < 0.4


def test_the_occluders_size_is_dragged(lab, page, errors, tmp_path):
    """From one end to the other and back: nothing queues, the last map is right, and what was seen comes back."""
    book = lab("sizes.ipynb", [SETUP, 'view = lens.occlusion(nnlens.zoo.photo("coffee"))\nview'])
    book.run_all()
    expect(widget(page)).to_be_visible(timeout=60_000)
    progress = pane(page, "occlusion_map").locator(".nn-count")
    expect(progress).to_contain_text(re.compile(r"^\d+ positions"), timeout=60_000)
    slider = pane(page, "photo").locator("input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 12, y)
    page.mouse.down()
    for step in [*range(12, 100, 4), *range(100, 38, -4)]:
        page.mouse.move(box["x"] + step, y)
        page.wait_for_timeout(30)
    page.mouse.up()
    size = int(pane(page, "photo").locator("output").inner_text().split()[0])
    # The kernel answers while it computes, and only what is wanted now is computed.
    for _ in range(20):
        if int(book.python("print(view.size)")) == size:
            break
    assert int(book.python("print(view.size)")) == size
    expect(progress).to_contain_text(re.compile(r"^\d+ positions"), timeout=30_000)
    book.python("maps = lens.selection.sample.cache.of_kind('occlusion map').values()")
    assert int(book.python("print(sum(found.complete for found in maps))")) <= 4
    book.python(REFERENCE + 'x = model_input(nnlens.zoo.photo("coffee"))')
    far = book.python(
        "r = view.result\n"
        "expected = torch.stack([hidden(x, int(t), int(l), r.size[0]) for t in r.tops[::3] for l in r.lefts[::3]])\n"
        "shares = r.probabilities()[::3, ::3].reshape(len(expected), -1)\n"
        "print(float((torch.from_numpy(shares) - expected).abs().max()), r.size[0], r.how)"
    )
    off, made, how = far.split(" ", 2)
    assert float(off) < 1e-5
    assert int(made) == size
    assert "on windows" in how
    expect(pane(page, "occlusion_map").locator(".nn-count")).to_have_attribute(
        "title", re.compile("operations on windows")
    )

    # A size that was seen already is shown without waiting for the kernel.
    other = "48" if size != 48 else "64"
    book.python(f"view.size = {other}")
    expect(pane(page, "photo").locator("output")).to_have_text(f"{other} px")
    expect(progress).to_contain_text(re.compile(r"^\d+ positions"), timeout=30_000)
    book.python("lens.session.worker.hold()")
    book.python(f"view.size = {size}")
    expect(pane(page, "photo").locator("output")).to_have_text(f"{size} px")
    assert not pane(page, "occlusion_map").locator("canvas").first.evaluate("one => one.classList.contains('nn-stale')")
    book.python("lens.session.worker.release()")

    # Pinned beside each other, on one scale.
    pane(page, "occlusion_map").get_by_role("button", name="pin this map for comparison").click()
    book.python(f"view.size = {other}")
    expect(pane(page, "occlusion_map").locator(".nn-pinned")).to_contain_text(f"pinned: {size} px, grey")

    # At one place, by size; and pixels hidden by hand, against plain torch.
    hover_photo(page, 0.5, 0.4)
    expect(pane(page, "size_curve").locator("canvas")).to_be_visible(timeout=20_000)
    position, sizes, shares = json.loads(
        book.python(
            "import json; c = view.size_curve\nprint(json.dumps([c['position'], c['sizes'], c['probability'][0]]))"
        )
    )
    target = int(book.python("print(view.target)"))
    centre = [one + int(other) / 2 for one in position]
    for one, share in zip(sizes, shares, strict=True):
        top, left = (round(at - one / 2) for at in centre)
        if min(top, left) >= 0:
            own = float(book.python(f"print(float(hidden(x, {top}, {left}, {one})[{target}]))"))
            assert share == pytest.approx(own, abs=1e-5)
    page.screenshot(path=tmp_path / "sizes.png")
    _a_painted_mask_is_right(book, page)
    page.screenshot(path=tmp_path / "hand.png")
    pane(page, "photo").get_by_role("button", name="clear").click()
    expect(pane(page, "photo").locator(".nn-reading")).not_to_contain_text("→")
