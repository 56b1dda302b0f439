"""A cell that is held: as a step-by-step network with that cell held, and as an ordinary layer changed by a hook."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nnlens.inputs.text import as_codec
from nnlens.kernels import text
from nnlens.recording import record

ALPHABET = "abcdef \n"
WORDS = "abc def\nfed cba abc"


class Reader(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], *, batch_first: bool = True, **options):
        super().__init__()
        self.embedding = nn.Embedding(len(ALPHABET), 5)
        self.rnn = kind(5, 6, num_layers=2, batch_first=batch_first, **options)
        width = (options.get("proj_size") or 6) * (2 if options.get("bidirectional") else 1)
        self.head = nn.Linear(width, len(ALPHABET))

    def forward(self, ids):
        return self.head(self.rnn(self.embedding(ids))[0])


def by_hand(model: Reader, ids: torch.Tensor, cell: int, value: float) -> torch.Tensor:
    """The logits of a two-layer LSTM step by step, with the cell of the first layer held."""
    first, second = nn.LSTMCell(5, 6), nn.LSTMCell(6, 6)
    for number, one in enumerate((first, second)):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(one, name).data = getattr(model.rnn, f"{name}_l{number}").data
    states = [(torch.zeros(1, 6), torch.zeros(1, 6)) for _ in range(2)]
    rows = []
    for step in range(ids.shape[1]):
        x = model.embedding(ids[:, step])
        gates = x @ first.weight_ih.T + first.bias_ih + states[0][0] @ first.weight_hh.T + first.bias_hh
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * states[0][1] + i.sigmoid() * g.tanh()
        c[:, cell] = value
        states[0] = (o.sigmoid() * c.tanh(), c)
        states[1] = second(states[0][0], states[1])
        rows.append(model.head(states[1][0]))
    return torch.stack(rows, 1)


@torch.no_grad()
def test_a_held_cell_of_an_lstm_is_that_of_a_loop_over_steps():
    torch.manual_seed(0)
    model, codec = Reader(nn.LSTM).eval(), as_codec(alphabet=ALPHABET)
    encoded = codec.encode(WORDS)
    ids = torch.tensor([encoded.ids])
    recording = record(model, ids)
    expected = by_hand(model, ids, 2, 1.5)
    found = text.output_holding(model, recording, ((ids,), {}), "rnn.cell_l0", 2, 1.5)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    made = text.holding(model, recording, ((ids,), {}), encoded, "rnn.cell_l0", 2, 1.5)
    losses = nn.functional.cross_entropy(expected[0, :-1], ids[0, 1:], reduction="none")
    np.testing.assert_allclose(made.held[:-1], losses, atol=1e-5)
    assert made.divergence.min() >= 0
    assert made.divergence.max() > 0
    assert "held at 1.5" in made.describe()


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("options", [{}, {"batch_first": False}, {"bidirectional": True}, {"bias": False}])
def test_a_cell_held_at_its_own_values_changes_nothing_but_any_other_value_does(kind, options):
    torch.manual_seed(0)
    model, encoded = Reader(kind, **options).eval(), as_codec(alphabet=ALPHABET).encode("a")
    ids = torch.tensor([encoded.ids])
    recording = record(model, ids)
    for layer in ("rnn.hidden_l0", "rnn.hidden_l1"):
        own = float(recording[layer].reshape(-1)[3])
        same = text.output_holding(model, recording, ((ids,), {}), layer, 3, own)
        np.testing.assert_allclose(same, recording.output.detach(), atol=1e-6)
        other = text.output_holding(model, recording, ((ids,), {}), layer, 3, own + 1)
        assert not np.allclose(other, recording.output.detach(), atol=1e-4)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_projections_and_gates():
    torch.manual_seed(0)
    model = Reader(nn.LSTM, proj_size=4).eval()
    ids = torch.tensor([as_codec(alphabet=ALPHABET).encode(WORDS).ids])
    recording = record(model, ids)
    closed = text.output_holding(model, recording, ((ids,), {}), "rnn.output_gate_l1", 0, 0.0)
    assert not np.allclose(closed, recording.output.detach(), atol=1e-4)


def test_a_unit_of_any_layer_is_held_as_by_a_hook():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(8, 5), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 8)).eval()
    ids = torch.tensor([[1, 2, 3]])
    recording = record(model, ids)
    found = text.output_holding(model, recording, ((ids,), {}), "2", 4, 2.0)

    def hold(module, args, output):
        output = output.clone()
        output[..., 4] = 2.0
        return output

    hook = model[2].register_forward_hook(hold)
    np.testing.assert_allclose(found, model(ids).detach(), atol=1e-6)
    hook.remove()


@pytest.mark.parametrize("batch_first", [True, False])
def test_gradients_of_states_and_gates_are_those_of_a_loop_over_steps(batch_first):
    torch.manual_seed(0)
    model = Reader(nn.LSTM, batch_first=batch_first).eval()
    ids = torch.tensor([as_codec(alphabet=ALPHABET).encode(WORDS).ids])
    ids = ids if batch_first else ids.T
    recording = record(model, ids)
    # By hand: the first layer step by step, with every state and gate kept for its gradient.
    rnn = model.rnn
    hidden, cell = torch.zeros(1, 6), torch.zeros(1, 6)
    kept: dict[str, list[torch.Tensor]] = {"forget_gate": [], "cell": [], "hidden": []}
    for step in range(ids.numel()):
        x = model.embedding(ids.reshape(-1)[step : step + 1])
        gates = x @ rnn.weight_ih_l0.T + rnn.bias_ih_l0 + hidden @ rnn.weight_hh_l0.T + rnn.bias_hh_l0
        i, f, g, o = gates.chunk(4, 1)
        f = f.sigmoid()
        cell = f * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        for name, value in (("forget_gate", f), ("cell", cell), ("hidden", hidden)):
            value.retain_grad()
            kept[name].append(value)
    above = nn.LSTM(6, 6, batch_first=True)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(above, f"{name}_l0").data = getattr(rnn, f"{name}_l1").data
    logits = model.head(above(torch.stack(kept["hidden"], 1))[0])
    logits[0, -1, 3].backward()

    def score(output):
        return output[0, -1, 3] if batch_first else output[-1, 0, 3]

    for name, values in kept.items():
        found = text.cell_gradients(model, recording, ((ids,), {}), f"rnn.{name}_l0", score)
        expected = torch.cat([value.grad for value in values])
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert np.abs(found).max() > 0
    plain = text.cell_gradients(model, recording, ((ids,), {}), "embedding", score)
    assert plain.shape == (ids.numel(), 5)


def test_writing_is_the_same_with_a_cell_held_at_what_it_is_and_follows_the_seed():
    torch.manual_seed(0)
    model, codec = Reader(nn.LSTM).eval(), as_codec(alphabet=ALPHABET)
    plain = list(text.written_steps(model, codec, "abc", count=12, seed=1))
    assert [len(part) for part in plain] == list(range(1, 13))
    assert plain[-1] == list(text.written_steps(model, codec, "abc", count=12, seed=1))[-1]
    held = list(text.written_steps(model, codec, "abc", count=12, seed=1, hold=("rnn.hidden_l1", 0, 50.0)))
    assert held[-1] != plain[-1]
    best = list(text.written_steps(model, codec, "abc", count=3, temperature=0))
    ids = list(codec.encode("abc").ids)
    for _step in range(3):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    assert best[-1] == "".join(ALPHABET[token] for token in ids[3:])


def test_what_cannot_be_held_is_refused():
    model = Reader(nn.LSTM).eval()
    ids = torch.tensor([[1, 2, 3]])
    recording = record(model, ids)
    with pytest.raises(ValueError, match="cell must be 0…5"):
        text.output_holding(model, recording, ((ids,), {}), "rnn.cell_l0", 6, 1.0)
    with pytest.raises(ValueError, match="temperature"):
        next(text.written_steps(model, as_codec(alphabet=ALPHABET), "a", temperature=-1))
