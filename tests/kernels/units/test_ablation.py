"""A unit taken out against weights that are zeroed by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from nets import same_state, state_of
from torch import nn

from nnlens.kernels import Prepared, ablation


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("unit", [0, 5])
def test_zero_is_a_model_with_zeroed_weights(net, unit, prepared):
    x = torch.randn(6, 3, 32, 32)
    before = state_of(net)
    made = Prepared(net, x[:1]) if prepared else None
    # Behind the normalisation, whose scale and shift are zeroed: what is prepared folds the convolution into it.
    found = ablation(net, x, "bn", unit, prepared=made)
    assert same_state(before, state_of(net))
    zeroed = copy.deepcopy(net)
    with torch.no_grad():
        zeroed.bn.weight[unit] = zeroed.bn.bias[unit] = 0
        np.testing.assert_allclose(found.clean, net(x), atol=1e-5)
        np.testing.assert_allclose(found.ablated, zeroed(x), atol=1e-5)


def test_a_convolution_and_an_in_place_rectifier(net):
    x = torch.randn(4, 3, 32, 32)
    zeroed = copy.deepcopy(net)
    with torch.no_grad():
        zeroed.block[0].weight[2] = zeroed.block[0].bias[2] = 0
        expected = zeroed(x)
    for layer in ("block.0", "block.1"):
        np.testing.assert_allclose(ablation(net, x, layer, 2).ablated, expected, atol=1e-5)
    # The rectifier writes into the sum: whoever reads that must read what stands there instead.
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 36, 3))
    images = torch.randn(3, 3, 8, 8)
    without = copy.deepcopy(model)
    with torch.no_grad():
        without[3].weight.view(3, 4, 36)[:, 1] = 0
        np.testing.assert_allclose(ablation(model, images, "1", 1).ablated, without(images), atol=1e-5)


def test_mean_and_numbers():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    x = torch.randn(5, 3, 8, 8)
    with torch.no_grad():
        maps = model[:2](x)
        for instead in ("mean", 1.5):
            changed = maps.clone()
            changed[:, 2] = maps[:, 2].mean((1, 2), keepdim=True) if instead == "mean" else instead
            np.testing.assert_allclose(
                ablation(model, x, "1", 2, replacement=instead).ablated, model[2:](changed), atol=1e-5
            )


def test_what_it_does_to_classes():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False))
    with torch.no_grad():
        model[1].weight[:] = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]])
    x = torch.tensor([[3.0, 1, 0, 0], [0, 5, 1, 0], [2, 1, 0, 0]]).view(3, 1, 2, 2)
    found = ablation(model, x, "1", 0)
    assert found.top_class_changed().tolist() == [True, False, True]
    change = found.change()
    assert change[0] < 0 < change[1]
    assert change.sum() == pytest.approx(0, abs=1e-6)
    before, after = found.probabilities()
    np.testing.assert_allclose(before, x.flatten(1)[:, :3].softmax(1), atol=1e-6)
    np.testing.assert_allclose(after.sum(1), 1, atol=1e-6)


def test_bad_arguments(net):
    x = torch.randn(2, 3, 32, 32)
    for wrong, message in (
        (lambda: ablation(net, x, "bn", 8), r"unit must be 0…7 in layer 'bn', got 8"),
        (lambda: ablation(net, x, "bn", 0, replacement="none"), "replacement must be"),
        (lambda: ablation(net, x, "bn", 0, replacement=float("nan")), "finite number, got nan"),
        (lambda: ablation(net, x, "unused", 0), "did not run"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0][:, -1]


def test_what_is_computed_inside_an_operation_is_refused():
    with pytest.raises(ValueError, match="computed inside another operation"):
        ablation(Recurrent(), torch.randn(1, 6, 3), "lstm.forget_gate_l0", 0)


def test_all_tokens_of_a_unit_go_the_class_token_too():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.block, self.head = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 6), nn.Linear(6, 4)
            self.token = nn.Parameter(torch.randn(1, 1, 6))

        def forward(self, x):
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
            return self.head(self.block(x)[:, 0])

    net, x = Patches(), torch.randn(3, 3, 16, 16)
    without = copy.deepcopy(net)
    with torch.no_grad():
        without.block.weight[3] = without.block.bias[3] = 0
        np.testing.assert_allclose(ablation(net, x, "block", 3).ablated, without(x), atol=1e-5)
    assert np.abs(ablation(net, x, "block", 3).change()).max() > 0


def test_in_words(net):
    words = repr(ablation(net, torch.randn(4, 3, 32, 32), "bn", 1))
    assert words.startswith("Ablation(without bn · 1 (replaced with 0) another class is on top in ")
    with pytest.raises(ValueError, match="at least one input, got an empty batch"):
        ablation(net, torch.randn(0, 3, 32, 32), "bn", 1)
