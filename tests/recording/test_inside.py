"""What recurrent and attention operations compute inside, against torch's own results."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from nnlens.recording import record

RECURRENT = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(RECURRENT)),
    layers=st.integers(1, 3),
    both=st.booleans(),
    bias=st.booleans(),
    batch_first=st.booleans(),
    projection=st.booleans(),
    given_state=st.booleans(),
    seed=st.integers(0, 99),
)
def test_states_are_those_of_the_fused_layer(kind, layers, both, bias, batch_first, projection, given_state, seed):
    torch.manual_seed(seed)
    more = {"proj_size": 2} if kind == "lstm" and projection else {}
    if kind == "rnn":
        more["nonlinearity"] = "relu" if projection else "tanh"
    layer = RECURRENT[kind](3, 4, layers, bidirectional=both, bias=bias, batch_first=batch_first, **more)
    ways, steps, batch = 2 if both else 1, 5, 2
    x = torch.randn(batch, steps, 3) if batch_first else torch.randn(steps, batch, 3)
    hidden = torch.randn(layers * ways, batch, 2 if "proj_size" in more else 4)
    cell = torch.randn(layers * ways, batch, 4)
    state = () if not given_state else ((hidden, cell),) if kind == "lstm" else (hidden,)
    recording = record(layer, x, *state)
    with torch.no_grad():
        output, last = layer(x, *state)
    names = [f"_l{n}{way}" for n in range(layers) for way in ("", "_reverse")[:ways]]
    found = torch.cat([recording[f"hidden{name}"] for name in names[-ways:]], -1)
    torch.testing.assert_close(found, output, rtol=1e-5, atol=1e-5)
    for position, name in enumerate(names):
        values = recording[f"hidden{name}"].transpose(0, 1) if batch_first else recording[f"hidden{name}"]
        final = values[0 if name.endswith("reverse") else -1]
        expected = last[0] if kind == "lstm" else last
        torch.testing.assert_close(final, expected[position], rtol=1e-5, atol=1e-5)
        if kind == "lstm":
            cells = recording[f"cell{name}"].transpose(0, 1) if batch_first else recording[f"cell{name}"]
            torch.testing.assert_close(
                cells[0 if name.endswith("reverse") else -1], last[1][position], rtol=1e-5, atol=1e-5
            )
    for operation in recording:
        assert tuple(recording[operation.name].shape) == operation.shape, operation.name
        if operation.kind == "gate" and operation.op not in ("cell_gate", "new_gate"):
            assert ((recording[operation.name] >= 0) & (recording[operation.name] <= 1)).all()


def test_gates_are_those_of_the_equations():
    """torch.nn.LSTM's documentation, written out for one step."""
    layer, x, (h, c) = nn.LSTM(3, 4), torch.randn(1, 2, 3), torch.randn(2, 1, 2, 4)
    recording = record(layer, x, (h, c))
    with torch.no_grad():
        gates = x[0] @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h[0] @ layer.weight_hh_l0.T + layer.bias_hh_l0
        i, f, g, o = gates.split(4, -1)
        cell = f.sigmoid() * c[0] + i.sigmoid() * g.tanh()
    for name, value in {
        "input_gate": i.sigmoid(),
        "forget_gate": f.sigmoid(),
        "cell_gate": g.tanh(),
        "cell": cell,
    }.items():
        torch.testing.assert_close(recording[f"{name}_l0"][0], value)
    torch.testing.assert_close(recording["hidden_l0"][0], o.sigmoid() * cell.tanh())


@pytest.mark.parametrize("kind", sorted(RECURRENT))
def test_packed_sequences(kind):
    layer = RECURRENT[kind](3, 4, 2, bidirectional=True)

    class Packs(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x: PackedSequence):
            return self.layer(x)

    packed = pack_padded_sequence(torch.randn(5, 3, 3), torch.tensor([5, 3, 2]))
    recording = record(Packs(), packed)
    with torch.no_grad():
        output, lengths = pad_packed_sequence(layer(packed)[0])
    found = torch.cat([recording["layer.hidden_l1"], recording["layer.hidden_l1_reverse"]], -1)
    for sequence, length in enumerate(lengths):
        torch.testing.assert_close(found[:length, sequence], output[:length, sequence], rtol=1e-5, atol=1e-5)
        assert found[length:, sequence].isnan().all(), "behind the end there is nothing"


def test_cells_step_by_step():
    cells = {"lstm": nn.LSTMCell(3, 4), "gru": nn.GRUCell(3, 4), "rnn": nn.RNNCell(3, 4, bias=False)}
    for name, cell in cells.items():
        x = torch.randn(2, 3)
        recording = record(cell, x)
        with torch.no_grad():
            expected = cell(x)
        hidden = expected[0] if name == "lstm" else expected
        torch.testing.assert_close(recording["hidden"], hidden, rtol=1e-5, atol=1e-5)


