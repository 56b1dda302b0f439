"""Properties of a text, and the cells that follow them: on text that did not choose them, beside chance."""

from __future__ import annotations

import importlib.util
import os
import string
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import nn

import nnlens
from nnlens.inputs.text import as_codec
from nnlens.kernels import text as texts
from nnlens.kernels.text.ranking import _aucs

DATA = Path(os.environ.get("NNLENS_DATA", Path(__file__).parents[4] / "shared" / "data"))


def marked(values, text: str) -> str:
    """The characters for which a property holds."""
    return "".join(character if value else "·" for character, value in zip(text, values, strict=True))


def test_quotes_end_with_their_mark_or_their_line():
    text = "a \"b c\" don't 'd' \"e\nf"
    assert marked(texts.inside_quotes(text), text) == '··"b c········\'d··"e··'
    escaped = r'"a\"b" c'
    assert marked(texts.inside_quotes(escaped), escaped) == r'"a\"b···'


def test_brackets_addresses_and_places():
    text = "f(a[1]) ) (b"
    assert texts.nesting_depth(text).tolist() == [0, 1, 1, 2, 2, 1, 0, 0, 0, 0, 1, 1]
    assert texts.inside_brackets(text).tolist() == [bool(depth) for depth in texts.nesting_depth(text)]
    text = "see https://a.org/b?c=1, or (http://d.e) www.f.g now"
    assert marked(texts.inside_url(text), text).replace("·", "") == "https://a.org/b?c=1,http://d.ewww.f.g"
    text = "if:\n    ab  c\n\tx"
    assert texts.indentation(text).tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 0, 1, 1]
    assert texts.position_in_line("ab\ncd").tolist() == [0, 1, 0, 0, 1]
    assert texts.position_in_word("ab, c_d").tolist() == [1, 2, 0, 0, 1, 2, 3]
    assert marked(texts.matches(r"\d+")("a12b3"), "a12b3") == "·12·3"
    with pytest.raises(ValueError, match="regular expression"):
        texts.matches("(")


def test_a_token_has_the_property_of_its_last_character():
    codec = as_codec((lambda text: [len(word) for word in text.split(" ")], lambda ids: "x" * sum(ids)))
    encoded = codec.encode("xxxxx")
    assert texts.of_tokens(encoded, np.arange(5)).tolist() == [4]
    letters = as_codec(alphabet="ab(").encode("a(b")
    assert texts.of_tokens(letters, texts.inside_brackets("a(b")).tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="one for each"):
        texts.of_tokens(letters, np.zeros(2))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3))
def test_the_auc_is_scikit_learns(seed, digits):
    rng = np.random.default_rng(seed)
    values, wanted = rng.normal(size=(60, 3)).round(digits), rng.integers(0, 2, 60)
    if 0 < wanted.sum() < 60:
        expected = [roc_auc_score(wanted, values[:, cell]) for cell in range(3)]
        np.testing.assert_allclose(_aucs(values, wanted), expected)


def test_a_planted_cell_is_found_and_chance_finds_are_not():
    rng = np.random.default_rng(0)
    words = rng.choice(['"some words"', "and", "(a few)", "more,"], 1200, p=[0.2, 0.4, 0.1, 0.3])
    text = " ".join(words)  # not periodic, or a shuffled property would meet itself
    inside = texts.inside_quotes(text)
    values = rng.normal(size=(len(text), 60))
    chance = texts.rank_cells(values, inside)
    assert not chance.beats_chance(int(chance.order[0]))
    assert 0.4 < chance.held_out[chance.order[0]] < 0.6
    values[:, 17] -= 2 * inside
    found = texts.rank_cells(values, inside)
    assert found.order[0] == 17
    assert (found.sign[17], found.measure) == (-1, "AUC")
    assert found.held_out[17] > 0.85
    assert found.beats_chance(17)
    depth = texts.position_in_word(text)
    values[:, 3] += depth
    by_number = texts.rank_cells(values, depth)
    assert (by_number.order[0], by_number.measure) == (3, "correlation")
    half = np.arange(len(text)) // 200 % 2 == 1
    assert by_number.held_out[3] == pytest.approx(abs(np.corrcoef(values[half, 3], depth[half])[0, 1]))


