from __future__ import annotations

import base64
import copy
import html
import json
import re

import numpy as np
import pytest
import torch
from pages import unpack

import nnlens
from nnlens.cli import main
from nnlens.export.bundle import pack, within_budget
from nnlens.export.freeze import freeze, freeze_notebook
from nnlens.export.preprocessor import FreezePreprocessor

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def test_live_outputs_have_all_four_forms(lens, photo):
    nnlens.set_mode("live")
    data, _ = lens.explore(photo)._repr_mimebundle_()
    assert set(data) == {VIEW, "text/html", "image/png", "text/plain"}
    assert base64.b64decode(data["image/png"])[:4] == b"\x89PNG"
    assert data["text/html"].startswith('<div class="nnlens-still"><img src="data:image/png;base64,')


def test_without_a_client_there_is_no_comm_and_no_live_view(lens, photo, monkeypatch):
    monkeypatch.setenv("NNLENS_MODE", "static")
    view = lens.explore(photo)
    assert view.comm is None
    data, _ = view._repr_mimebundle_()
    assert set(data) == {"text/html", "image/png", "text/plain"}


def test_a_still_page_holds_units_layers_sizes_and_targets(lens, photo):
    nnlens.set_mode("static")
    view = lens.explore(photo, layers=["stem", "pool"], sizes=[4, 12], stride=4, size=8)
    content = unpack(view._repr_mimebundle_()[0]["text/html"])
    layers, sizes = (one["table"] for one in sorted(content["responses"], key=lambda one: one["on"]))
    assert set(layers) == {view.layer, "stem", "pool"}
    assert set(sizes) == {"8|grey", "4|grey", "12|grey"}
    for table in layers.values():
        mosaic = table["mosaic"]
        assert len(mosaic["data"]) == mosaic["units"] * mosaic["rows"] * mosaic["columns"], "every unit of the layer"
    for table in sizes.values():
        heatmap = table["occlusion_map"]
        assert heatmap["done"] == len(heatmap["tops"]) * len(heatmap["lefts"]), "the whole experiment"
        assert len(heatmap["targets"]) == 5
    assert "export default" in content["esm"] or "as default" in content["esm"]


