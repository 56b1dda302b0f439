from __future__ import annotations

import math

import pytest
import torch
from nets import same_state, state_of
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from zoo import ZOO

import nnlens
from nnlens.kernels import summary


def made(name: str):
    torch.manual_seed(0)
    specimen = ZOO[name]
    return specimen.build().eval(), specimen.inputs(), specimen.keywords()


@pytest.mark.parametrize(
    "name", ["Residual", "Dense", "ViT", "SqueezeExcite", "Reused", "Tied", "Convolutions", "MultiHead"]
)
def test_the_parts_add_up_to_the_whole(name):
    model, inputs, keywords = made(name)
    result = summary(model, *inputs, passes=2, **keywords)
    leaves = [cost for cost in result.lines() if not cost.children]
    assert result.total.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert result.total.flops == sum(cost.flops for cost in leaves)
    assert result.total.bytes == sum(cost.bytes for cost in leaves)
    assert result.total.seconds == pytest.approx(sum(cost.seconds for cost in leaves))
    assert all(cost.seconds >= 0 for cost in leaves)
    names = [cost.name for cost in leaves if not cost.not_run]
    recorded = [operation.name for operation in result.operations]
    assert names == [name for name in recorded if "attention_weights" not in name] or set(names) <= set(recorded)


@pytest.mark.parametrize("name", ["Residual", "Dense", "SqueezeExcite", "Reused", "Tied", "Convolutions", "Einsum"])
def test_flops_are_those_of_torchs_own_counter(name):
    model, inputs, keywords = made(name)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*inputs, **keywords)
    assert summary(model, *inputs, passes=1, **keywords).total.flops == counter.get_total_flops()


def test_flops_by_hand():
    """A multiply-add is two."""
    result = summary(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5)), torch.zeros(2, 3, 8, 8)
    )
    assert result["0"].flops == 2 * (2 * 8 * 6 * 6) * (3 * 3 * 3)
    assert result["1"].flops == 0
    assert result["3"].flops == 2 * 2 * 288 * 5
    # Attention, (batch, heads, tokens, width): q kᵀ, and its product with v.
    model, inputs, _ = made("ViT")
    found = summary(model, *inputs, passes=1)["blocks.0.scaled_dot_product_attention"]
    assert found.flops == 2 * 2 * (1 * 2 * 5 * 5 * 4)
    # Recurrent, (steps, batch, features): four gates, from the input and from the state.
    lstm = nn.LSTM(3, 4)
    assert summary(lstm, torch.zeros(5, 2, 3), passes=1).total.flops == 2 * 5 * 2 * 4 * (3 * 4 + 4 * 4)


def test_what_the_lines_say():
    class Escaped(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module("<b>", nn.Conv2d(3, 4, 3))
            self.unused = nn.Linear(2, 3)

        def forward(self, x):
            return getattr(self, "<b>")(x).relu()

    lens = nnlens.Lens(Escaped())
    table = lens.summary(torch.rand(1, 3, 8, 8), passes=1)
    result = table.result
    assert [cost.name for cost in result.lines()] == ["", "<b>", "relu", "unused"]
    assert str(result["<b>"].receptive_field) == "3"
    assert result["<b>"].shape == (1, 4, 6, 6)
    assert result["<b>"].bytes == 4 * 6 * 6 * 4
    assert result["unused"].not_run
    html, text = table._repr_html_(), repr(table)
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert "did not run" in html
    assert "1 modules did not run" in html
    for word in ("Conv2d", "1 × 4 × 6 × 6", "112", "3", "576 B"):
        assert word in html
        assert word in text
    with pytest.raises(KeyError, match="no operation or module of the pass is called 'nothing'"):
        result["nothing"]


def test_what_a_scripted_part_costs_is_not_known():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.fc = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3))), nn.Conv2d(4, 5, 1)

        def forward(self, x):
            return self.fc(self.inner(x))

    table = nnlens.Lens(Net()).summary(torch.rand(1, 3, 8, 8), passes=1)
    result = table.result
    assert result["inner"].flops is None
    assert result["fc"].flops == 2 * 4 * 5 * 36
    assert result.total.flops is None
    assert "–" in repr(table)


def test_products_with_a_vector_are_counted():
    class Net(nn.Module):
        def forward(self, x):
            return x @ x[0] + x[0] @ x[1]

    assert summary(Net(), torch.rand(3, 5), passes=1).total.flops == 2 * 15 + 2 * 5


def test_shapes_are_those_of_what_was_given_back():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.twice = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU())

        def forward(self, x):
            y = self.twice(self.twice(x))
            return y, y.mean()

    result = summary(Net(), torch.rand(1, 3, 9, 9), passes=1)
    assert result.total.shape == (1, 3, 5, 5)
    assert result["twice"].shape == (1, 3, 5, 5)


def test_depth_folds():
    model, inputs, _ = made("Residual")
    result = summary(model, *inputs, passes=1, depth=1)
    assert [cost.name for cost in result.lines(1)] == ["", "stem", "layer", "pool", "flatten", "fc"]
    assert len(result.lines()) > 20
    for bad in (-1, True, "2"):
        with pytest.raises(ValueError, match="depth must be a whole number, 0 or more, or None"):
            summary(model, *inputs, depth=bad)
    with pytest.raises(ValueError, match="passes must be a whole number, 1 or more, got 0"):
        summary(model, *inputs, passes=0)


def test_without_an_image():
    with pytest.raises(ValueError, match="there is no selection yet"):
        nnlens.Lens(nn.ReLU()).summary()
    model, inputs, _ = made("GPT")
    result = summary(model, *inputs, passes=1)
    assert all(cost.receptive_field is None for cost in result.lines())
    assert not math.isnan(result.total.seconds)


def test_the_model_is_untouched(net):
    x = torch.rand(1, 3, 16, 16)
    net.train()
    before = state_of(net)
    summary(net, x, passes=2)
    assert same_state(before, state_of(net))
