"""The faster engine of a lens, prepared in the background."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import nnlens
from nnlens.kernels import occluded_scores, prepare_passes
from nnlens.kernels.occlusion.occluded import is_undecided
from nnlens.kernels.occlusion.occluder import occluder as make_occluder
from nnlens.passes import fast, whole_passes
from nnlens.passes.onnx_runtime import shrink_all
from nnlens.utils import memory
from nnlens.widgets.occlusion import live

pytest.importorskip("onnxruntime")


def small():
    parts = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    return nn.Sequential(*parts).eval()


@pytest.fixture
def always_faster(monkeypatch):
    """As if ONNX Runtime were always the faster one."""
    monkeypatch.setattr(fast, "QUICK", 0.0)
    monkeypatch.setattr(fast, "_is_faster", lambda _prepared, passes: bool(passes(torch.zeros(1, 3, 20, 20)).any()))


def live_lens(model, **options):
    """A lens whose worker works as in a notebook."""
    lens = nnlens.Lens(model, **options)
    lens.session.worker.is_live = True
    return lens


def wait(view):
    """Wait for the work of a view, and for the engine."""
    assert view.wait(120)
    fast.wait_for_export()
    assert view.wait(120)
    assert view.error is None


def test_a_view_switches_to_the_faster_engine(always_faster):
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.rand(1, 3, 20, 20)
    lens = live_lens(model)
    view = lens.explore(x)
    assert view.engine == "torch"
    wait(view)
    assert view.engine == "ONNX Runtime"
    prepared = lens.session.prepared(view.selection.sample)
    assert prepared.onnx is not None
    # The occluder's scores are the model's own, on whichever engine they run.
    for pace in (0.0, float("inf")):
        prepared.paces["one place"] = [pace, pace]
        view.occluder = [int(3 + (pace > 0)), 4]
        assert view.wait(60)
        top, left = view.occluder
        hidden = x.clone()
        hidden[:, :, top : top + view.size, left : left + view.size] = view.selection.sample.input.fill(view.fill)
        with torch.no_grad():
            expected = model(hidden)[0].numpy()
        assert view.occluded["logit"] == pytest.approx(expected[view.occluded["classes"]].tolist(), abs=1e-4)
    # What follows the windows of a map is exported, too.
    view.size = 6
    wait(view)
    assert prepared.onnx.parts
    assert None not in prepared.onnx.parts.values()
    # Another image, and another lens of the same model, have it at once.
    other = lens.explore(torch.rand(1, 3, 20, 20))
    assert lens.session.prepared(other.selection.sample).onnx is not None
    second = live_lens(model)
    second.session.prepared(second.sample(x))
    assert second.session.engine.name == "ONNX Runtime"
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_no_hand_waits_for_the_comparison_of_engines(always_faster, monkeypatch):
    lens, calls = live_lens(small()), []
    view = lens.explore(torch.rand(1, 3, 20, 20))
    wait(view)
    prepared = lens.session.prepared(view.selection.sample)
    prepared.paces.pop("one place", None)
    under = live.scores_under

    def noted(*arguments, compare, **keywords):
        calls.append((compare, is_undecided(prepared)))
        return under(*arguments, compare=compare, **keywords)

    monkeypatch.setattr(live, "scores_under", noted)
    view.occluder = [2, 3]
    wait(view)
    assert calls == [(False, True), (True, True), (True, True)]  # at once, then both trials of torch
    assert not is_undecided(prepared)
    view.occluder = [3, 3]
    wait(view)
    assert calls[3:] == [(False, False)]
    # In Python nobody drags anything: torch is tried at once.
    prepared.paces.pop("one place")
    under(*_one_place(view, prepared), prepared=prepared, output=prepared.output)
    assert len(prepared.paces["one place"]) == 1


def _one_place(view, prepared):
    return prepared.model, make_occluder(prepared.x, size=view.size, fill=0.0), [(4, 4)]


def test_after_a_change_of_the_model_it_is_decided_anew(always_faster):
    model = small()
    lens = live_lens(model)
    view = lens.explore(torch.rand(1, 3, 20, 20))
    wait(view)
    assert view.engine == "ONNX Runtime"
    with torch.no_grad():
        model[5].weight.mul_(-1)
    view.update(full=True)
    lens.session.prepared(view.selection.sample)
    assert view.engine == "torch"
    wait(view)
    assert view.engine == "ONNX Runtime"
    x = view.selection.sample.input.x
    prepared = lens.session.prepared(view.selection.sample)
    with torch.no_grad():
        assert torch.allclose(prepared.whole(x), model(x), atol=1e-5)
    view.close()


def test_attributions_have_the_same_values_on_both_engines(always_faster):
    model, x = small(), torch.rand(1, 3, 20, 20)
    plain = nnlens.Lens(model).attribution(x, methods=["lime", "rise"], checks=[], samples=80, seed=3)
    assert plain.wait(120)
    lens = live_lens(model)
    wait(lens.explore(x))
    assert lens.session.engine.name == "ONNX Runtime"
    view = lens.attribution(x, methods=["lime", "rise"], checks=[], samples=80, seed=3)
    assert view.wait(120)
    for method in ("lime", "rise"):
        ours, torchs = (one.result[method, 0].values for one in (view, plain))
        assert np.allclose(ours, torchs, atol=1e-4 * np.abs(torchs).max())


@pytest.mark.parametrize("chosen", ["auto", "torch"])
def test_long_work_of_a_kernel_switches_to_the_faster_engine(always_faster, monkeypatch, chosen):
    monkeypatch.setattr(whole_passes, "PATIENT", 0.0)
    model, x = small(), torch.rand(1, 3, 20, 20)
    passes = whole_passes.WholePasses(model, x, prepared=prepare_passes(model, x, engine=chosen))
    batch = torch.rand(5, 3, 20, 20)
    for _round in range(3):
        with torch.no_grad():
            assert torch.allclose(passes.scores(batch), model(batch), atol=1e-5)
        fast.wait_for_export()
    assert (passes.prepared.onnx is not None) == (chosen == "auto")
    # Another one of the same model has it at once, if it may switch.
    again = prepare_passes(model, x, engine=chosen)
    assert fast.attach(again) == (chosen == "auto")


class Chooses(nn.Module):
    def forward(self, x):
        mean = x.mean((2, 3))
        return mean if float(mean.sum()) > 0 else -mean


@pytest.mark.parametrize(
    "model", [Chooses(), nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(1200, 3)).double()]
)
def test_models_that_are_left_to_torch(model):
    x = torch.rand(1, 3, 20, 20, dtype=next((p.dtype for p in model.parameters()), torch.float32))
    prepared = prepare_passes(model, x)
    assert prepared is not None
    assert not fast.may_be_faster(prepared)


def test_a_model_that_does_not_export_stays_with_torch(monkeypatch):
    def refuse(*_arguments):
        raise KeyError("an error of the exporter")

    monkeypatch.setattr(fast, "OnnxPasses", refuse)
    monkeypatch.setattr(fast, "QUICK", 0.0)
    lens = live_lens(small())
    view = lens.explore(torch.rand(1, 3, 20, 20))
    wait(view)
    assert (view.engine, view.error) == ("torch", None)
    assert fast.is_decided(lens.session.prepared(view.selection.sample))


def test_the_slower_engine_is_not_used():
    """Timed for real: whichever is chosen, the other one is not faster by much."""
    prepared = prepare_passes(small(), torch.rand(1, 3, 20, 20))
    found = []
    assert fast.export_beside(prepared, found.append)
    fast.wait_for_export()
    (passes,) = found
    chosen = fast.decide(prepared, passes)
    assert chosen == (prepared.onnx is not None)
    assert passes.seconds < float("inf")
    alone = occluded_scores(prepared.model, prepared.x, [(2, 2)], size=5, fill=0.0, prepared=prepared)
    assert alone.shape == (1, 4)


class BatchOfTwo(nn.Module):
    """Exported with a batch of two, it runs with no other."""

    def forward(self, x):
        return torch.stack([part.mean((1, 2)) for part in x.unbind(0)])


def test_a_model_whose_batch_is_exported_too_stays_with_torch(monkeypatch):
    monkeypatch.setattr(fast, "QUICK", 0.0)
    lens = live_lens(BatchOfTwo())
    view = lens.explore(torch.rand(1, 3, 20, 20))
    wait(view)
    assert view.engine == "torch"
    prepared = lens.session.prepared(view.selection.sample)
    assert fast.is_decided(prepared)
    assert prepared.onnx is None
    with pytest.raises(ValueError, match=r"the exported model does not run|does not export to ONNX"):
        prepare_passes(BatchOfTwo(), torch.rand(1, 3, 20, 20), engine="onnx")


def test_a_quick_model_is_not_exported(monkeypatch):
    monkeypatch.setattr(fast, "export_beside", lambda *_arguments: pytest.fail("it was exported"))
    lens = live_lens(small())
    view = lens.explore(torch.rand(1, 3, 20, 20))
    wait(view)
    assert view.engine == "torch"
    assert fast.is_decided(lens.session.prepared(view.selection.sample))


def test_another_place_is_read_on_the_same_engine(always_faster):
    """Of a map of scores the exported model gives all places: which one is read is the sample's."""
    model = nn.Conv2d(3, 4, 5, padding=2).eval()
    lens = live_lens(model)
    view = lens.explore(torch.rand(1, 3, 20, 20))
    wait(view)
    assert view.engine == "ONNX Runtime"
    view.asked_place = {"box": [3, 4, 3, 4]}
    wait(view)
    sample = view.selection.sample
    prepared = lens.session.prepared(sample)
    assert prepared.onnx is not None
    with torch.no_grad():
        expected = model(sample.input.x)[:, :, 3, 4]
    assert torch.allclose(prepared.whole(sample.input.x), expected, atol=1e-5)


def test_what_a_function_reads_of_one_input_is_not_exported():
    output = nnlens.outputs.reconstruction_error()
    lens = nnlens.Lens(nn.Conv2d(3, 3, 3, padding=1), output=output)
    sample = lens.sample(torch.rand(1, 3, 20, 20))
    prepared = lens.session.prepared(sample)
    assert prepared is not None
    assert not fast.may_be_faster(prepared)


@pytest.mark.skipif(not memory.resident(), reason="the memory of the process is not known here")
def test_what_large_batches_took_is_given_back():
    model = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    prepared = prepare_passes(model, torch.rand(1, 3, 128, 128), engine="onnx")
    one = prepared.onnx(torch.ones(1, 3, 128, 128))
    prepared.onnx(torch.zeros(64, 3, 128, 128))
    full = memory.resident()
    shrink_all()
    assert memory.resident() < full - 150 * 2**20
    torch.testing.assert_close(prepared.onnx(torch.ones(1, 3, 128, 128)), one)
