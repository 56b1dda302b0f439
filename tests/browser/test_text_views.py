"""The views of texts in JupyterLab, and as pages without a kernel."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

import nnlens

pytestmark = pytest.mark.browser
SETUP = """import nnlens
reader = nnlens.zoo.code_lstm()
lens = nnlens.Lens(reader.model, alphabet=reader.alphabet)
text = nnlens.zoo.code_text(1000)"""
CELLS = 'view = lens.cells(text, layer="rnn.cell_l1", unit=35)\nview'
FILE = """import pathlib
file = pathlib.Path("long.txt").absolute()
file.write_text(nnlens.zoo.code_text(60_000), "utf-8")
by = {"workers": 1, "shard_size": 1000}"""
CONTEXTS = 'view = lens.cells(text, corpus=file, layer="rnn.cell_l1", unit=35, **by)\nview'


def pane(view: Locator, name: str) -> Locator:
    return view.locator(f'[data-pane="{name}"]')


def open_page(page: Page, tmp_path, view, width: int = 960) -> Locator:
    """A saved view in the browser."""
    path = view.save(tmp_path / "page.html")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(path.as_uri())
    return page.locator(".nnlens")


def test_typing_recolours_and_finding_leads_to_a_cell(lab, page, errors):
    notebook = lab("cells.ipynb", [SETUP, CELLS])
    notebook.run_all()
    view = page.locator(".nn-cells")
    token = pane(view, "text").locator("[data-token='5']")
    expect(token).to_be_visible(timeout=60_000)
    before = token.evaluate("element => getComputedStyle(element).backgroundColor")
    pane(view, "text").get_by_role("button", name="edit the text").click()
    field = pane(view, "text").locator("textarea")
    field.fill('x = "a"')
    expect(pane(view, "text")).to_contain_text("7 tokens", timeout=30_000)
    shown = "".join(pane(view, "text").locator("[data-token]").all_inner_texts())
    assert shown == 'x = "a"'
    assert token.evaluate("element => getComputedStyle(element).backgroundColor") != before
    assert notebook.python("print(repr(lens.selection.sample.input.text.text))") == repr('x = "a"')
    # Back to a text in which there is something to find; the kernel's choice comes back too.
    notebook.python("view.typed = {'text': nnlens.zoo.code_text(4000)}")
    expect(pane(view, "text")).to_contain_text("4,000 tokens", timeout=30_000)
    pane(view, "find").locator("select").first.select_option("inside brackets")
    first = pane(view, "find").locator(".nn-link").first
    expect(first).to_be_visible(timeout=60_000)
    notebook.python("view.wait()")  # ranked layer by layer, the first one may change
    page.wait_for_timeout(500)
    first.click()
    assert notebook.python("print(view.unit)") == first.locator(".nn-unit-name span").first.inner_text().rstrip(" −")
    expect(pane(view, "find")).to_contain_text("one half of the text chose")
    # Pointing at the text, the line and the picture show the same token.
    pane(view, "text").locator("[data-token='12']").hover()
    expect(pane(view, "text")).to_contain_text("token 12")
    view.press("Control+z")
    assert errors == []


def test_a_keystroke_is_answered_quickly(lab, page, errors):
    notebook = lab("keystroke.ipynb", [SETUP, CELLS])
    notebook.run_all()
    view = page.locator(".nn-cells")
    expect(pane(view, "text").locator("[data-token='5']")).to_be_visible(timeout=60_000)
    pane(view, "text").get_by_role("button", name="edit the text").click()
    field = pane(view, "text").locator("textarea")
    field.press("Control+Home")
    for number in range(3):
        field.press("q")
        expect(pane(view, "text").locator("[data-token='0']")).to_have_text("q", timeout=10_000)
        expect(pane(view, "text")).to_contain_text(f"1,00{number + 1} tokens", timeout=10_000)
    assert errors == []


def test_a_cell_is_held_and_the_model_writes(lab, page, errors):
    notebook = lab("hold.ipynb", [SETUP.replace("1000", "200"), CELLS])
    notebook.run_all()
    view = page.locator(".nn-cells")
    slider = pane(view, "hold").locator("input[type=range]")
    expect(slider).to_be_enabled(timeout=60_000)
    slider.fill("100")
    expect(pane(view, "hold")).to_contain_text(re.compile("loss .* → .* nats per token"), timeout=30_000)
    pane(view, "hold").get_by_role("button", name="let the model write").click()
    expect(pane(view, "hold").locator(".nn-sample")).to_have_count(2, timeout=60_000)
    pane(view, "hold").get_by_role("button", name="let it go").click()
    expect(pane(view, "hold").locator(".nn-sample")).to_have_count(0)
    assert notebook.python("print(view.hold_at)") == "None"
    assert errors == []


def test_attention_and_the_logit_lens_live(lab, page, errors):
    setup = """import nnlens