def test_what_cannot_be_ranked_is_said():
    values = np.random.default_rng(0).normal(size=(40, 3))
    for wrong, wanted, words in (
        (values[:, 0], np.zeros(40), "must be"),
        (values, np.zeros(39), "must be"),
        (np.full((40, 3), np.nan), np.zeros(40), "finite"),
        (values[:3], np.zeros(3), "at least 4"),
        (values, np.zeros(40), "must hold somewhere"),
    ):
        with pytest.raises(ValueError, match=words):
            texts.rank_cells(wrong, wanted)


class Reader(nn.Module):
    """A character LSTM that gives the scores of the next character."""

    def __init__(self, batch_first: bool):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(30, 6), nn.LSTM(6, 8, 2, batch_first=batch_first)
        self.head = nn.Linear(8, 30)

    def forward(self, ids):
        return self.head(self.rnn(self.embedding(ids))[0])


@pytest.mark.parametrize("batch_first", [True, False])
def test_the_cells_of_a_layer_are_those_of_a_loop_over_single_steps(batch_first):
    torch.manual_seed(0)
    model = Reader(batch_first).eval()
    encoded = as_codec(alphabet=string.ascii_lowercase + " .").encode("the cat sat on the hat.")
    ids = torch.tensor(encoded.ids)[None] if batch_first else torch.tensor(encoded.ids)[:, None]
    recording = nnlens.record(model, ids)
    assert {"rnn.cell_l1", "rnn.forget_gate_l0", "embedding", "head"} <= set(texts.cell_layers(recording, encoded))
    first, second = nn.LSTMCell(6, 8), nn.LSTMCell(8, 8)
    for cell, layer in ((first, 0), (second, 1)):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            setattr(cell, name, getattr(model.rnn, f"{name}_l{layer}"))
    states, expected = [(torch.zeros(1, 8), torch.zeros(1, 8))] * 2, []
    with torch.no_grad():
        for token in encoded.ids:
            states[0] = first(model.embedding.weight[token][None], states[0])
            states[1] = second(states[0][0], states[1])
            expected.append(states[1][1][0].numpy())
    cells = texts.cells(recording, encoded, "rnn.cell_l1")
    np.testing.assert_allclose(cells.values, expected, atol=1e-5)
    assert "token" in cells.describe(3)
    gate = texts.cells(recording, encoded, "rnn.forget_gate_l0")
    closed, opened = gate.saturation()
    np.testing.assert_allclose(closed, (gate.values < 0.1).mean(0))
    np.testing.assert_allclose(opened, (gate.values > 0.9).mean(0))
    assert len(cells.following(texts.position_in_word(encoded.text))) == 8
    with pytest.raises(ValueError, match="must be a gate"):
        cells.saturation()
    with pytest.raises(ValueError, match="each of the 2 tokens"):
        texts.cells(recording, as_codec(alphabet="ab").encode("ab"), "rnn.cell_l1")


@pytest.mark.skipif(not (DATA / "networks.py").is_file(), reason="no trained networks beside the checkout")
def test_the_known_cells_of_a_trained_network_rank_first():
    spec = importlib.util.spec_from_file_location("networks", DATA / "networks.py")
    networks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(networks)
    model = networks.load("charlstm_shakespeare")
    text = (DATA / "text" / "tinyshakespeare.txt").read_text()[-12_000:]
    encoded = as_codec(alphabet=string.printable).encode(text)
    recording = nnlens.record(model, torch.tensor(encoded.ids)[:, None])
    names = texts.matches(r"(?m)(?:^|(?<=\n))[A-Z][A-Za-z ]+(?=:\n)")(text)
    word = texts.position_in_word(text)
    # Many cells follow the names of speakers; the known one is among the first dozen.
    for layer, property_, cell, least, place in (
        ("rnn.cell_l0", texts.position_in_line(text), 63, 0.7, 0),
        ("rnn.cell_l1", names, 5, 0.9, 12),
        ("rnn.cell_l0", word, 17, 0.6, 0),
    ):
        ranking = texts.cells(recording, encoded, layer).following(property_)
        assert ranking.order.tolist().index(cell) <= place
        assert ranking.held_out[cell] > least
        assert ranking.beats_chance(cell)