def test_pages_stay_within_two_megabytes_and_say_what_did_not_fit():
    wide = torch.nn.Sequential(*[torch.nn.Conv2d(3, 64, 3), *(torch.nn.Conv2d(64, 64, 1) for _ in range(23))])
    model = torch.nn.Sequential(wide, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    nnlens.set_mode("static")
    noise = torch.randn(1, 3, 64, 64)  # noise does not deflate
    view = nnlens.Lens(model).explore(noise, layers=[f"0.{at}" for at in range(24)], sizes=[], stride=64)
    data, _ = view._repr_mimebundle_()
    assert len(data["text/html"]) + len(data["image/png"]) < 2_000_000
    assert re.search(r"\d+ of the 24 layers asked for did not fit into this page", view.note)
    assert view.note == unpack(data["text/html"])["state"]["note"]


def test_a_page_saved_live_holds_the_whole_experiment(lens, photo, tmp_path):
    view = lens.explore(photo, size=8, stride=4, sizes=[4])
    view.set_state({"unit": 999})
    assert view.error
    content = unpack(view.save(tmp_path / "x.html").read_text())
    sizes = next(one["table"] for one in content["responses"] if one["on"] == ["size", "fill"])
    assert set(sizes) == {"8|grey", "4|grey"}
    for table in sizes.values():
        assert table["occlusion_map"]["done"] == len(table["occlusion_map"]["tops"]) ** 2
    assert content["state"]["error"] is None


def test_large_inputs_stay_within_the_budget(net):
    nnlens.set_mode("static")
    view = nnlens.Lens(net).occlusion(torch.randn(3, 900, 900), size=300, stride=300, sizes=[])
    data, _ = view._repr_mimebundle_()
    assert len(data["text/html"]) + len(data["image/png"]) < 2_000_000
    assert view.photo["width"] == 900


def test_labels_cannot_become_html(net, photo):
    nnlens.set_mode("static")
    evil = ['<img src=x onerror="alert(1)">', "</script><script>alert(2)</script>", "a", "b", "c"]
    view = nnlens.Lens(net, preprocess={"size": 32}, labels=evil).explore(photo)
    page = view._repr_mimebundle_()[0]["text/html"]
    assert "alert(" not in html.unescape(re.sub(r'alt="[^"]*"', "", page))
    assert page.count("<script") == 2


def test_packing_round_trips():
    content = {"a": [1, {"b": b"12"}, b""], "c": {"d": b"\x00\xff" * 5}, "e": None, "f": "words"}
    page = f'<script type="text/plain">{base64.b64encode(pack(content)).decode()}</script>'
    assert unpack(page) == content


def test_the_budget_takes_what_fits_in_order():
    small, large = {"x": b"1" * 100}, {"x": np.random.default_rng(0).bytes(50_000)}
    assert set(within_budget([("a", small), ("b", large), ("c", small)], 30_000)) == {"a", "c"}
    assert set(within_budget([("a", small), ("b", large), ("c", small)], 80_000)) == {"a", "b", "c"}
    assert set(within_budget([("b", large), ("a", small)], 1000)) == set(), "what is hardly there is not searched"


def live_notebook(lens, photo) -> dict:
    """A notebook that was run live and saved with its widget state, with a foreign widget beside ours."""
    nnlens.set_mode("live")
    view = lens.explore(photo)
    data, metadata = view._repr_mimebundle_()
    data[VIEW] = {"version_major": 2, "version_minor": 0, "model_id": "ours"}
    foreign = {VIEW: {"version_major": 2, "version_minor": 0, "model_id": "slider"}, "text/plain": "IntSlider()"}
    explorer = {"_anywidget_id": "nnlens.widgets.explorer.Explorer"}
    state = {
        "ours": {"model_name": "AnyModel", "state": {**explorer, "layout": "IPY_MODEL_l1"}},
        "hidden": {"model_name": "AnyModel", "state": {**explorer, "layout": "IPY_MODEL_l2"}},
        "l1": {"model_name": "LayoutModel", "state": {}},
        "l2": {"model_name": "LayoutModel", "state": {}},
        "boxed": {"model_name": "AnyModel", "state": explorer},
        "slider": {"model_name": "IntSliderModel", "state": {"layout": "IPY_MODEL_l2"}},
        "box": {"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_boxed"]}},
    }  # fmt: skip
    output = {"output_type": "execute_result", "execution_count": 1}
    return {
        "cells": [
            {"cell_type": "markdown", "source": "text", "metadata": {}, "id": "a"},
            {"cell_type": "code", "source": "view", "metadata": {}, "execution_count": 1, "id": "b",
             "outputs": [{**output, "data": data, "metadata": metadata}, {**output, "data": foreign, "metadata": {}}]},
        ],
        "metadata": {"widgets": {STATE: {"version_major": 2, "version_minor": 0, "state": state}}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }  # fmt: skip


def test_freezing_takes_ours_leaves_others_and_is_idempotent(lens, photo):
    notebook = live_notebook(lens, photo)
    assert freeze_notebook(notebook) == 1
    ours, foreign = (output["data"] for output in notebook["cells"][1]["outputs"])
    assert VIEW not in ours
    assert "text/html" in ours
    assert foreign[VIEW]["model_id"] == "slider"
    assert set(notebook["metadata"]["widgets"][STATE]["state"]) == {
        "slider",
        "l2",  # the slider's too
        "box",
        "boxed",  # inside another package's box
    }
    once = copy.deepcopy(notebook)
    assert freeze_notebook(notebook) == 0
    assert notebook == once


@pytest.mark.parametrize("widgets", [{"state": {}}, {STATE: {"version_major": 2}}, "nonsense", {STATE: {"state": {}}}])
def test_malformed_widget_state_is_removed(widgets):
    notebook = {"cells": [], "metadata": {"widgets": widgets}}
    freeze_notebook(notebook)
    assert notebook["metadata"] == {}


def test_freeze_on_the_command_line(lens, photo, tmp_path, capsys):
    path = tmp_path / "lesson.ipynb"
    path.write_text(json.dumps(live_notebook(lens, photo)))
    assert main(["freeze", str(path), "-o", str(tmp_path / "still.ipynb")]) == 0
    assert VIEW in path.read_text()
    assert main(["freeze", str(path)]) == 0
    assert capsys.readouterr().out.count("1 output frozen") == 2
    assert path.read_text() == (tmp_path / "still.ipynb").read_text()
    stamp = path.stat().st_mtime_ns
    assert main(["freeze", str(path)]) == 0
    assert path.stat().st_mtime_ns == stamp, "nothing to do, nothing written"
    (tmp_path / "bad.ipynb").write_text("{")
    assert main(["freeze", str(tmp_path / "bad.ipynb"), str(tmp_path / "none.ipynb")]) == 1
    assert "bad.ipynb is not valid JSON" in (found := capsys.readouterr().err)
    assert "path must be a notebook that exists" in found


def test_the_preprocessor_does_the_same(lens, photo):
    import nbformat

    notebook = nbformat.from_dict(live_notebook(lens, photo))
    done, _ = FreezePreprocessor().preprocess(notebook, {})
    assert VIEW not in done.cells[1].outputs[0].data
    assert VIEW in done.cells[1].outputs[1].data


def test_doctor_says_what_is_there(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert nnlens.__version__ in out
    assert "JavaScript  built" in out


@pytest.mark.parametrize("mode", ["still", 3])
def test_modes_are_checked(mode, monkeypatch):
    with pytest.raises(ValueError, match="mode must be"):
        nnlens.set_mode(mode)
    monkeypatch.setenv("NNLENS_MODE", str(mode))
    with pytest.raises(ValueError, match="NNLENS_MODE must be"):
        nnlens.session.mode.is_static()


def test_notebooks_that_are_malformed_are_named_and_left_alone(tmp_path):
    for text, message in (
        ('{"cells": 3}', "cells must be a list"),
        ('{"cells": [4]}', r"cells\[0\] must be a dict"),
        ('{"cells": [{"outputs": {}}]}', r"cells\[0\].outputs must be a list"),
        ('{"cells": [{"outputs": [null]}]}', r"cells\[0\].outputs\[0\] must be a dict"),
        ('{"cells": [{"outputs": [{"data": []}]}]}', r"outputs\[0\].data must be a dict"),
        ('{"cells": [], "metadata": []}', "metadata must be a dict"),
        ("[]", "has no cells"),
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
    ):
        path = tmp_path / "a.ipynb"
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            freeze(path)
        assert path.read_text() == text
    with pytest.raises(ValueError, match="is a folder"):
        freeze(tmp_path)


def test_half_of_a_surrogate_pair_does_no_harm(tmp_path):
    still = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/html": '<div class="nnlens-still">'}
    cells = [{"outputs": [{"data": still}, {"name": "stdout", "text": "\ud83d"}]}]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}}))
    assert freeze(path) == 1
    assert json.loads(path.read_text())["cells"][0]["outputs"][1]["text"] == "\ud83d"