writer = nnlens.zoo.glass_lm()
lens = nnlens.Lens(writer.model, tokenizer=writer.tokenizer)
words = "Alice was beginning to get very tired of sitting by her sister"
"""
    notebook = lab(
        "attention.ipynb", [setup, "heads = lens.attention(words)\nheads", "depths = lens.logit_lens()\ndepths"]
    )
    notebook.run_all()
    view = page.locator(".nn-attention")
    expect(pane(view, "patterns").locator("tbody tr")).to_have_count(5, timeout=60_000)
    pane(view, "heads").locator("select").first.select_option(index=1)
    expect(pane(view, "heads").locator("h2")).to_have_attribute("title", re.compile(r"blocks\.1\."), timeout=30_000)
    assert notebook.python("print(heads.result.module)") == "blocks.1.attn"
    pane(view, "patterns").get_by_role("button", name="head 3").click()
    assert notebook.python("print(heads.head)") == "3"
    pane(view, "patterns").get_by_role("button", name="remove each head").click()
    expect(pane(view, "patterns")).to_contain_text("loss without it", timeout=30_000)
    pane(view, "tokens").locator("[data-token='4']").click()
    assert notebook.python("print(heads.token)") == "4"
    expect(pane(view, "tokens")).to_contain_text("reads")
    lens = page.locator(".nn-logit_lens")
    canvas = pane(lens, "lens").locator("canvas")
    canvas.scroll_into_view_if_needed()
    canvas.press("ArrowLeft")
    expect(pane(lens, "ranks").locator("h2")).to_contain_text("ranks over the depth, at")
    expect(pane(lens, "lens")).to_contain_text("read by norm → head")
    assert errors == []


def test_ten_thousand_characters_scroll_with_few_of_them_in_the_page(page, tmp_path, errors):
    reader = nnlens.zoo.code_lstm()
    view = nnlens.Lens(reader.model, alphabet=reader.alphabet).cells(nnlens.zoo.code_text(10_000), unit=35)
    root = open_page(page, tmp_path, view)
    box = pane(root, "text").locator(".nn-text")
    expect(box.locator("[data-token='0']")).to_be_attached(timeout=30_000)
    assert box.locator("[data-token]").count() < 3000
    took = page.evaluate(
        """async () => {
            const box = document.querySelector(".nn-text");
            const times = [];
            for (let step = 1; step <= 20; step++) {
                const start = performance.now();
                box.scrollTop = (step / 20) * box.scrollHeight;
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                times.push(performance.now() - start);
            }
            return times;
        }"""
    )
    assert box.locator("[data-token='9999']").count() == 1
    assert box.locator("[data-token]").count() < 3000
    print(f"a scroll of 500 characters: at most {max(took):.0f} ms")
    assert errors == []


def test_a_page_keeps_layers_cells_and_what_was_found(page, tmp_path, errors):
    reader = nnlens.zoo.code_lstm()
    lens = nnlens.Lens(reader.model, alphabet=reader.alphabet)
    view = lens.cells(nnlens.zoo.code_text(600), find="inside quotes", predictions=True)
    view.wait()
    root = open_page(page, tmp_path, view)
    expect(pane(root, "find").locator(".nn-link").first).to_be_visible(timeout=30_000)
    expect(root.locator(".nn-token-under").first).to_be_visible()
    node = pane(root, "layers").locator("[role=treeitem]", has_text="forget_gate_l0")
    node.click()
    expect(pane(root, "mosaic").locator("h2")).to_contain_text("rnn.forget_gate_l0")
    number = pane(root, "text").locator("input[type=number]")
    number.fill("7")
    number.press("Enter")
    expect(pane(root, "mosaic").locator("canvas")).to_have_attribute("aria-label", re.compile("cell 7 is selected"))
    expect(pane(root, "find").locator("select").first).to_be_disabled()
    assert errors == []


def test_marking_a_part_of_the_text(lab, page, errors):
    notebook = lab("mark.ipynb", [SETUP, CELLS])
    notebook.run_all()
    view = page.locator(".nn-cells")
    first, last = (pane(view, "text").locator(f"[data-token='{token}']") for token in (3, 9))
    expect(first).to_be_visible(timeout=60_000)
    first.hover()
    page.mouse.down()
    last.hover()
    page.mouse.up()
    expect(pane(view, "find").locator("select").first).to_have_value("marked", timeout=30_000)
    deadline = time.monotonic() + 10
    while notebook.python("print(view.marked)") != "[[3, 10]]" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert notebook.python("print(view.marked)") == "[[3, 10]]"
    assert errors == []


def test_contexts_in_a_file_are_stopped_and_go_on(lab, page, errors):
    notebook = lab("contexts.ipynb", [SETUP, FILE, CONTEXTS])
    notebook.run_all()
    contexts = page.locator('.nn-cells [data-pane="contexts"]')
    stop = contexts.get_by_role("button", name="stop", exact=True)
    expect(contexts.locator(".nn-count")).to_contain_text(re.compile(r"\d"), timeout=60_000)
    stop.click()
    go_on = contexts.get_by_role("button", name="continue", exact=True)
    expect(go_on).to_be_visible(timeout=30_000)
    read = int(notebook.python("print(len(lens.session.contexts.found('rnn.cell_l1')))"))
    go_on.click()
    expect(go_on).to_be_hidden(timeout=120_000)
    expect(stop).to_be_hidden(timeout=120_000)
    assert notebook.python("print(view.wait(120), view.error)") == "True None"
    assert int(notebook.python("print(view.contexts['windows'])")) > read
    assert errors == []
