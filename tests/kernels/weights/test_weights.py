"""Which weights a model has, as they are used; their initialisation; comparisons and what they say."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from nnlens.kernels import weights


def test_every_kind_of_module_gives_its_effective_weight():
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        older = nn.utils.weight_norm(nn.Linear(5, 6))
    net = nn.ModuleDict(
        {
            "conv1": nn.Conv1d(3, 4, 5),
            "conv2": nn.Conv2d(4, 6, 3, groups=2),
            "conv3": nn.Conv3d(2, 3, 3),
            "transposed": nn.ConvTranspose2d(8, 6, 3, groups=2),
            "linear": nn.Linear(4, 5),
            "normed": parametrizations.weight_norm(nn.Linear(4, 5)),
            "older": older,
            "spectral": parametrizations.spectral_norm(nn.Conv2d(2, 3, 3)),
            "pruned": prune.l1_unstructured(nn.Linear(6, 4), "weight", 0.5),
            "lstm": nn.LSTM(3, 4),
            "attention": nn.MultiheadAttention(8, 2),
            "embedding": nn.Embedding(7, 3),
            "norm": nn.BatchNorm2d(4),
            "scale": nn.ParameterDict({"gamma": nn.Parameter(torch.ones(1, 8, 1, 1))}),
        }
    ).eval()
    with torch.no_grad():
        older.weight_g.mul_(2)  # the module's attribute is out of date until its next pass
        older_weight = older.weight_v * (older.weight_g / older.weight_v.norm(dim=1, keepdim=True))
    found = weights.find(net)
    assert not found.left_out
    shapes = {weight.name: tuple(weight.values.shape) for weight in found}
    assert shapes == {
        "conv1": (4, 3, 5),
        "conv2": (6, 2, 3, 3),
        "conv3": (3, 2, 3, 3, 3),
        "transposed": (6, 4, 3, 3),
        "linear": (5, 4),
        "normed": (5, 4),
        "older": (6, 5),
        "spectral": (3, 2, 3, 3),
        "pruned": (4, 6),
        "lstm.weight_ih_l0": (16, 3),
        "lstm.weight_hh_l0": (16, 4),
        "attention.in_proj_weight": (24, 8),
        "attention.out_proj": (8, 8),
        "embedding": (7, 3),
    }
    torch.testing.assert_close(found["older"].values, older_weight)
    torch.testing.assert_close(found["spectral"].values, net["spectral"].weight.detach())
    assert (found["pruned"].values == 0).sum() == 12
    # A transposed convolution's filter is what one input channel adds to one output.
    x = torch.zeros(1, 8, 1, 1)
    x[0, 5] = 1
    with torch.no_grad():
        net["transposed"].bias.zero_()
        torch.testing.assert_close(net["transposed"](x)[0, 3:], found["transposed"].values[3:, 1])
    assert found["conv2"].label == "Conv2d 4 → 6, 3 × 3, 2 groups"


def test_looking_at_weights_leaves_the_model_untouched():
    net = nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 4)), nn.Dropout()).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    for weight in weights.find(net):
        weights.compare_with_initial(weight, draws=2)
        weights.replace(net, weight.name, "low-rank", rank=2)
    assert net.training
    assert torch.equal(state, torch.get_rng_state())
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_tied_weights_are_named_once():
    net = nn.ModuleDict(
        {"embedding": nn.Embedding(9, 4), "head": nn.Linear(4, 9, bias=False), "again": nn.Linear(4, 4)}
    )
    net["head"].weight = net["embedding"].weight
    net["twice"] = net["again"]
    found = weights.find(net)
    assert [(weight.name, weight.same_as) for weight in found] == [("embedding", ("head",)), ("again", ("twice",))]
    assert (found["head"].label, found["head"].owner) == ("Linear 4 → 9", net["head"])
    assert found.first("head") is found["embedding"]


class Other(nn.Module):
    """A module with a weight of its own kind."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=weight.is_floating_point() or weight.is_complex())


def test_what_cannot_be_analysed_is_named_with_its_reason():
    net = nn.ModuleDict(
        {
            "complex": Other(torch.randn(3, 4, dtype=torch.complex64)),
            "whole": Other(torch.ones(3, 4, dtype=torch.int8)),
            "relu": nn.ReLU(),
            "good": nn.Linear(3, 2),
            "halved": nn.Linear(3, 2).half(),
        }
    )
    found = weights.find(net)
    assert [weight.name for weight in found] == ["good", "halved"]
    assert set(found.left_out) == {"complex", "whole"}
    for name, words in (("complex", "complex"), ("whole", "int8"), ("relu", "no weights")):
        with pytest.raises(ValueError, match=words):
            weights.find_one(net, name)
    with pytest.raises(ValueError, match="did you mean 'good'"):
        weights.find_one(net, "god")
    assert weights.find_one(net, net["good"]).name == "good"
    with pytest.raises(ValueError, match="not in it"):
        weights.find_one(net, nn.Linear(2, 2))
    with pytest.raises(ValueError, match="lazy"):
        weights.find(nn.Sequential(nn.LazyLinear(3)))
    with pytest.raises(TypeError, match="model must be"):
        weights.find("net")