def test_state_that_colab_wrote_gets_the_standard_form_and_keeps_other_widgets(tmp_path):
    key = "application/vnd.jupyter.widget-state+json"
    other = {"model_module": "anywidget", "model_name": "AnyModel", "state": {"_anywidget_id": "other.Counter", "n": 7}}
    ours = {**other, "state": {"_anywidget_id": "nnlens.widgets.explorer.Explorer"}}
    path = tmp_path / "c.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": {"widgets": {key: {"f1": other, "f2": ours}}}}))
    freeze(path)
    kept = json.loads(path.read_text())["metadata"]["widgets"][key]
    assert kept["state"] == {"f1": other}
    assert kept["version_major"] == 2


def test_freezing_keeps_what_the_author_saw_last(lens, photo, tmp_path):
    nnlens.set_mode("live")
    view = lens.explore(photo, size=8, stride=4)
    data, metadata = view._repr_mimebundle_()  # as it is displayed: a sketch
    assert view.wait(60)
    view.selection.layer = "stem"
    view.selection.target = 3
    state, buffers, paths = view.get_state(), [], []
    plain = _without_buffers(
        {key: value for key, value in state.items() if key not in ("_esm", "_css")}, [], paths, buffers
    )
    saved = [
        {"encoding": "base64", "path": path, "data": base64.b64encode(buffer).decode()}
        for path, buffer in zip(paths, buffers, strict=True)
    ]
    model = {"model_module": "anywidget", "state": plain, "buffers": saved}
    key = "application/vnd.jupyter.widget-state+json"
    output = {"output_type": "display_data", "data": data, "metadata": metadata}
    notebook = {
        "cells": [{"cell_type": "code", "outputs": [output]}],
        "metadata": {"widgets": {key: {"state": {view.model_id: model}}}},
    }
    before = unpack(data["text/html"])["state"]
    assert before["occlusion_map"]["done"] < view.occlusion_map["done"]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(notebook))
    assert freeze(path) == 1
    frozen = json.loads(path.read_text())
    assert "widgets" not in frozen["metadata"]
    state = unpack(frozen["cells"][0]["outputs"][0]["data"]["text/html"])["state"]
    assert (state["layer"], state["target"], state["occlusion_map"]["done"]) == ("stem", 3, view.occlusion_map["done"])
    assert state["occlusion_map"]["probability"] == bytes(view.occlusion_map["probability"])
    assert state["photo"]["data"] == bytes(view.photo["data"])


def _without_buffers(value, path, paths, buffers):
    """As ipywidgets takes bytes out of a state."""
    if isinstance(value, (bytes, memoryview)):
        paths.append(path)
        buffers.append(bytes(value))
        return None
    if isinstance(value, dict):
        return {key: _without_buffers(one, [*path, key], paths, buffers) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_buffers(one, [*path, position], paths, buffers) for position, one in enumerate(value)]
    return value
