"""The views of weights: filters, the table of all layers, replacements."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pages import unpack
from torch import nn
from traitlets import TraitError

import nnlens
from nnlens.export.bundle import BUDGET
from nnlens.kernels import weights


@pytest.fixture(scope="module")
def network():
    return nnlens.zoo.digits()


@pytest.fixture
def lens(network):
    return nnlens.Lens(network.model, preprocess=network.preprocess, labels=network.labels)


@pytest.fixture(scope="module")
def digit():
    return nnlens.zoo.DigitImages()[3][0]


def tiles(bank) -> np.ndarray:
    """The tiles of a bank as numbers."""
    shape = bank["filters"], bank["planes"], bank["rows"], bank["columns"]
    codes = np.frombuffer(bank["data"], np.int8).reshape(shape)
    return codes / 127 * np.frombuffer(bank["peak"], np.float32)[:, None, None, None]


def test_filters_are_shown_without_an_image(network):
    lens = nnlens.Lens(network.model)
    view = lens.filters("features.0")
    assert view.wait(60)
    own = network.model.features[0].weight.detach().numpy()
    np.testing.assert_allclose(tiles(view.bank), own, atol=abs(own).max() / 200)
    assert (view.weight, view.filter, view.linked) == ("features.0", 0, False)
    assert view.tuning["problem"] == view.expanded["problem"] == "open an image to see it"
    view.filter = 5
    assert view.detail["norm"] == pytest.approx(np.linalg.norm(own[5]), rel=1e-5)
    assert view.result.weight.name == "features.0"
    assert "filter 5 of features.0" in view.describe()
    assert len(view.figure().data) == 7
    assert "figure" in dir(view)
    # The image that comes later is another view's: nothing was opened by this one.
    with pytest.raises(ValueError, match="no selection yet"):
        _ = lens.selection


def test_a_filter_is_the_unit_of_the_other_views(lens, digit):
    other = lens.activations(digit, layer="features.9", unit=3)
    view = lens.filters()
    assert (view.weight, view.filter, view.linked) == ("features.7", 3, True)  # the convolution below features.9
    view.filter = 6
    assert other.unit == lens.selection.unit == 6
    other.unit = 1
    assert (view.filter, view.detail["filter"]) == (1, 1)
    other.layer = "features.0"
    assert (view.weight, view.bank["name"], view.filter) == ("features.0", "features.0", other.unit)
    view.set_state({"weight": "features.17", "filter": 40})
    assert (other.layer, other.unit, view.weight, view.filter) == ("features.17", 40, "features.17", 40)
    view.set_state({"weight": "features.0", "filter": 0})
    assert (other.layer, other.unit) == ("features.0", 0)
    # The state brings both back.
    state = view.state
    view.filter = 9
    view.weight = "classifier"
    view.state = state
    assert (view.weight, view.filter, other.layer, other.unit) == ("features.0", 0, "features.0", 0)
    named = lens.filters("features.9")
    assert named.weight == "features.7"  # a layer is as good as the module that computes it
    assert lens.filters(lens.model.features[3]).weight == "features.3"


def test_what_a_filter_responds_to_is_computed_in_the_background(lens, digit):
    view = lens.filters("features.3", digit, filter=2)
    assert view.wait(120)
    sample, model = lens.sample(digit), lens.model
    tuning = weights.gratings(model, sample.recording, sample.input.x, "features.3")
    sent = np.frombuffer(view.tuning["values"], np.float32).reshape(tuning.values[2].shape)
    np.testing.assert_allclose(sent, tuning.values[2])
    assert view.tuning["best"] == pytest.approx(tuning.best(2))
    assert view.tuning["done"] == 1
    expanded = weights.expanded_weights(model, sample.recording, sample.input.x, "features.3", [2])
    assert view.expanded["words"] == expanded.describe()
    assert view.expanded["texture"]["largest"] == pytest.approx(abs(expanded.values).max(), rel=1e-6)
    view.expanded_by = "gradient"
    assert view.wait(60)
    assert view.expanded["words"] == "mean gradient over 1 image"
    lens.examples(torch.stack([sample.input.x[0]] * 3), layers=["features.2"])
    view.expanded_by = "linear"
    view.expanded_by = "gradient"
    assert view.wait(60)
    assert view.expanded["words"] == "mean gradient over 3 images"


def test_channels_orders_and_gabor_fits():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(5, 8, 5), nn.ReLU())
    view = nnlens.Lens(net).filters(order="norm")
    assert view.wait(60)
    weight = net[0].weight.detach().numpy()
    assert view.bank["noise"][1] > 0.5  # noise of 5 × 5 pixels fits well
    assert len(np.frombuffer(view.bank["r_squared"], np.float32)) == 8
    view.channel = 3
    np.testing.assert_allclose(tiles(view.bank)[:, 0], weight[:, 3], atol=0.01)
    view.channel = 99
    assert view.channel is None
    assert view.detail["kernels"]["planes"] == 5
    strongest = np.linalg.norm(weight[0].reshape(5, -1), axis=1).argsort()[::-1]
    assert view.detail["channels"] == strongest.tolist()
    power = np.frombuffer(view.detail["power"]["data"], np.int8).reshape(64, 64)
    assert np.array_equal(power[1:, 1:], power[1:, 1:][::-1, ::-1])  # of real numbers, so the same on both sides


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Conv1d(3, 4, 5), (1, 5)),
        (nn.Conv3d(2, 4, 3), (9, 3)),
        (nn.ConvTranspose2d(4, 4, 3), (3, 3)),
        (nn.Linear(6, 4), (1, 6)),
        (nn.Conv2d(4, 4, 1), (1, 4)),
        (nn.Embedding(4, 3), (1, 3)),
    ],
)
def test_weights_of_every_kind_have_tiles(module, shape):
    view = nnlens.Lens(nn.Sequential(module)).filters("0")
    assert view.wait(60)
    assert (view.bank["filters"], view.bank["rows"], view.bank["columns"]) == (4, *shape)
    assert not view.bank_problem
    view.picture()


def test_attention_shows_its_heads():
    torch.manual_seed(0)
    net = nn.ModuleDict({"attention": nn.MultiheadAttention(8, 2), "after": nn.Linear(8, 3)})
    view = nnlens.Lens(net).filters("attention.in_proj_weight")
    assert view.wait(60)
    expected = weights.heads(net, "attention")
    assert len(view.heads["heads"]) == 2
    assert view.heads["heads"][1]["copying"] == pytest.approx(expected.copying()[1])
    view.weight = "after"
    assert view.wait(60)
    assert view.heads is None


def test_what_is_wrong_is_said(network, digit):
    broken = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3))
    broken[0].weight.data[1] = float("nan")
    lens = nnlens.Lens(broken)
    view = lens.filters("0")
    assert view.bank is None
    assert "9 values that are NaN" in view.bank_problem
    view.weight = "1"
    assert not view.bank_problem
    table = lens.weights(draws=1)
    assert [comparison.statistics.weight.name for comparison in table.result] == ["1"]
    assert "NaN" in table.weight_rows[0]["problem"]
    with pytest.raises(TraitError, match="filter must be 0…1"):
        view.filter = 2
    view.set_state({"filter": 7})
    assert view.error["message"] == "filter must be 0…1 in '1', got 7"
    assert view.filter == 0
    with pytest.raises(ValueError, match="must have weights"):
        nnlens.Lens(nn.Sequential(nn.ReLU())).weights()
    lens = nnlens.Lens(network.model)
    for call, words in (
        (lambda: lens.filters("feature.0"), "did you mean 'features.0'"),
        (lambda: lens.filters("features.2"), "no weights"),
        (lambda: lens.filters(3), "module or its name"),
        (lambda: lens.filters(order="size"), "order must be one of"),
        (lambda: lens.filters(sort="norm"), "no option 'sort'"),
        (lambda: lens.weights(draws=-1), "draws must be"),
        (lambda: lens.weights(against="best.pt"), "against must be a model"),
        (lambda: lens.weights(against={"features.0.weight": torch.zeros(1)}), "state of the same model"),
        (lambda: lens.replace("features.0", "low-rank"), "needs rank"),
        (lambda: lens.replacements("features.0", []), "at least one image"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            call()


def test_the_table_fills_while_it_is_looked_at(network):
    lens = nnlens.Lens(network.model)
    view = lens.weights(draws=4)
    assert view.wait(120)
    names = [weight.name for weight in weights.find(network.model)]
    assert [row["name"] for row in view.weight_rows] == names
    assert {row["draws"] for row in view.weight_rows} == {4}
    assert view.weights_progress == {"done": 5 * len(names), "total": 5 * len(names), "running": False}
    expected = weights.compare_with_initial(weights.find_one(network.model, "features.7"), draws=4)
    row = view.weight_rows[names.index("features.7")]
    for name, item in expected.numbers.items():
        assert row["numbers"][name]["value"] == pytest.approx(item.value)
        assert row["numbers"][name]["high"] == pytest.approx(item.high)
    assert row["findings"] == expected.findings()
    assert sum(row["weights"]["shares"]) == pytest.approx(1)
    assert sum(row["norms"]["reference"]) == pytest.approx(1)
    result = view.result
    assert result["features.7"].numbers["kurtosis"].value == expected.numbers["kurtosis"].value
    assert len(result.rows()) == len(names)
    assert len(view.figure().data) > 10
    assert row["uniformity"][1] == (pytest.approx(expected.numbers["axes"].value), pytest.approx(0, abs=1))
    assert "does not show" in result._repr_html_()
    assert view.describe().startswith("nnlens: Weights of 7 layers. features.0:")


def test_the_table_compares_with_other_models(network):
    lens = nnlens.Lens(network.model)
    other = nnlens.zoo.small.digits_net()
    view = lens.weights(against={"untrained": other, "the same": network.model.state_dict()})
    assert view.wait(60)
    assert (view.against, view.references) == ("untrained", ["untrained", "the same"])
    item = view.weight_rows[0]["numbers"]["std"]
    there = float(other.features[0].weight.detach().std(correction=0))
    assert (item["low"], item["high"]) == pytest.approx((there, there), rel=1e-5)
    view.against = "the same"
    assert view.wait(60)
    row = view.weight_rows[0]
    assert row["numbers"]["std"]["value"] == row["numbers"]["std"]["low"]
    assert not any(item["differs"] for row in view.weight_rows for item in row["numbers"].values())
    assert lens.weights(against=nnlens.Lens(other)).references == ["the other model"]
    with pytest.raises(ValueError, match="against must be one of"):
        view.against = "another"
    assert view.against == "the same"
    with pytest.raises(TypeError, match="against must be"):
        lens.weights(against={"one": 3})


def test_the_table_can_be_stopped_and_follows_the_model(network):
    import copy

    model = copy.deepcopy(network.model)
    view = nnlens.Lens(model).weights(draws=50)
    view.cancel += 1
    view.wait(60)
    assert not view.weights_progress["running"]
    assert view.weights_progress["done"] < view.weights_progress["total"]
    view.resume += 1
    assert view.wait(240)
    assert view.weights_progress["done"] == view.weights_progress["total"]
    before = view.weight_rows[0]["numbers"]["std"]["value"]
    with torch.no_grad():
        model.features[0].weight.mul_(2)
    view.look_for_changes()
    assert view.stale
    view.refresh += 1
    assert view.wait(240)
    assert view.weight_rows[0]["numbers"]["std"]["value"] == pytest.approx(2 * before)
    assert not view.stale


def test_replacements_are_tried_one_after_the_other(lens, network):
    data = nnlens.zoo.DigitImages()
    view = lens.replacements("features.3", data, count=40, methods=["low-rank"])
    assert view.wait(120)
    sweep = view.sweep
    assert (sweep["done"], sweep["running"], sweep["images"]) == (sweep["total"], False, 40)
    assert sweep["results"][-1]["agreement"] == 1
    assert [len(trace.x) for trace in view.figure().data] == [sweep["total"]]
    smallest = view.result.smallest(0.01)
    assert sweep["results"][sweep["smallest"]]["words"] == f"low-rank {smallest.setting:g}"
    view.loss = 1.0
    assert view.sweep["smallest"] == 0  # if everything may be lost, the smallest of all
    one = lens.replace("features.3", "low-rank", rank=8, dataset=data, count=40)
    assert one.accuracy[1] == pytest.approx(
        sweep["results"][[r["setting"] == 8 for r in sweep["results"]].index(True)]["accuracy"]
    )
    assert "accuracy" in one.describe()
    assert lens.replace("features.3", "prune", amount=0.5).flops is None  # no image says what a pass is
    lens.explore(data[3][0])
    assert (
        lens.replace("features.3", "low-rank", rank=4).flops[1]
        < lens.replace("features.3", "low-rank", rank=8).flops[1]
    )
    view.weight = "features.0"
    assert view.wait(120)
    assert view.sweep["layer"] == "features.0"


def test_replacements_by_workers(lens, tmp_path, monkeypatch):
    pytest.importorskip("loky")
    monkeypatch.setenv("NNLENS_CACHE", str(tmp_path))
    data, options = nnlens.zoo.DigitImages(), {"count": 40, "methods": ["low-rank"]}
    plain = lens.replacements("features.3", data, **options)
    assert plain.wait(120)
    view = lens.replacements("features.3", data, **options, workers=1, shard_size=16)
    assert view.wait(120)
    assert view.sweep == plain.sweep
    assert len(list(tmp_path.rglob("*.npz"))) == 3
    with pytest.raises(TypeError, match="build must be a function"):
        lens.replacements("features.3", data, build=5)


def test_images_without_labels_measure_the_agreement(lens):
    images = torch.randn(6, 1, 28, 28)
    view = lens.replacements("features.3", images, methods=["prune"], settings=[0.0, 0.5])
    assert view.wait(60)
    assert view.sweep["results"][0]["accuracy"] is None
    assert view.sweep["results"][0]["agreement"] == 1
    some = lens.replacements("features.3", [*images, b"broken"], methods=["prune"], settings=[0.5], shard_size=4)
    assert some.wait(60)
    assert some.sweep["images"] == 6
    assert [item for item, _why in some.sweep["skipped"]] == [6]


def test_pages_without_a_kernel_keep_the_filters(lens, digit, tmp_path):
    view = lens.filters("features.0", digit)
    page = view.save(tmp_path / "filters.html").read_text()
    assert len(page) < BUDGET
    content = unpack(page)
    banks, details, responses = (response["table"] for response in content["responses"])
    assert set(banks) >= {"features.0", "features.3"}
    assert {f"features.0|{unit}" for unit in range(16)} <= set(details)
    assert details["features.0|4"]["detail"]["filter"] == details["features.0|4"]["unit"] == 4
    assert banks["features.3"]["layer"] == "features.3"
    # What every filter responds to, not only the chosen one.
    assert responses["features.0|9"]["tuning"]["filter"] == responses["features.0|9"]["expanded"]["filter"] == 9
    assert content["state"]["tuning"]["done"] == 1
    page = lens.weights(draws=2).save(tmp_path / "weights.html").read_text()
    state = unpack(page)["state"]
    assert len(state["weight_rows"]) == 7
    assert not state["weights_progress"]["running"]
    page = lens.replacements("features.3", nnlens.zoo.DigitImages(), count=10, methods=["prune"]).save(
        tmp_path / "r.html"
    )
    assert unpack(page.read_text())["state"]["sweep"]["done"] == 7
