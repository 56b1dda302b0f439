"""The unit card: what the browser gets is what the kernels give, follows the selection, and reports bad input."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from card_payloads import codes, png, step
from nets import LABELS, same_state, state_of
from PIL import Image
from slow_images import Slow
from torch import nn

import nnlens
from nnlens.kernels import LayerExamples, ablation, back_projection, connections


def test_everything_is_there_from_the_first_moment(lens, photo):
    view = lens.unit(photo, layer="block", channel=3)
    assert (view.layer, view.unit) == ("block.1", 3)
    for name in ("back_projection", "connections", "ablation", "receptive_fields"):
        payload = getattr(view, name)
        assert (payload["layer"], "error" in payload) == ("block.1", False), name
    assert view.search is None
    assert view.card


def test_what_the_browser_gets_is_what_the_kernels_give(lens, net, photo):
    view = lens.unit(photo, layer="relu:2", unit=2, rule="guided backprop")
    x, recording = view.selection.sample.input.x, view.selection.sample.recording
    expected = back_projection(net, x, ("relu:2", 2), rule="guided backprop")
    np.testing.assert_allclose(codes(view.back_projection), expected.values, atol=view.back_projection["largest"] / 250)
    assert view.back_projection["words"].startswith("guided backprop of relu:2 · 2: 3 of 3 rectifiers, 1 pool by its")
    wiring = connections(recording, x, "relu:2", 2)
    assert view.connections["total"] == pytest.approx(wiring.total)
    assert [part["unit"] for part in view.connections["inputs"]] == [p.unit for p in wiring.inputs if p.value][:8]
    parts = (
        sum(part["value"] for part in view.connections["inputs"])
        + view.connections["others"]
        + view.connections["rest"]
    )
    assert parts == pytest.approx(view.connections["total"], abs=1e-5)
    without = ablation(net, x, "relu:2", 2)
    before, after = (rows[0] for rows in without.probabilities())
    assert view.ablation["clean"] == pytest.approx(before[view.ablation["classes"]].tolist(), abs=1e-5)
    assert view.ablation["probability"] == pytest.approx(after[view.ablation["classes"]].tolist(), abs=1e-5)


def test_it_follows_the_selection_and_what_is_asked(lens, net, photo):
    view = lens.unit(photo, layer="block")
    x = view.selection.sample.input.x
    lens.selection.layer = "bn"
    lens.selection.unit = 5
    view.wait()
    assert {
        view.back_projection["layer"],
        view.connections["layer"],
        view.ablation["layer"],
        view.receptive_fields["layer"],
    } == {"bn"}
    assert view.back_projection["unit"] == 5
    view.set_state({"rule": "deconvnet", "start": "map"})
    view.wait()
    expected = back_projection(net, x, ("bn", 5, "map"), rule="deconvnet")
    np.testing.assert_allclose(codes(view.back_projection), expected.values, atol=view.back_projection["largest"] / 250)
    view.set_state({"replacement": "mean"})
    view.wait()
    assert view.ablation["replacement"] == "mean"
    np.testing.assert_allclose(
        view.result.ablation.ablated, ablation(net, x, "bn", 5, replacement="mean").ablated, atol=1e-5
    )


def test_a_chosen_place_is_what_is_followed_back(lens, net, photo):
    view = lens.unit(photo, layer="block", unit=1)
    assert view.start == "maximum"
    view.set_state({"position": [3, 9]})
    view.wait()
    assert view.start == "position"
    expected = back_projection(net, view.selection.sample.input.x, ("block.1", 1, (3, 9)))
    np.testing.assert_allclose(codes(view.back_projection), expected.values, atol=step(view.back_projection))
    assert view.connections["position"] == (3, 9)
    # What it sees: a 3 × 3 convolution behind a pool of 2 and a 3 × 3 convolution.
    assert view.receptive_fields["rows"][3] == [3 * 2 - 3, 3 * 2 + 4]
    view.set_state({"position": None})
    view.wait()
    assert view.start == "maximum"
    other = lens.unit(photo, layer="block", unit=1, position=(2, 2))
    assert (other.start, other.connections["position"]) == ("position", (2, 2))


def test_a_kept_unit_is_seen_at_other_layers(lens, net, photo):
    view = lens.unit(photo, layer="relu:3", unit=4)
    view.set_state({"origin": {"layer": "relu:3", "unit": 4}})
    lens.selection.layer = "pool"
    lens.selection.unit = 2
    view.wait()
    expected = back_projection(net, view.selection.sample.input.x, ("relu:3", 4), at="pool").values
    np.testing.assert_allclose(codes(view.back_projection)[0], expected[2], atol=step(view.back_projection))
    assert view.back_projection["words"] == "gradient of relu:3 · 4, at pool · 2"
    leaning = (expected * view.selection.activations.values).sum((1, 2))
    best = int(np.abs(leaning).argmax())
    assert view.back_projection["leaning"][0] == (best, pytest.approx(float(leaning[best]), abs=1e-5))
    # A layer that comes later has no part in it, and the card says so.
    lens.selection.layer = "head"
    view.wait()
    assert view.back_projection["error"] == "relu:3 · 4 is not computed from head: choose a layer before it"
    view.set_state({"origin": None})
    view.wait()
    assert "error" not in view.back_projection
    view.set_state({"origin": {"layer": "head", "unit": 99}})
    assert "origin must have a unit 0…4" in view.error["message"]
    assert view.origin is None


def test_what_was_drawn_is_the_input_pixel_by_pixel(photo):
    class Seen(nn.Module):
        def forward(self, x):
            return x.mean((2, 3))

    # A preprocessing that crops: what is drawn must not be cropped once more.
    lens = nnlens.Lens(
        Seen(), preprocess={"size": 32, "crop_pct": 0.8, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
    )
    view = lens.unit(photo, layer="mean")
    drawn = np.zeros((32, 32, 3), np.uint8)
    drawn[4:9, 5:20] = (255, 128, 0)
    view.set_state({"upload": {"name": "drawing", "drawn": True, "data": png(Image.fromarray(drawn))}})
    assert view.wait(10)
    expected = (torch.from_numpy(drawn).permute(2, 0, 1) / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / (
        torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    )
    torch.testing.assert_close(view.selection.sample.input.x[0], expected, atol=1e-5, rtol=0)
    assert lens.selection.image == "drawing"
    view.set_state({"upload": {"name": "drawing", "drawn": True, "data": png(Image.new("RGB", (31, 32)))}})
    view.wait()
    assert "drawing must have 32 × 32 pixels, got 31 × 32" in view.error["message"]


def test_a_drawn_digit_is_read(tmp_path):
    model, preprocess, names = nnlens.zoo.digits()
    lens = nnlens.Lens(model, preprocess=preprocess, labels=names)
    view = lens.unit(nnlens.zoo.DigitImages()[0][0])
    one = Image.new("L", (28, 28))
    one.paste(255, (13, 4, 16, 24))
    view.set_state({"upload": {"name": "drawing", "drawn": True, "data": png(one)}})
    view.wait()
    assert lens.selection.label == "digit 1"


def test_the_best_images_come_while_they_are_found(lens, net, pictures, photo):
    view = lens.unit(photo, layer="block", unit=3)
    before = state_of(net)
    shown = lens.examples(pictures, layers=["block", "bn"])
    assert shown.search["total"] == 40
    assert shown.wait(30)
    assert view.wait(30)
    assert lens.session.search.complete
    assert same_state(before, state_of(net))
    x = torch.stack([lens.session.search.data[item] for item in range(40)])
    with torch.no_grad():
        maxima = net.block(net.pool(net.relu(net.bn(net.stem(x)))))[:, 3].amax((1, 2)).numpy()
    order = np.argsort(-maxima, kind="stable")[:9]
    for one in (view, shown):
        if one is shown:
            assert one.selection is view.selection
        assert [item["item"] for item in one.examples["items"]] == order.tolist()
        assert one.examples["seen"] == 40
    first = view.examples["items"][0]
    assert first["value"] == pytest.approx(float(maxima[order[0]]), rel=1e-4)
    assert first["label"] == LABELS[order[0] % 5]
    assert Image.open(io.BytesIO(first["whole"])).size == (32, 32)
    top, left, bottom, right = first["box"]
    assert Image.open(io.BytesIO(first["back"])).size == (right - left + 1, bottom - top + 1)
    view.set_state({"kind": "bottom"})
    view.wait()
    assert [item["item"] for item in view.examples["items"]] == np.argsort(maxima, kind="stable")[:9].tolist()
    lens.selection.layer = "pool"
    view.wait()
    assert view.examples["searched"] == "block.1, bn"
    assert set(shown.result) == {"block.1", "bn"}
    assert view.result.examples is None


def test_stopped_and_gone_on_with(lens, pictures, photo):
    lens.sample(photo)
    shown = lens.examples(Slow(pictures * 5), layers=["block"])
    shown.set_state({"search_request": "stop"})
    assert shown.wait(20)
    done = shown.search["done"]
    assert 0 < done < 200
    assert not shown.search["running"]
    again = lens.examples(Slow(pictures * 5), layers=["block"])
    assert lens.session.search.results.done >= done
    again.set_state({"search_request": "run"})
    assert again.wait(60)
    assert lens.session.search.complete
    assert again.search["done"] == 200
    # All of it is on disk when the search is over, not when somebody cleans up.
    (file,) = Path(os.environ["NNLENS_CACHE"]).rglob("*.npz")
    assert LayerExamples.restored(dict(np.load(file))).done == 200


def test_other_weights_stop_it(lens, net, pictures):
    shown = lens.examples(Slow(pictures), layers=["block"], store=False)
    with torch.no_grad():
        net.head.bias += 1
    shown.wait(20)
    assert "weights have changed" in lens.session.search.progress["error"] or lens.session.search.complete


def test_a_folder_with_a_broken_file(lens, pictures, tmp_path):
    for number, (picture, label) in enumerate(pictures[:6]):
        folder = tmp_path / LABELS[label]
        folder.mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / f"{number}.png")
    (tmp_path / LABELS[0] / "broken.png").write_bytes(b"none")
    (tmp_path / "notes.txt").write_text("no image")
    shown = lens.examples(tmp_path, layers=["block"], unit=2)
    shown.wait(20)
    assert shown.search["done"] == 7
    assert [words for _, words in shown.search["skipped"]] == [
        "image must be a picture that Pillow can read, got broken.png, which is not one"
    ]
    item = shown.examples["items"][0]
    assert item["name"].startswith(item["label"])
    assert item["label"] in LABELS


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("nowhere", "dataset must be a folder that exists, got 'nowhere'"),
        ([], "at least one image"),
        (5, "dataset must be a folder, a torch Dataset"),
        ([b"none", b"no"], "must hold images that can be read, but the first one cannot"),
        (torch.zeros(3, 8, 8), r"shape \(n, c, h, w\) as a tensor"),
    ],
)
def test_bad_data_sets(lens, dataset, message):
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=message):
        lens.examples(dataset, layers=["block"])


def test_bad_options(lens, photo, pictures):
    for wrong, message in (
        (lambda: lens.unit(photo, rule="magic"), "rule must be one of gradient"),
        (lambda: lens.unit(photo, layer="block", unit=1, channel=2), "unit and channel must be equal"),
        (lambda: lens.unit(photo, layer="block", channel=8), r"unit must be 0…7"),
        (lambda: lens.unit(photo, layer="block", channel="3"), "unit must be a whole number, got '3'"),
        (lambda: lens.unit(photo, layer="block", position=(99, 0)), "position must be inside"),
        (lambda: lens.unit(photo, hide=["everything"]), "hide must name panes and controls of input"),
        (lambda: lens.unit(photo, colour=1), "UnitWidget has no option 'colour'"),
        (lambda: lens.examples(pictures, layers="block"), "layers must be a list of names"),
        (lambda: lens.examples(pictures, layers=["blok"]), "did you mean"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            wrong()
