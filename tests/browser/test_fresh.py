"""A training and its view; views of a changed model, of scores read in another way, and of a kernel that goes."""

from __future__ import annotations

import re

import pytest
from drive import pane, unfold, widget
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SETUP = """import nnlens, torch
model, transform, names = nnlens.zoo.digits()
digits = nnlens.zoo.DigitImages()
lens = nnlens.Lens(model, preprocess=transform, labels=names)
view = lens.explore(digits[3][0])
view"""


def test_a_view_of_an_older_model_says_so(lab, page, errors, tmp_path):
    book = lab("fresh.ipynb", [SETUP])
    book.run_all()
    expect(pane(page, "occlusion_map").locator(".nn-count")).to_contain_text("positions", timeout=60_000)
    expect(pane(page, "photo").locator("select").first).to_have_value("background")
    book.python("view.wait()")  # a map that is being computed is begun again by itself
    old = widget(page).locator(".nn-changed")
    expect(old).to_be_hidden()

    # Trained in a cell: every view of the model is marked, and one click computes it again.
    book.python("with torch.no_grad():\n    model.classifier.weight.data.mul_(0.3)")
    expect(old).to_contain_text("The model has changed")
    page.screenshot(path=str(tmp_path / "old.png"))
    old.locator("button").click()
    expect(old).to_be_hidden(timeout=30_000)
    right = book.python("print(f'{float(model(view.selection.sample.input.x).detach().softmax(1).max()):.2f}')")
    expect(pane(page, "photo").locator(".nn-reading")).to_have_text(re.compile(right.lstrip("0") + "$"))

    # Its scores are read in another way, in the view.
    reads = unfold(page, "bars").locator("select")
    expect(reads).to_have_value("multiclass")
    reads.select_option("multilabel")
    right = book.python("print(f'{float(model(view.selection.sample.input.x).detach().sigmoid().max()):.2f}')")
    expect(pane(page, "photo").locator(".nn-reading")).to_have_text(re.compile(right.lstrip("0") + "$"), timeout=30_000)
    assert book.python("print(lens.task)") == "multilabel"

    # The kernel is restarted: with the next change the view says that nobody answers.
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    page.wait_for_timeout(3000)
    pane(page, "bars").locator(".nn-bar").nth(1).click()
    expect(old).to_contain_text("The kernel does not answer", timeout=30_000)
    expect(widget(page).locator(".nn-status")).to_contain_text("no answer")
    page.screenshot(path=str(tmp_path / "silent.png"))


TRAINING = """import torch, nnlens, tempfile, time
import torch.nn.functional as F
model, transform, names = nnlens.zoo.digits()
digits = nnlens.zoo.DigitImages()
x = torch.stack([transform(image) for image, _ in digits])
y = torch.tensor([label for _, label in digits])
lens = nnlens.Lens(model, preprocess=transform, labels=names)
optimiser = torch.optim.SGD(model.parameters(), lr=0.005)
watch = nnlens.Watch(lens, x[:8], folder=tempfile.mkdtemp() + "/run")
view = watch.view()
view"""
TRAIN = """begin, told = time.monotonic(), []
view.observe(lambda change: told.append(time.monotonic()), "watched")
while time.monotonic() - begin < 60 and not watch.stop_requested:
    batch = torch.randint(0, len(x), (32,))
    loss = F.cross_entropy(model(x[batch]), y[batch])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    watch.step(loss=loss)
watch.close()
ended = time.monotonic() - begin"""


