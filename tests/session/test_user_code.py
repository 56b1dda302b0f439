"""nnlens beside the user's own code: training loops, cells that run again, many lenses, objects that are printed."""

from __future__ import annotations

import copy
import re
import threading

import numpy as np
import pytest
import torch
from nets import LABELS, Net
from torch import nn

import nnlens
from nnlens import kernels
from nnlens.utils.files import remove_parts, replacing
from nnlens.widgets.base import reruns


def test_training_in_a_script_is_not_disturbed_by_open_views(photo):
    torch.manual_seed(0)
    model = Net()
    twin = copy.deepcopy(model)
    data, labels = torch.randn(20, 4, 3, 16, 16), torch.randint(0, 5, (20, 4))
    view = nnlens.Lens(model, preprocess={"size": 16}).explore(photo, size=4, stride=4)

    def train(net, look):
        torch.manual_seed(1)
        optimiser = torch.optim.SGD(net.parameters(), lr=0.05)
        net.train()
        for step, (x, y) in enumerate(zip(data, labels, strict=True)):
            assert net.training, f"step {step}"
            look(step)
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimiser.step()

    train(model, lambda step: view.set_state({"occluder": [step % 8, 1], "size": 2 + step % 3}))
    train(twin, lambda step: None)
    for name, value in twin.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    # Who waits has the view of the model as it is now.
    view.set_state({"occluder": [3, 3]})
    assert view.wait(60)
    with torch.no_grad():
        right = copy.deepcopy(model).eval()(view.selection.sample.input.x)[0]
    np.testing.assert_allclose(view.selection.sample.logits, right, atol=1e-5)


def test_all_lenses_share_one_thread(photo):
    before = threading.active_count()
    views = [nnlens.Lens(Net().eval(), preprocess={"size": 16}).explore(photo, size=6, stride=6) for _ in range(12)]
    for view in views:
        view.occluder = [1, 2]
    assert all(view.wait(60) for view in views)
    assert all(view.occlusion_map["done"] == 9 for view in views)
    assert threading.active_count() <= before + 1


def test_a_cell_that_runs_again_closes_what_it_made(monkeypatch, lens, photo):
    from ipywidgets.widgets.widget import _instances

    def run(number):
        monkeypatch.setattr(reruns, "_running_cell", lambda: ("cell", str(number)))
        return lens.explore(photo), lens.occlusion(photo)

    first = run(1)
    there = len(_instances)
    for number in range(2, 6):
        last = run(number)
    assert len(_instances) == there
    assert first[0].comm is None
    assert last[0].comm is not None
    assert last[1].comm is not None, "both views of a cell stay"
    monkeypatch.setattr(reruns, "_running_cell", lambda: ("other", "9"))
    lens.explore(photo)
    assert last[0].comm is not None


def test_a_great_many_classes_stay_within_the_budget():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 60_000))
    names = [f"the class with the number {index}" for index in range(60_000)]
    view = nnlens.Lens(model.eval(), labels=names).explore(torch.rand(1, 1, 12, 12), size=6, stride=6, target=31_000)
    assert view.labels == []
    assert view.shown_labels["31000"] == "the class with the number 31000"
    data, _ = view._repr_mimebundle_()
    assert len(data["text/html"]) < 2_000_000


# Files


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    path.chmod(0o640)

    def fails():
        with replacing(path) as file:
            file.write(b"half")
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        fails()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with replacing(path) as file:
        file.write(b"after")
    assert path.read_text() == "after"
    assert path.stat().st_mode & 0o777 == 0o640
    (tmp_path / ".x.part").write_text("left by a process that was killed")
    remove_parts(tmp_path, older=-1)
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_cache_is_a_warning(tmp_path, net):
    images = torch.randn(6, 3, 16, 16)
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="the results are not stored on disk"):
        found = kernels.examples(net, images, ["stem"], store=tmp_path / "file" / "below")
    assert found.complete
    assert "not stored on disk" in found.unsaved


def test_a_page_has_the_authors_title_and_text(lens, photo, tmp_path):
    path = lens.explore(photo).save(tmp_path / "a.html", title="Where <is> it?", text="Look.\n\nThen think & look.")
    page = path.read_text()
    assert "<title>Where &lt;is&gt; it?</title>" in page
    assert "<h1>Where &lt;is&gt; it?</h1><p>Look.</p><p>Then think &amp; look.</p>" in page
    plain = lens.explore(photo).save(tmp_path / "b.html").read_text()
    assert "<h1>" not in plain
    title = plain.partition("<title>")[2].partition("</title>")[0]
    assert len(title) < 100
    assert any(name in title for name in LABELS)


# Printed objects


def test_printed_objects_are_short_and_have_a_picture(lens, net, photo):
    view = lens.explore(photo, size=8, stride=8)
    x = view.selection.sample.input.x
    recording = nnlens.record(net, x)
    found = [
        view.result,
        view.result.occlusion,
        view.result.activations,
        recording,
        kernels.gradient(net, x),
        kernels.lime(net, x, samples=20, segmentation="grid", segments=4).surrogate,
        kernels.back_projection(net, x, 1),
        kernels.ablation(net, x, "stem", 1),
        kernels.connections(recording, x, "stem", 1),
        kernels.summary(net, x, passes=1),
        kernels.synthesis(net, x, ("stem", 1), steps=8),
        kernels.examples(net, torch.randn(4, 3, 32, 32), ["stem"]),
        kernels.examples(net, torch.randn(4, 3, 32, 32), ["stem"])["stem"],
        lens.attribution(photo, methods=["gradient"], checks=["randomisation", "faithfulness"]).result,
    ]
    evidence = found[-1].evidence["gradient", 0]
    found += [evidence, evidence.randomisation, evidence.faithfulness]
    for one in found:
        assert len(repr(one)) < 1500, type(one).__name__
        html = one._repr_html_()
        assert re.search("<img|<table|nnlens-table", html), type(one).__name__
        assert "<script" not in html
    for one in (view.selection.sample, view.selection.sample.input, view, lens, lens.meaning):
        assert len(repr(one)) < 600, type(one).__name__


# Parts of a view


def test_parts_and_controls_can_be_left_out_and_left_in(lens, photo):
    every = lens.explore(photo)
    assert every.hide == []
    bare = lens.explore(photo, hide="controls")
    assert {"open", "webcam", "paint", "search", "fill", "card", "code", "meaning"} <= set(bare.hide)
    assert {"size", "filter", "number", "overlay"} <= set(bare.hide)
    assert "occlusion_map" not in bare.hide
    only = lens.explore(photo, show=["photo", "bars"])
    assert not {"photo", "bars"} & set(only.hide)
    assert {"occlusion_map", "mosaic", "paint", "search", "size"} <= set(only.hide)
    assert {"size", "filter"}.isdisjoint(lens.explore(photo, show=["occlusion_map", "layers"]).hide)
    grid = lens.attribution(photo, methods=["gradient"], checks=[], hide="controls")
    assert {"controls", "open", "code"} <= set(grid.hide)


def test_a_unit_that_is_a_class_goes_by_its_name(lens, photo):
    view = lens.explore(photo, layer="head", unit=3)
    assert view.unit_map["class_name"] == LABELS[3]
    assert f"the class {LABELS[3]}" in view.describe()
    view.selection.layer = "stem"
    assert view.unit_map["class_name"] == ""
