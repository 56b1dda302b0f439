"""The unit card's longer work, saved pages, and what happens when the model or the data change."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
import torch
from card_payloads import codes, step
from nets import LABELS, Net, same_state, state_of
from pages import unpack
from PIL import Image
from slow_images import Slow
from torch import nn

import nnlens
from nnlens.kernels import ablation, back_projection, connections, examples, synthesis


def test_synthesis_grows_stops_and_is_that_of_the_kernel(lens, net, photo):
    view = lens.unit(photo, layer="block", unit=2)
    view.set_state({"steps": 16, "count": 2, "seed": 3})
    view.set_state({"synthesis_run": 1})
    assert view.wait(60)
    scale = view.selection.sample.input.scale
    expected = synthesis(
        net,
        view.selection.sample.input.x,
        ("block.1", 2),
        count=2,
        steps=16,
        seed=3,
        mean=scale.mean,
        std=scale.std,
    )
    np.testing.assert_allclose(view.result.synthesis.pixels, expected.pixels, atol=1e-3)
    assert view.synthesis["frame"]["step"] == 16
    assert not view.synthesis["running"]
    assert Image.open(io.BytesIO(view.synthesis["frame"]["pictures"][1])).size == (32, 32)
    view.set_state({"steps": 1024, "synthesis_run": 2})
    time.sleep(0.3)
    view.set_state({"synthesis_stop": 1})
    assert view.wait(20)
    assert not view.synthesis["running"]
    assert 0 < view.synthesis["frame"]["step"] < 1024
    view.set_state({"steps": 5})
    assert "steps must be 8…1024, got 5" in view.error["message"]
    assert view.steps == 1024
    view.set_state({"goal": "class", "steps": 8, "synthesis_run": 3})
    view.wait()
    assert view.synthesis["frame"]["objective"] == f"class {view.target}"


def test_ablation_over_the_data_set(lens, net, photo, pictures):
    view = lens.unit(photo, layer="bn", unit=3)
    view.set_state({"ablation_run": 1})
    assert "open one with lens.examples(dataset)" in view.error["message"]
    lens.examples(pictures, layers=["bn"]).wait(20)
    view.set_state({"ablation_run": 2})
    assert view.wait(30)
    x = torch.stack([lens.session.search.data[item] for item in range(40)])
    expected = ablation(net, x, "bn", 3)
    assert (view.dataset_ablation["seen"], view.dataset_ablation["top_class_changes"]) == (
        40,
        int(expected.top_class_changed().sum()),
    )
    change = expected.change()
    most = int(np.abs(change).argmax())
    assert view.dataset_ablation["classes"][0] == (most, pytest.approx(float(change[most]), abs=1e-5))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3 * 8, 4, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.lstm(x.flatten(2).transpose(1, 2).reshape(1, -1, 24))[0][:, -1])


def test_what_a_layer_cannot_show_is_said_in_its_part():
    lens = nnlens.Lens(Recurrent())
    view = lens.unit(torch.randn(1, 3, 8, 8), layer="lstm.forget_gate_l0")
    for name in ("back_projection", "ablation"):
        assert "computed inside another operation" in getattr(view, name)["error"], name
    assert view.error is None
    view.synthesis_run = 1
    view.wait()
    assert "computed inside another operation" in view.synthesis["error"]
    lens.selection.layer = "lstm"
    view.wait()
    assert "error" not in view.back_projection


def test_a_model_that_was_trained_meanwhile_is_looked_at_again(lens, net, photo, pictures):
    view = lens.unit(photo, layer="block", unit=2)
    shown = lens.examples(pictures, layers=["block"])
    shown.wait(20)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(-1.5).add_(0.05)
    x = view.selection.sample.input.x
    view.set_state({"rule": "deconvnet", "replacement": "mean"})
    view.wait(20)
    expected = back_projection(net, x, ("block.1", 2), rule="deconvnet")
    np.testing.assert_allclose(codes(view.back_projection), expected.values, atol=step(view.back_projection))
    assert view.result.back_projection.value == pytest.approx(expected.value, abs=1e-5)
    np.testing.assert_allclose(view.result.ablation.clean, net(x).detach(), atol=1e-5)
    assert view.connections["total"] == pytest.approx(
        connections(nnlens.record(net, x), x, "block.1", 2).total, abs=1e-5
    )
    # The examples are of the old weights: they go, until somebody looks anew; and nothing old is stored as new.
    assert "weights have changed since" in view.examples["error"]
    again = lens.examples(pictures, layers=["block"])
    again.wait(20)
    images = torch.stack([lens.session.search.data[item] for item in range(40)])
    fresh = examples(net, images, ["block"])["block"]
    np.testing.assert_allclose(lens.session.search["block"].mean, fresh.mean, rtol=1e-4)
    assert "error" not in view.examples


def test_stopped_and_gone_on_with_without_a_store(lens, pictures):
    shown = lens.examples(Slow(pictures * 4), layers=["block"], store=False)
    shown.set_state({"search_request": "stop"})
    shown.wait(20)
    done = lens.session.search.results.done
    assert 0 < done < 160
    assert lens.session.search.step()
    assert lens.session.search.results.done > done
    assert lens.session.search.finish().complete
    assert lens.session.search["block"].seen == 160
    assert not lens.session.search.step()


def test_a_data_set_of_another_size_than_the_image(lens, photo):
    class AnySize(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.conv(x).relu().mean((2, 3)))

    lens = nnlens.Lens(AnySize())
    view = lens.unit(torch.randn(1, 3, 40, 40), layer="relu", unit=1)
    small = torch.randn(12, 3, 16, 16)
    lens.examples(small, layers=["relu"], store=False).wait(20)
    view.set_state({"kind": "bottom"})
    view.wait(20)
    assert "error" not in view.examples
    assert all(box[2] < 16 for box in (item["box"] for item in view.examples["items"]))
    view.set_state({"ablation_run": 1})
    view.wait(20)
    assert view.dataset_ablation["seen"] == 12


def test_an_example_is_looked_at(lens, photo, pictures):
    view = lens.unit(photo, layer="block", unit=1)
    lens.examples(pictures, layers=["block"], store=False).wait(20)
    item = view.examples["items"][2]["item"]
    view.set_state({"example_request": item})
    view.wait(20)
    assert lens.selection.image == f"image {item}"
    torch.testing.assert_close(view.selection.sample.input.x[0], lens.session.search.data[item])
    assert view.example_request == -1


def test_results_are_short_in_words(lens, photo):
    view = lens.unit(photo, layer="block", unit=1)
    words = repr(view.result)
    assert words.startswith("UnitCard(image, block.1 · 1)")
    assert len(words) < 1500


def test_the_explorer_opens_the_card(lens, photo):
    view = lens.explore(photo, layer="block")
    assert (view.card, view.card_module, view.back_projection) == (False, "", None)
    view.set_state({"card": True})
    view.wait()
    assert "renderCard" in view.card_module
    assert view.back_projection["layer"] == "block.1"
    closed = lens.explore(photo, layer="block", card=True)
    assert closed.connections["layer"] == "block.1"
    np.testing.assert_array_equal(closed.unit_card().activations.values, view.result.activations.values)


def test_the_page_without_a_kernel_holds_the_card(lens, photo, pictures):
    nnlens.set_mode("static")
    shown = lens.examples(pictures, layers=["block"], unit=3)
    assert lens.session.search.complete
    view = lens.unit(photo, layer="block", unit=3)
    data, _ = view._repr_mimebundle_()
    content = unpack(data["text/html"])
    answers = {"|".join(one["on"]): one["table"] for one in content["responses"]}
    rules = ("gradient", "input × gradient", "deconvnet", "guided backprop")
    assert set(answers["rule|start"]) == {f"{rule}|{start}" for rule in rules for start in ("maximum", "map")}
    assert answers["rule|start"]["deconvnet|map"]["back_projection"]["words"].startswith(
        "deconvnet of block.1 · 3, the whole map"
    )
    assert set(answers["replacement"]) == {"zero", "mean"}
    assert set(answers["kind"]) == {"top", "median", "bottom"}
    assert content["state"]["connections"]["inputs"]
    assert len(answers["layer"]) > 3
    assert len(data["text/html"]) < 2_000_000
    assert "guided" in view.panels()[2].title or "gradient" in view.panels()[2].title
    page, _ = shown._repr_mimebundle_()
    assert {"|".join(one["on"]) for one in unpack(page["text/html"])["responses"]} == {"layer", "kind"}


def test_a_closed_view_ends_its_work(lens, photo, pictures):
    view = lens.unit(photo, layer="block", unit=2)
    lens.examples(Slow(pictures), layers=["block"], store=False)
    view.set_state({"steps": 1024, "synthesis_run": 1})
    view.close()
    lens.session.search.stop()
    assert view.wait(5)


def test_the_model_is_untouched_by_all_of_it(photo, pictures):
    torch.manual_seed(0)
    net = Net().train()
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    before = state_of(net)
    lens = nnlens.Lens(net, preprocess={"size": 32, "mean": 0.5, "std": 0.25}, labels=LABELS)
    view = lens.unit(photo, layer="block", unit=3)
    lens.examples(pictures, layers=["block"]).wait(20)
    view.set_state({"steps": 8, "synthesis_run": 1, "ablation_run": 1, "rule": "deconvnet"})
    view.wait(30)
    assert same_state(before, state_of(net))