def test_the_view_follows_a_training_and_stops_it(lab, page, tmp_path, errors):
    notebook = lab("training.ipynb", [TRAINING, TRAIN])
    notebook.run_all()
    expect(page.locator(".nn-training")).to_be_visible(timeout=60_000)
    # While the cell runs the counts go up, and the button is heard.
    expect(pane(page, "curves")).to_contain_text(re.compile(r"\d\d steps"), timeout=60_000)
    first = pane(page, "curves").inner_text()
    page.wait_for_timeout(1500)
    assert pane(page, "curves").inner_text() != first
    page.wait_for_timeout(3000)
    pane(page, "curves").get_by_role("button", name="ask the training to end").click()
    expect(pane(page, "curves").get_by_role("button", name="ask the training to end")).to_be_hidden(timeout=30_000)
    assert float(notebook.python("print(ended)")) < 55
    assert float(notebook.python("print(len(told) / ended)")) >= 2
    # Back in the training: the copy, the numbers and the maps follow.
    expect(pane(page, "film").locator("canvas").first).to_be_visible(timeout=60_000)
    slider = pane(page, "curves").locator("input[type=range]")
    slider.fill("0")
    expect(pane(page, "curves")).to_contain_text(re.compile(r"step 1\b"))
    same = "all(v.equal(watch.checkpoints.load(1)[k]) for k, v in watch.lens.model.state_dict().items())"
    assert notebook.python(f"view.wait(30); print({same})") == "True"
    pane(page, "figures").locator("select").select_option("gradient")
    expect(pane(page, "figures")).to_contain_text("the root of the sum of squares")
    # The page keeps the slider.
    path = tmp_path / "page.html"
    notebook.python(f"print(view.save({str(path)!r}))")
    page.goto(path.as_uri())
    expect(pane(page, "film").locator("canvas").first).to_be_visible()
    picture = "canvas => canvas.toDataURL()"
    before = pane(page, "film").locator("canvas").first.evaluate(picture)
    slider = pane(page, "curves").locator("input[type=range]")
    slider.fill(slider.get_attribute("max"))
    page.wait_for_timeout(200)
    assert pane(page, "film").locator("canvas").first.evaluate(picture) != before
    assert errors == []


MADE = """import copy, torch, nnlens
from torch import nn
x, y = nnlens.zoo.digit_vectors(200, 8)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
start = copy.deepcopy(model)
optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
for _step in range(60):
    optimiser.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimiser.step()
lens = nnlens.Lens(model)"""
VIEWS = [
    'theory = nnlens.theory("edge of chaos", lens)\ntheory',
    "landscape = lens.landscape((x, y), points=121, other=start)\nlandscape",
    "similar = lens.similarity(start, x)\nsimilar",
]


def test_what_a_training_has_made(lab, page, tmp_path, errors):
    notebook = lab("made.ipynb", [MADE, *VIEWS])
    notebook.run_all()
    # The landscape fills up, and is stopped before it is complete.
    landscape = page.locator(".nn-landscape")
    contour = landscape.locator('[data-pane="contour"]')
    expect(contour).to_contain_text("points", timeout=60_000)
    contour.get_by_role("button", name="stop", exact=True).click()
    expect(contour).to_contain_text("stopped", timeout=30_000)
    shares = [float(notebook.python("print(landscape.landscape['share'])"))]
    assert 0 < shares[0] < 1
    # A theory: a setting is changed by hand, and what comes out is what the kernel says.
    theory = page.locator(".nn-theory")
    answer = theory.locator('[data-pane="theory"] .nn-answer')
    expect(answer).to_contain_text("chaos", timeout=60_000)
    theory.locator('[data-setting="weights"] input').fill("0")
    expect(answer).to_contain_text("order", timeout=30_000)
    theory.locator("select").first.select_option("double descent")
    expect(answer).to_contain_text("On digits the peak is at 200 features", timeout=60_000)
    expect(theory.locator('[data-pane="plots"] canvas')).to_have_count(2)
    # And goes on.
    contour.get_by_role("button", name="continue", exact=True).click()
    contour.locator("select").first.select_option("one")
    expect(contour).to_contain_text("the model", timeout=60_000)
    expect(landscape.locator('[data-pane="between"]')).to_contain_text("rises", timeout=30_000)
    expect(landscape.locator('[data-pane="curvature"]')).to_contain_text("the next ones", timeout=60_000)
    # The similarity of layers: the last pair by its keys, and the units of that layer.
    matrix = page.locator('.nn-similarity [data-pane="matrix"]')
    canvas = matrix.locator("canvas")
    expect(canvas).to_be_visible(timeout=60_000)
    canvas.focus()
    for key in ("ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
    value = notebook.python("print(f'{similar.result.values[1, 1]:.2f}')")
    expect(matrix).to_contain_text(f"3 and 3: {value}")
    expect(page.locator('.nn-similarity [data-pane="units"]')).to_contain_text("of 256 units of 3")
    page.screenshot(path=str(tmp_path / "made.png"))
    # A page without a kernel keeps what was tried.
    path = tmp_path / "theory.html"
    notebook.python(f"print(theory.save({str(path)!r}))")
    page.goto(path.as_uri())
    answer = page.locator('[data-pane="theory"] .nn-answer')
    expect(answer).to_contain_text("On digits")
    page.locator("select").first.select_option("edge of chaos")
    expect(answer).to_contain_text("χ", timeout=10_000)