def test_quantised_weights_are_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3)), {nn.Linear})
    with pytest.raises(ValueError, match="quantised"):
        weights.find_one(net, "0")


def test_weights_that_are_not_finite_are_counted_and_refused():
    net = nn.Sequential(nn.Linear(3, 2))
    net[0].weight.data[0, 1] = float("nan")
    weight = weights.find_one(net, "0")
    assert weight.not_finite == 1
    for analyse in (weights.FilterStatistics, weights.compare_with_initial):
        with pytest.raises(ValueError, match="1 values that are NaN"):
            analyse(weight)
    with pytest.raises(ValueError, match="NaN"):
        weights.replace(net, "0", "low-rank", rank=1)


def test_the_initialisation_is_the_modules_own():
    torch.manual_seed(3)
    expected = nn.Conv2d(3, 8, 5, groups=1).weight.detach()
    trained = nn.Conv2d(3, 8, 5)
    trained.weight.data.mul_(4)
    weight = weights.find_one(trained, "")
    torch.testing.assert_close(weights.initial_weight(weight, 3).values, expected)
    normed = nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 8, 5)))
    torch.testing.assert_close(weights.initial_weight(weights.find_one(normed, "0"), 3).values, expected)

    class Own(nn.Linear):
        def reset_parameters(self):
            nn.init.constant_(self.weight, 0.5)

    own = nn.Sequential(Own(3, 2))
    assert (weights.initial_weight(weights.find_one(own, "0"), 0).values == 0.5).all()
    for module, name in ((nn.LSTM(3, 4), "weight_hh_l0"), (nn.MultiheadAttention(8, 2), "in_proj_weight"),
                         (nn.ConvTranspose2d(4, 6, 3, groups=2), "")):  # fmt: skip
        weight = weights.find_one(module, name)
        drawn = weights.initial_weight(weight, 0).values
        assert drawn.shape == weight.values.shape
        assert float(drawn.std()) == pytest.approx(float(weight.values.std()), rel=0.35)
    assert weights.initial_weight(weights.find_one(Other(torch.randn(4, 5)), ""), 0) is None


def test_an_untrained_layer_does_not_differ_from_its_initialisation():
    torch.manual_seed(100)
    net = nn.Sequential(*[nn.Conv2d(6, 24, 5) for _ in range(12)])
    outside = [item.outside for weight in weights.find(net)
               for item in weights.compare_with_initial(weight).numbers.values()]  # fmt: skip
    assert np.mean(outside) < 0.2  # expected: 2 of 21


def test_a_trained_layer_differs_and_the_findings_say_so():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 32, 7)
    angle = torch.linspace(0, 0.6, 32)
    y, x = torch.meshgrid(torch.arange(-3.0, 4), torch.arange(-3.0, 4), indexing="ij")
    waves = torch.cos(1.2 * (x * angle.cos().view(-1, 1, 1) + y * angle.sin().view(-1, 1, 1)))
    conv.weight.data = waves.unsqueeze(1).repeat(1, 3, 1, 1) + 0.05 * torch.randn(32, 3, 7, 7)
    conv.weight.data[4] = 0
    result = weights.compare_with_initial(weights.find_one(conv, ""), draws=20)
    words = "\n".join(result.findings())
    assert "stronger than in random weights" in words
    assert "vary mostly in one direction" in words
    assert "fit a Gabor function better than any of 64 patterns of noise" in words
    assert "1 filter is dead" in words
    assert "nearly the same" in words
    energy = result.numbers["energy above random"]
    assert energy.outside
    assert energy.p == pytest.approx(1 / 21)
    assert energy.value > 0.9
    assert len(result.references) == 1  # of further draws only the numbers are kept


def test_a_comparison_with_another_model_has_one_reference():
    one, other = nn.Conv2d(3, 8, 5), nn.Conv2d(3, 8, 5)
    result = weights.compare(weights.find_one(one, ""), [weights.find_one(other, "")], against="the other")
    item = result.numbers["std"]
    assert item.references == (pytest.approx(float(other.weight.detach().std(correction=0)), rel=1e-6),)
    assert np.isnan(item.score)
    assert np.isnan(item.p)
    assert result.findings()
    alone = weights.compare_with_initial(weights.find_one(Other(torch.randn(4, 5)), ""))
    assert "nothing to compare with" in alone.findings()[-1]
    with pytest.raises(ValueError, match="draws must be"):
        weights.compare_with_initial(weights.find_one(one, ""), draws=-1)
