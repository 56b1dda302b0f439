"""What feeds a unit against convolutions by hand; what it brings to others against the network without it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from zoo import ZOO

from nnlens import record
from nnlens.kernels import connections


def by_hand(weight, x, unit, row, column, padding):
    """Contribution of each input channel to one number of a convolution."""
    size = weight.shape[2]
    window = F.pad(x, [padding] * 4)[0, :, row : row + size, column : column + size]
    return (weight[unit] * window).sum((1, 2))


def test_a_convolution_by_hand(net):
    x = torch.randn(1, 3, 32, 32)
    recording = record(net, x)
    found = connections(recording, x, "block.0", 3, position=(5, 7))
    with torch.no_grad():
        parts = by_hand(net.block[0].weight, recording["pool"], 3, 5, 7, 1)
    assert [part.unit for part in found.inputs] == parts.abs().argsort(descending=True).tolist()
    assert all(part.layer == "pool" for part in found.inputs)
    for part in found.inputs:
        assert part.value == pytest.approx(float(parts[part.unit]), abs=1e-5)
    assert found.rest == pytest.approx(net.block[0].bias[3].item(), abs=1e-5)
    assert found.total == pytest.approx(float(recording["block.0"][0, 3, 5, 7]), abs=1e-5)
    np.testing.assert_array_equal(found.kernels, net.block[0].weight[3].detach())


@pytest.mark.parametrize("name", ZOO)
def test_parts_and_rest_add_up_to_the_value_before_the_activation(name):
    """For every layer that can be taken apart: in linear ones without `rest` being more than the bias."""
    torch.manual_seed(0)
    model, inputs = ZOO[name].build().eval(), ZOO[name].inputs()
    x = inputs[0]
    recording = record(model, *inputs, **ZOO[name].keywords())
    taken = 0
    for operation in recording:
        if operation.number is None or not operation.dtype.is_floating_point or operation.shape[:1] != (1,):
            continue
        try:
            found = connections(recording, x, operation.name, 0)
        except ValueError:  # "cannot be taken apart"
            continue
        taken += 1
        parts = sum(part.value for part in found.inputs)
        assert parts + found.rest == pytest.approx(found.total, rel=1e-4, abs=1e-4)
        made = recording.operation(found.operation)
        if found.linear and made.op == "conv2d" and made.name == operation.name and None not in made.arguments[1:3]:
            bias = made.argument(2, "bias")
            value = 0.0 if bias is None else bias.value[0].item()
            assert found.rest == pytest.approx(value, abs=1e-3 * max(1, abs(found.total)))
    assert taken or not any(operation.kind == "convolution" for operation in recording)


def test_normalisation_and_activation_belong_to_the_unit(net):
    x = torch.randn(1, 3, 32, 32)
    recording = record(net, x)
    found = connections(recording, x, "relu:1", 2)
    row, column = found.position
    assert found.operation == "stem"
    assert found.total == pytest.approx(float(recording["bn"][0, 2, row, column]), abs=1e-5)
    scale = net.bn.weight[2] / (net.bn.running_var[2] + net.bn.eps).sqrt()
    with torch.no_grad():
        parts = scale * by_hand(net.stem.weight, x, 2, row, column, 1)
        shift = net.bn.bias[2] + scale * (net.stem.bias[2] - net.bn.running_mean[2])
    assert {part.unit: pytest.approx(part.value, abs=1e-5) for part in found.inputs} == {
        unit: pytest.approx(float(value), abs=1e-4) for unit, value in enumerate(parts)
    }
    assert found.rest == pytest.approx(float(shift), abs=1e-4)
    assert all(part.layer == "input" for part in found.inputs)


def test_a_residual_sum_is_fed_by_both_branches(net):
    x = torch.randn(1, 3, 32, 32)
    recording = record(net, x)
    found = connections(recording, x, "add", 4, position=(3, 3))
    parts = {(part.layer, part.unit): part.value for part in found.inputs if part.value}
    assert parts == {
        key: pytest.approx(float(value), abs=1e-6)
        for key, value in {
            ("pool", 4): recording["pool"][0, 4, 3, 3],
            ("block.1", 4): recording["block.1"][0, 4, 3, 3],
        }.items()
        if value
    }
    assert found.rest == pytest.approx(0, abs=1e-6)


def test_a_flattened_layer_counts_by_its_channels():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    x = torch.randn(1, 3, 8, 8)
    recording = record(model, x)
    found = connections(recording, x, "4", 2)
    with torch.no_grad():
        parts = (model[4].weight[2].view(4, 36) * recording["1"].view(4, 36)).sum(1)
    assert {part.layer for part in found.inputs} == {"1"}
    for part in found.inputs:
        assert part.value == pytest.approx(float(parts[part.unit]), abs=1e-5)


def test_groups_read_their_own_channels_only():
    model, x = nn.Conv2d(6, 9, 3, groups=3), torch.randn(1, 6, 8, 8)
    found = connections(record(model, x), x, "conv2d", 4)
    assert found.read == 2
    assert found.kernels.shape == (2, 3, 3)
    assert {part.unit for part in found.inputs if part.value} == {2, 3}


def test_uses_are_what_is_missing_without_the_unit(net):
    x = torch.randn(1, 3, 32, 32)
    recording = record(net, x)
    found = connections(recording, x, "pool", 5)
    conv = {part.unit: part.value for part in found.outputs if part.layer == "block.1"}
    without = recording["pool"].clone()
    without[:, 5] = 0
    with torch.no_grad():
        lost = (net.block[0](recording["pool"]) - net.block[0](without))[0]
    for unit, map_ in enumerate(lost):
        expected = map_.flatten()[map_.abs().argmax()]
        assert conv[unit] == pytest.approx(float(expected), abs=1e-5)
    # The residual sum reads the same map, and its own unit alone of it.
    assert {part.unit for part in found.outputs if part.layer == "relu:2"} == {5}


def test_bad_arguments(net):
    x = torch.randn(1, 3, 32, 32)
    recording = record(net, x)
    with pytest.raises(ValueError, match=r"unit must be 0…7 in layer 'bn', got 8"):
        connections(recording, x, "bn", 8)
    with pytest.raises(ValueError, match=r"position must be inside the 32 × 32 map, got \(32, 0\)"):
        connections(recording, x, "bn", 0, position=(32, 0))
    with pytest.raises(ValueError, match="layer must be one of"):
        connections(recording, x, "nothing", 0)


def test_in_words(net):
    x = torch.randn(1, 3, 32, 32)
    recording = record(net, x)
    words = connections(recording, x, "block.1", 1, position=(2, 3)).describe()
    assert words.startswith("block.1 · 1 at (2, 3): ")
    assert " before its activation function = " in words
    assert words.endswith(" by the bias")
    assert "activation function" not in connections(recording, x, "head", 1).describe()


class Forward(nn.Module):
    def __init__(self, forward, **parts):
        super().__init__()
        self._forward = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self._forward(self, x)


def test_nothing_of_the_model_is_written_into():
    norm = nn.BatchNorm2d(3)
    norm.running_mean.fill_(0.25)
    model = Forward(
        lambda self, x: F.batch_norm(x, self.norm.running_mean, self.norm.running_var, training=True) + torch.rand(1),
        norm=norm,
    )
    x = torch.randn(1, 3, 6, 6)
    recording = record(model, x)
    before, state = norm.running_mean.clone(), torch.get_rng_state()
    for layer in ("batch_norm", "add"):
        found = connections(recording, x, layer, 1)
        assert sum(part.value for part in found.inputs) + found.rest == pytest.approx(found.total, abs=1e-5)
    assert torch.equal(norm.running_mean, before)
    assert torch.equal(torch.get_rng_state(), state)


def patches(x):
    """An image as 4 × 4 tokens of 48 features."""
    return F.unfold(x, 4, stride=4).transpose(1, 2)


def test_padded_features_are_units_of_their_own():
    model = Forward(lambda self, x: self.head(F.pad(F.gelu(patches(x)), (2, 0))), head=nn.Linear(50, 3))
    x = torch.randn(1, 3, 16, 16)
    found = connections(record(model, x), x, "head", 0)
    assert {part.layer for part in found.inputs} == {"pad"}
    assert all(part.value == 0 for part in found.inputs if part.unit < 2)


def test_what_is_not_linear_does_not_call_its_rest_a_bias():
    x = torch.randn(1, 3, 8, 8)
    own = Forward(lambda self, x: F.conv2d(x, x[0, :2].mean((1, 2))[:, None, None, None].expand(2, 3, 3, 3)))
    assert not connections(record(own, x), x, "conv2d", 0).linear
    for layer, op in ((nn.BatchNorm2d(3, track_running_stats=False), "batch_norm"), (nn.LPPool2d(2, 2), "lp_pool2d")):
        found = connections(record(layer, x), x, op, 1)
        assert not found.linear, op
        assert "not attributed" in found.describe()


def test_a_vector_is_an_input_too():
    model, x = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)), torch.randn(1, 8)
    found = connections(record(model, x), x, "1", 2)
    with torch.no_grad():
        parts = model[0].weight[2] * x[0]
    assert {part.unit: part.value for part in found.inputs} == {
        unit: pytest.approx(float(value), abs=1e-6) for unit, value in enumerate(parts)
    }


def test_uses_of_a_normalisation_are_what_is_missing_without_the_unit():
    model = Forward(lambda self, x: self.norm(patches(x) * 2), norm=nn.LayerNorm(48))
    x = torch.randn(1, 3, 16, 16)
    recording = record(model, x)
    found = {part.unit: part.value for part in connections(recording, x, "mul", 3).outputs}
    without = recording["mul"].clone()
    without[..., 3] = 0
    with torch.no_grad():
        lost = (model.norm(recording["mul"]) - model.norm(without))[0]
    for unit in range(48):
        expected = lost[lost[:, unit].abs().argmax(), unit]
        assert found[unit] == pytest.approx(float(expected), abs=1e-5)


def test_uses_look_through_pools():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 1)).eval()
    x = torch.randn(1, 3, 10, 10)
    recording = record(model, x)
    found = connections(recording, x, "1", 2).outputs
    assert {part.layer for part in found} == {"3"}
    without = recording["2"].clone()
    without[:, 2] = 0
    with torch.no_grad():
        lost = (model[3](recording["2"]) - model[3](without))[0].flatten(1)
    best = lost.gather(1, lost.abs().argmax(1, keepdim=True))[:, 0]
    for part in found:
        assert part.value == pytest.approx(float(best[part.unit]), abs=1e-5)
