"""The grid of attributions: what the browser gets is what the kernels give, and nothing is lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nets import LABELS, same_state, state_of
from pages import unpack
from torch import nn

import nnlens
from nnlens.kernels import METHODS, attribution, superpixels
from nnlens.widgets.attribution.settings import SettingsPart

QUICK = {"samples": 40, "segments": 9, "segmentation": "grid"}


def codes(payload: dict) -> np.ndarray:
    planes = np.frombuffer(payload["data"], np.int8).astype(np.float32) / 127 * payload["largest"]
    return planes.reshape(payload["planes"], payload["rows"], payload["columns"])


def test_the_quick_maps_are_there_from_the_first_moment(lens, photo):
    view = lens.attribution(photo, methods=["Grad-CAM", "gradient", "lime"], **QUICK)
    assert view.methods == ["grad_cam", "gradient", "lime"]
    assert view.method == "grad_cam"
    assert not view.map_gradient["0"]["zero"]
    assert "data" in view.map_grad_cam["0"]
    (row,) = view.rows
    assert (row["target"], row["label"]) == (view.target, lens.selection.label)
    assert {one["name"]: one["passes"] for one in view.known_methods}["lime"] == 40
    assert view.wait(60)
    assert "data" in view.map_lime["0"]


def test_what_the_browser_gets_is_what_the_kernels_give(lens, net, photo):
    before = state_of(net)
    view = lens.attribution(photo, methods=list(METHODS)[:-1], target=["cat", "dog"], **QUICK)
    assert view.wait(120)
    assert view.error is None
    assert same_state(before, state_of(net))
    x, grey = view.selection.sample.input.x, view.selection.sample.input.grey
    for name in view.methods:
        options = view.session.attributions.options(view.selection.sample, name, view.part(SettingsPart).settings)
        for row, label in enumerate(("cat", "dog")):
            payload = getattr(view, f"map_{name}")[str(row)]
            expected = attribution(net, x, name, target=LABELS.index(label), **options)
            shown = codes(payload)
            np.testing.assert_allclose(shown[0], expected.signed(), atol=max(1e-9, payload["largest"] / 200))
            if not expected.contribution:
                np.testing.assert_allclose(shown[1], expected.magnitude(), atol=payload["largest"] / 200)
            evidence = getattr(view, f"evidence_{name}")[str(row)]
            assert evidence["findings"]
            assert evidence["curves"]["deletion"]["own"][0] == pytest.approx(
                float(view.selection.sample.probabilities[LABELS.index(label)]), abs=1e-4
            )
    assert torch.equal(
        view.session.attributions.options(view.selection.sample, "rise", view.part(SettingsPart).settings)[
            "fill"
        ].values,
        grey,
    )
    result = view.result
    assert result["lime", 1].target == LABELS.index("dog")
    assert len(result.table()) == 2 * len(view.methods)
    assert {"method", "image", "class", "forwards", "deletion", "insertion"} <= set(result.table()[0])
    names, values = result.agreement()
    assert values.shape == (len(names), len(names))
    assert "lime · dog" in repr(result)
    with pytest.raises(KeyError, match="there is no map of 'gradient' in row 5"):
        result["gradient", 5]


def test_it_follows_the_target_and_other_classes(lens, photo):
    view = lens.attribution(photo, methods=["gradient"], target="ant")
    lens.selection.target = "bee"
    assert view.wait(60)
    assert view.rows[0]["label"] == "bee"
    assert view.map_gradient["0"]["target"] == 1
    view.set_state({"other_targets": [3, 3, 4]})
    assert view.wait(60)
    assert [row["label"] for row in view.rows] == ["bee", "dog", "elk"]
    assert view.map_gradient["2"]["target"] == 4
    view.set_state({"other_targets": [9]})
    assert "target must be 0…4, got 9" in view.error["message"]
    assert view.other_targets == [3, 4]


def test_images_are_rows_too(lens, net, photo):
    other = np.ascontiguousarray(photo[::-1])
    view = lens.attribution([photo, other], methods=["input_x_gradient"], target="cat")
    assert view.wait(60)
    assert len(view.rows) == 2
    assert view.rows[1]["photo"]["width"] == 32
    x = lens.sample(other).input.x
    expected = attribution(net, x, "input_x_gradient", target=2)
    payload = view.map_input_x_gradient["1"]
    np.testing.assert_allclose(codes(payload)[0], expected.signed(), atol=payload["largest"] / 200)
    own = lens.attribution([photo, other], methods=["gradient"], link=False)
    assert [row["target"] for row in own.rows] == [lens.sample(one).top(1)[0] for one in (photo, other)]


def test_a_cell_shows_why_it_has_no_map(photo):
    class Counting(nn.Module):
        def forward(self, x):
            return torch.stack([(x > 0).float().mean((1, 2, 3)), (x > 1).float().mean((1, 2, 3))], 1)

    lens = nnlens.Lens(Counting(), preprocess={"size": 32, "mean": 0.5, "std": 0.25})
    names = ["gradient", "grad_cam", "attention_rollout", "lime"]
    view = lens.attribution(photo, methods=names, score="logit", **{**QUICK, "samples": 20})
    assert view.wait(60)
    assert "the model has no gradient" in view.map_gradient["0"]["error"]
    assert "error" in view.map_grad_cam["0"]
    assert "self-attention" in view.map_attention_rollout["0"]["error"]
    assert "data" in view.map_lime["0"]
    assert view.error is None
    assert set(view.result.maps) == {("lime", 0)}
    assert ("gradient", 0) in view.result.errors
    assert "no weights" in view.evidence_lime["0"]["failed"]["randomisation"]


def test_an_all_zero_map_is_told(photo):
    class Off(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)

        def forward(self, x):
            return self.head((self.conv(x) - 100).relu().mean((2, 3)))

    lens = nnlens.Lens(Off(), preprocess={"size": 32, "mean": 0.5, "std": 0.25})
    view = lens.attribution(photo, methods=["gradient", "lime", "occlusion", "rise"], **QUICK)
    assert view.wait(60)
    assert view.map_gradient["0"]["zero"]
    assert view.evidence_gradient["0"]["findings"] == [
        ["map", "bad", "The map is all zero: it says nothing about this input."]
    ]
    assert view.error is None
    view.picture()


def test_superpixels_are_switched_off_by_hand(lens, net, photo):
    view = lens.attribution(photo, methods=["lime"], **QUICK)
    assert view.wait(60)
    sample = view.selection.sample
    labels = superpixels(sample.input.x, "grid", 9)
    np.testing.assert_array_equal(
        np.frombuffer(view.superpixels["data"], np.uint16).reshape(32, 32), labels.astype(np.uint16)
    )
    view.set_state({"switched_off": [4, 1]})
    assert view.wait(60)
    x = sample.input.x.clone()
    for part in (1, 4):
        at = torch.from_numpy(labels == part)
        x[0][:, at] = x[0][:, at].mean(1, keepdim=True)
    with torch.no_grad():
        expected = net(x).softmax(-1)[0]
    assert view.switched_scores["off"] == [1, 4]
    np.testing.assert_allclose(
        view.switched_scores["probability"], expected[view.switched_scores["classes"]], atol=1e-4
    )
    view.set_state({"switched_off": [99]})
    assert "switched_off must name superpixels 0…8, got 99" in view.error["message"]
    view.set_state({"switched_off": []})
    assert view.wait(60)
    assert view.switched_scores is None


def test_settings_make_new_maps_and_old_ones_come_back_at_once(lens, photo):
    view = lens.attribution(photo, methods=["lime", "grad_cam"], **QUICK)
    assert view.wait(60)
    first = view.map_lime["0"]["data"]
    view.set_state({"seed": 3})
    assert view.wait(60)
    assert view.map_lime["0"]["data"] != first
    view.set_state({"seed": 0})
    assert view.map_lime["0"]["data"] == first
    view.set_state({"cam_layer": "block"})
    assert view.wait(60)
    assert view.map_grad_cam["0"]["layer"] == "block.1"
    assert "stem" in view.cam_layers
    view.set_state({"cam_layer": "nothing"})
    assert "layer must be one of" in view.error["message"]
    assert view.cam_layer == "block.1"
    for name, value, words in (
        ("samples", 1, "samples must be 10…20000, got 1"),
        ("width", 0.0, "width must be 0.01…100, got 0"),
        ("opacity", 2.0, "opacity must be 0…1, got 2"),
        ("methods", ["lime", "shap"], "methods must be one of"),
        ("segmentation", "voronoi", "segmentation"),
    ):
        before = getattr(view, name)
        view.set_state({name: value})
        assert words in view.error["message"]
        assert getattr(view, name) == before


def test_it_can_be_stopped_and_goes_on(lens, net, photo):
    view = lens.attribution(photo, methods=["lime", "rise"], **{**QUICK, "samples": 20_000})
    view.set_state({"cancel": 1})
    assert view.wait(60)
    assert view.busy == ""
    assert view.map_rise == {} or view.map_rise["0"]["done"] < 1
    before = state_of(net)
    view.set_state({"samples": 30})
    view.set_state({"resume": 1})
    assert view.wait(60)
    assert view.map_rise["0"]["done"] == view.map_lime["0"]["done"] == 1
    assert view.progress is None
    assert same_state(before, state_of(net))


def test_costly_checks_wait_until_they_are_asked_for(lens, photo):
    view = lens.attribution(photo, methods=["lime"], **{**QUICK, "samples": 300})
    assert view.wait(120)
    skipped = view.evidence_lime["0"]["skipped"]
    assert skipped == {"randomisation": 3000, "seeds": 600, "sensitivity": 1500}
    assert view.evidence_lime["0"]["curves"] is not None
    view.set_state({"check_request": {"method": "lime", "row": 0, "check": "seeds"}})
    assert view.wait(120)
    found = view.evidence_lime["0"]
    assert set(found["skipped"]) == {"randomisation", "sensitivity"}
    assert "seeds" in [check for check, *_ in found["findings"]]
    assert view.result.evidence["lime", 0].seeds is not None
    view.set_state({"check_request": {"method": "lime", "row": 7, "check": "seeds"}})
    assert "check_request must name a method, a row and one of" in view.error["message"]


def test_a_check_that_is_asked_for_stops_nothing(lens, photo):
    view = lens.attribution(photo, methods=["lime", "rise"], **{**QUICK, "samples": 300})
    view.wait(0.2)
    for check in ("seeds", "sensitivity"):
        view.set_state({"check_request": {"method": "lime", "row": 0, "check": check}})
    assert view.wait(120)
    assert view.map_lime["0"]["done"] == view.map_rise["0"]["done"] == 1
    checks = [check for check, *_ in view.evidence_lime["0"]["findings"]]
    assert {"seeds", "sensitivity", "faithfulness"} <= set(checks)
    assert "faithfulness" in str(view.evidence_rise["0"]["findings"])


def test_what_an_earlier_wish_brings_is_not_shown_under_a_later_one(lens, photo):
    view = lens.attribution(photo, methods=["lime"], **QUICK)
    assert view.wait(60)
    right = view.map_lime["0"]["data"]
    for seed in range(1, 6):
        view.set_state({"seed": seed})
        view.wait(0.02 * seed)
        view.set_state({"seed": 0})
        assert view.wait(60)
        assert view.map_lime["0"]["data"] == right


def test_a_stopped_map_is_taken_up_where_it_was(lens, photo):
    view = lens.attribution(photo, methods=["lime"], **{**QUICK, "samples": 20_000}, checks=[])
    while not view.map_lime:
        view.wait(0.05)
    view.stop()
    assert view.wait(60)
    assert view.stopped
    done = view.map_lime["0"]["done"]
    assert 0 < done < 1
    shown = []
    view.observe(lambda change: shown.append(change["new"]["0"]["done"]), "map_lime")
    view.set_state({"resume": 1})
    assert view.wait(120)
    assert not view.stopped
    assert shown[0] > done
    assert shown[-1] == 1


def test_weights_that_change_under_way_begin_it_anew(lens, net, photo):
    view = lens.attribution(photo, methods=["rise"], **{**QUICK, "samples": 20_000}, checks=[])
    while not view.map_rise:
        view.wait(0.01)
    lens.session.worker.hold()
    assert view.map_rise["0"]["done"] < 1
    with torch.no_grad():
        net.head.weight.mul_(-1.5)
    lens.session.worker.release()
    assert view.wait(120)
    sample = view.selection.sample
    options = {**view.part(SettingsPart).settings.options("rise"), "fill": sample.input.grey}
    expected = attribution(net, sample.input.x, "rise", target=view.rows[0]["target"], **options)
    np.testing.assert_allclose(
        codes(view.map_rise["0"])[0], expected.signed(), atol=view.map_rise["0"]["largest"] / 200
    )
    with torch.no_grad():
        net.head.weight.mul_(-1.5)
    found = view.result["rise"]
    expected = attribution(net, sample.input.x, "rise", target=found.target, **options)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5)


def test_the_checks_may_cost_what_one_says(lens, photo):
    view = lens.attribution(photo, methods=["lime"], max_passes=None, **{**QUICK, "samples": 60})
    assert view.wait(120)
    assert view.evidence_lime["0"]["skipped"] == {}
    less = lens.attribution(photo, methods=["rise"], max_passes=10, **QUICK)
    assert less.wait(60)
    assert set(less.evidence_rise["0"]["skipped"]) == {"faithfulness", "randomisation", "seeds", "sensitivity"}


def test_saving_waits_for_all_maps(lens, photo, tmp_path):
    view = lens.attribution(photo, methods=["lime", "gradient"], target=["cat", "dog"], **{**QUICK, "samples": 400})
    state = unpack(view.save(tmp_path / "maps.html").read_text())["state"]
    assert state["map_lime"]["1"]["done"] == 1
    assert set(state["agreement"]) == {"0", "1"}
    picture = view.save(tmp_path / "maps.png")
    assert picture.stat().st_size > 1000
    assert len(view.panels()) == 5


def test_changed_weights_are_seen(lens, net, photo):
    view = lens.attribution(photo, methods=["gradient"], target=["cat", "dog"])
    assert view.wait(60)
    before = view.map_gradient["0"]["data"]
    with torch.no_grad():
        net.head.weight.mul_(-1.5)
    view.set_state({"resume": 1})
    assert view.wait(60)
    assert view.map_gradient["0"]["data"] != before
    payload = view.map_gradient["0"]
    expected = attribution(net, view.selection.sample.input.x, "gradient", target=view.rows[0]["target"])
    np.testing.assert_allclose(codes(payload)[0], expected.signed(), atol=payload["largest"] / 200)


def test_bad_options_are_told(lens, photo):
    for options, error, words in (
        ({"methods": ["shap"]}, ValueError, "methods must be one of gradient"),
        ({"methods": []}, ValueError, "methods must name at least one"),
        ({"target": "wolf"}, ValueError, "target must be one of the 5 labels, got 'wolf'"),
        ({"target": ["cat", 9]}, ValueError, "target must be 0…4, got 9"),
        ({"target": []}, ValueError, "target must be one or up to 6 classes"),
        ({"cam_layer": "nothing"}, ValueError, "cam_layer must be one of"),
        ({"layer": "relu"}, TypeError, "has no option 'layer'; did you mean 'cam_layer'"),
        ({"score": "odds"}, ValueError, 'score must be "logit" or "probability"'),
        ({"checks": ["luck"]}, ValueError, "checks must be of"),
        ({"checks": "seeds"}, TypeError, "checks must be a list of names"),
        ({"samples": 3}, ValueError, "samples must be 10"),
        ({"colour": 3}, TypeError, "AttributionWidget has no option 'colour'"),
    ):
        with pytest.raises(error, match=words):
            lens.attribution(photo, **options)
    with pytest.raises(ValueError, match="got both"):
        lens.attribution([photo, photo], target=["cat", "dog"])
    with pytest.raises(ValueError, match="image must be one or up to 6 images, got 0"):
        lens.attribution([])


def test_a_page_keeps_methods_targets_scales_and_the_evidence(lens, net, photo):
    nnlens.set_mode("static")
    view = lens.attribution(photo, methods=["grad_cam", "lime"], target=["cat", "dog"], maps_scale="all", **QUICK)
    data, _ = view._repr_mimebundle_()
    content = unpack(data["text/html"])
    state = content["state"]
    assert state["methods"] == ["grad_cam", "lime"]
    assert [row["label"] for row in state["rows"]] == ["cat", "dog"]
    assert state["maps_scale"] == "all"
    for name in state["methods"]:
        for row in "01":
            assert state[f"map_{name}"][row]["done"] == 1
            assert state[f"evidence_{name}"][row]["findings"]
    (off,) = [one for one in content["responses"] if one["on"] == ["switched_off"]]
    assert set(off["table"]) == {str(part) for part in range(9)}
    assert off["table"]["3"]["switched_scores"]["off"] == [3]
    assert "Grad-CAM: " in data["text/plain"]


def test_maps_that_are_too_much_for_a_page_are_reduced(lens, photo):
    view = lens.attribution(photo, methods=["gradient", "guided_backprop"])
    assert view.wait(60)
    whole, all_of_it = view.map_gradient["0"], view.page_state()
    assert all_of_it["map_gradient"]["0"] == whole
    assert not all_of_it["note"]
    state = view.page_state(room=1)
    assert (whole["rows"], state["map_gradient"]["0"]["rows"]) == (32, 16)
    assert "reduced to fit into this page" in state["note"]
    assert "the maps of gradient" in state["note"]
    assert view.map_gradient["0"] is whole


def test_a_vision_transformer_shows_its_rollout(photo):
    from attribution_cases import Transformer

    lens = nnlens.Lens(Transformer(), preprocess={"size": (12, 16), "mean": 0.5, "std": 0.25})
    view = lens.attribution(photo, segmentation="grid", samples=20)
    assert "attention_rollout" in view.methods
    assert view.wait(60)
    assert "same for every class" in str(view.evidence_attention_rollout["0"]["findings"])