def test_dropout_between_layers_leaves_only_the_first_known():
    layer = nn.LSTM(3, 4, 2, dropout=0.5).train()
    recording = record(layer, torch.randn(5, 1, 3), mode="as is")
    assert "cell_l0" in recording
    assert "cell_l1" not in recording
    assert "cell_l1" in record(layer, torch.randn(5, 1, 3))


@settings(max_examples=40, deadline=None)
@given(
    mask=st.sampled_from([None, "bool", "float", "causal", "rows"]),
    scale=st.sampled_from([None, 0.3]),
    grouped=st.booleans(),
    seed=st.integers(0, 99),
)
def test_attention_weights_give_the_attentions_output(mask, scale, grouped, seed):
    torch.manual_seed(seed)
    query, key, value = torch.randn(2, 4, 5, 8), *torch.randn(2, 2, 2 if grouped else 4, 6, 8)
    more = {"scale": scale, "enable_gqa": grouped}
    if mask == "causal":
        more["is_causal"] = True
    elif mask == "bool":
        more["attn_mask"] = torch.rand(5, 6) > 0.3
        more["attn_mask"][:, 0] = True
    elif mask == "float":
        more["attn_mask"] = torch.randn(2, 1, 5, 6)
    elif mask == "rows":
        more["attn_mask"] = torch.ones(5, 6, dtype=torch.bool)
        more["attn_mask"][2] = False

    class Attends(nn.Module):
        def forward(self, q, k, v):
            return F.scaled_dot_product_attention(q, k, v, **more)

    recording = record(Attends(), query, key, value)
    weights = recording["attention_weights"]
    assert weights.shape == recording.operation("attention_weights").shape == (2, 4, 5, 6)
    values = value.repeat_interleave(2, 1) if grouped else value
    torch.testing.assert_close(weights @ values, recording["scaled_dot_product_attention"], rtol=1e-4, atol=1e-5)
    if mask != "rows":
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 5))
    if mask == "causal":
        assert (weights.triu(1) == 0).all()


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masked", [None, "padding", "causal"])
def test_multihead_attention_with_and_without_its_fast_path(batch_first, masked):
    layer = nn.MultiheadAttention(8, 2, batch_first=batch_first).eval()
    x = torch.randn(3, 5, 8) if batch_first else torch.randn(5, 3, 8)
    more = {}
    if masked == "padding":
        more["key_padding_mask"] = torch.arange(5).expand(3, 5) > torch.tensor([[4], [2], [3]])
    elif masked == "causal":
        more["attn_mask"] = torch.ones(5, 5, dtype=torch.bool).triu(1)
    with torch.no_grad():
        expected, weights = layer(x, x, x, average_attn_weights=False, **more)
        fast, _ = layer(x, x, x, need_weights=False, **more)
    recording = record(layer, x, x, x, need_weights=False, **more)
    torch.testing.assert_close(recording["attention_weights"], weights, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(recording.output[0], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(recording.output[0], fast, rtol=1e-5, atol=1e-6)
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_transformers_encoder_that_would_run_fused():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder, x = nn.TransformerEncoder(layer, 2).eval(), torch.randn(3, 5, 8)
    recording = record(encoder, x)
    with torch.no_grad():
        torch.testing.assert_close(recording.output, encoder(x), rtol=1e-4, atol=1e-5)
    for index in range(2):
        weights = recording[f"layers.{index}.self_attn.attention_weights"]
        torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 5))


def test_an_overwritten_query_does_not_change_the_weights():
    class Overwrites(nn.Module):
        def forward(self, x):
            x = x * 1
            mixed = F.scaled_dot_product_attention(x, x, x)
            x += mixed
            return x

    x = torch.randn(1, 4, 8)
    weights = record(Overwrites(), x)["attention_weights"]
    torch.testing.assert_close(weights, (x @ x.transpose(-2, -1) / 8**0.5).softmax(-1))


def test_weights_that_changed_since_are_refused():
    layer, x = nn.LSTM(3, 4), torch.randn(5, 1, 3)
    recording = record(layer, x)
    with torch.no_grad():
        layer.weight_ih_l0.add_(1)
    with pytest.raises(ValueError, match="the model's weights have changed since this pass: record again"):
        recording["cell_l0"]


def test_one_gate_alone_costs_one_layer():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.LSTM(3, 4), nn.LSTM(4, 4)

        def forward(self, x):
            return self.second(self.first(x)[0])[0]

    model, x = Two(), torch.randn(5, 1, 3)
    part = record(model, x, only="second.forget_gate_l0")
    assert part.names == ("second.forget_gate_l0",)
    assert torch.equal(part["second.forget_gate_l0"], record(model, x)["second.forget_gate_l0"])
    assert record(model, x, only="*.cell_l0").names == ("first.cell_l0", "second.cell_l0")
    assert set(record(model, x, only="gate").names) == {
        f"{name}.{gate}_gate_l0" for name in ("first", "second") for gate in ("input", "forget", "cell", "output")
    }
