"""Contexts are the extremes of each window of a long text, whatever the parts it is read in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nnlens.inputs.text import as_codec
from nnlens.kernels import text
from nnlens.recording import record

ALPHABET = "abcdefgh ()\n"


class Reader(nn.Module):
    def __init__(self, batch_first: bool = True):
        super().__init__()
        self.embedding = nn.Embedding(len(ALPHABET), 6)
        self.rnn = nn.LSTM(6, 10, num_layers=2, batch_first=batch_first)

    def forward(self, ids):
        return self.rnn(self.embedding(ids))[0]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Reader().eval()


def test_contexts_are_the_extremes_of_each_window(model):
    codec, words = as_codec(alphabet=ALPHABET), "abc (de) f\n" * 100
    *_, found = text.contexts_steps(model, words, codec, "rnn.cell_l1", part=500)
    ids = torch.tensor([codec.encode(words).ids])[:, :500]
    own = record(model, ids)["rnn.cell_l1"][0].detach().numpy()
    np.testing.assert_allclose(found.highest[0], own[:200].max(0), atol=1e-5)
    np.testing.assert_allclose(own[found.high_places[0] - 1, range(10)], own[:200].max(0), atol=1e-5)
    np.testing.assert_allclose(found.lowest[1], own[200:400].min(0), atol=1e-5)
    assert found.top(3, 1)[0][1] == found.highest[:, 3].max()
    assert [value for _place, value in found.top(3)] == sorted((v for _p, v in found.top(3)), reverse=True)
    restored = text.Contexts.restored(found.state())
    assert restored.above(0, -9) == found.above(0, -9)
    with pytest.raises(ValueError, match="at least 20"):
        next(text.contexts_steps(model, words, codec, "rnn.cell_l1", part=3))


def test_a_model_that_takes_steps_first_gives_the_same():
    torch.manual_seed(0)
    one, codec, words = Reader().eval(), as_codec(alphabet=ALPHABET), "abc (de) f\n" * 200
    other = Reader(batch_first=False).eval()
    other.load_state_dict(one.state_dict())
    *_, found = text.contexts_steps(one, words, codec, "rnn.hidden_l1", part=300)
    *_, turned = text.contexts_steps(other, words, codec, "rnn.hidden_l1", part=300, steps_first=True)
    np.testing.assert_allclose(found.highest, turned.highest, atol=1e-5)


def test_going_on_gives_what_one_search_gives(model):
    codec, words = as_codec(alphabet=ALPHABET), "abc (de) f\n" * 12_000  # two blocks
    steps = list(text.contexts_steps(model, words, codec, "rnn.cell_l0"))
    whole = steps[-1]
    assert whole.read == whole.length == len(words)
    stopped = next(step for step in steps if step.read)
    *_, found = text.contexts_steps(model, words, codec, "rnn.cell_l0", known=stopped)
    np.testing.assert_array_equal(found.highest, whole.highest)
    np.testing.assert_array_equal(found.low_places, whole.low_places)


def test_a_layer_without_tokens_is_refused(model):
    with pytest.raises(ValueError, match="value for each token"):
        next(text.contexts_steps(model, "abc" * 50, as_codec(alphabet=ALPHABET), "rnn[1]", part=100))
