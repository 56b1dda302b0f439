"""The logit lens: each state of the residual stream, read by the model's own head."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from nnlens import record
from nnlens.kernels import text as texts

SPECIAL = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
SMALL = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 32}


class Blocks(nn.Module):
    """Two residual blocks, the second in place, with dropout between, and a head."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(12, 8)
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)
        self.drop = nn.Dropout(0.5)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 12)

    def forward(self, ids):
        state = self.embed(ids)
        state = self.drop(state + self.one(state).relu())
        state += self.two(state).tanh()
        return self.head(self.norm(state))


def test_each_state_is_read_by_the_norm_and_the_head():
    torch.manual_seed(0)
    model, ids = Blocks().eval(), torch.randint(0, 12, (1, 6))
    lens = texts.logit_lens(record(model, ids), ids, k=4)
    assert lens.layers == ("embed", "add:1", "add:2")
    assert lens.head == ("norm", "head")
    with torch.no_grad():
        embedded = model.embed(ids)
        first = embedded + model.one(embedded).relu()
        states = [embedded, first, first + model.two(first).tanh()]
        logits = torch.stack([model.head(model.norm(state))[0] for state in states])
    highest = logits.softmax(-1).topk(4)
    assert np.array_equal(lens.top, highest.indices.numpy())
    np.testing.assert_allclose(lens.probabilities, highest.values.numpy(), rtol=1e-5)
    own, logs = logits[-1].argmax(-1), logits.log_softmax(-1)
    for state in range(3):
        order = logits[state].argsort(-1, descending=True)
        assert lens.ranks[state].tolist() == [1 + order[at].tolist().index(own[at]) for at in range(6)]
        away = (logs[-1].exp() * (logs[-1] - logs[state])).sum(-1) / math.log(2)
        np.testing.assert_allclose(lens.divergences[state], away.numpy(), atol=1e-5)
        assert lens.chance[state] == pytest.approx(float((logits[state].argmax(-1) == own.roll(-1)).float().mean()))
    assert lens.error == 0
    assert (lens.divergences[-1] == 0).all()
    assert lens.agreement[-1] == 1
    for at, first in enumerate(lens.decided()):
        assert (lens.ranks[first:, at] == 1).all()
        assert first == 0 or lens.ranks[first - 1, at] != 1
    assert "add:1: as the model at" in lens.describe("add:1")


def transformers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("transformers")


def test_gpt2_equals_its_own_hidden_states():
    t = transformers()
    torch.manual_seed(0)
    model = t.GPT2LMHeadModel(t.GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=3, n_head=2, **SPECIAL))
    for parameter in model.parameters():
        parameter.data.mul_(4)  # at the usual start all states say the same
    model, ids = model.eval(), torch.randint(3, 40, (1, 9))
    lens = texts.logit_lens(record(model, ids), ids, k=5)
    with torch.no_grad():
        hidden = model(ids, output_hidden_states=True).hidden_states[:3]  # the last one is normalised already
        logits = torch.stack([model.lm_head(model.transformer.ln_f(state))[0] for state in hidden])
    after_blocks = ("transformer.add:2", "transformer.h.0.add:2", "transformer.h.1.add:2")
    found = [lens.layers.index(name) for name in after_blocks]
    assert np.array_equal(lens.top[found], logits.topk(5).indices.numpy())
    np.testing.assert_allclose(lens.probabilities[found], logits.softmax(-1).topk(5).values.numpy(), rtol=1e-4)
    assert lens.layers[-1] == "transformer.h.2.add:2"
    assert lens.error < 1e-5


@pytest.mark.parametrize(
    ("name", "states"),
    [("llama", 7), ("neox", 4), ("gemma2", 7), ("bert", 7), ("distilbert", 7), ("opt", 7), ("t5", 10), ("vit", 7)],
)
def test_families_of_transformers(name, states):
    t = transformers()
    torch.manual_seed(0)
    ids = torch.randint(3, 40, (1, 9))
    keywords = {}
    if name == "llama":
        model = t.LlamaForCausalLM(t.LlamaConfig(**SMALL, **SPECIAL, num_key_value_heads=2))
    elif name == "neox":  # attention and the rest of a block side by side: one sum for both
        model = t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**SMALL, **SPECIAL))
    elif name == "gemma2":  # the logits go through tanh
        model = t.Gemma2ForCausalLM(t.Gemma2Config(**SMALL, **SPECIAL, num_key_value_heads=2, head_dim=4))
    elif name == "bert":  # normalised after the sums
        model = t.BertForMaskedLM(t.BertConfig(**SMALL))
    elif name == "distilbert":
        sizes = {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32}
        model = t.DistilBertForMaskedLM(t.DistilBertConfig(vocab_size=40, **sizes))
    elif name == "opt":  # batch and positions are joined inside the blocks
        sizes = {"num_hidden_layers": 3, "num_attention_heads": 2, "ffn_dim": 32, "word_embed_proj_dim": 16}
        model = t.OPTForCausalLM(t.OPTConfig(vocab_size=40, hidden_size=16, max_position_embeddings=32, **sizes))
    elif name == "t5":  # the decoder is read, which looks at the encoder
        sizes = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 3, "num_heads": 4, "decoder_start_token_id": 0}
        model = t.T5ForConditionalGeneration(t.T5Config(vocab_size=40, **sizes))
        keywords = {"decoder_input_ids": ids[:, :4]}
    else:
        sizes = {key: value for key, value in SMALL.items() if key != "vocab_size"}
        model = t.ViTForImageClassification(t.ViTConfig(**sizes, image_size=32, patch_size=16, num_labels=5))
        ids = torch.randn(1, 3, 32, 32)
    lens = texts.logit_lens(record(model.eval(), ids, **keywords), ids, k=3)
    assert len(lens.layers) == states
    assert lens.error < 1e-5
    positions = {"t5": 4, "vit": 1}.get(name, 9)
    assert lens.ranks.shape == (states, positions)
    assert (lens.ranks[-1] == 1).all()
    if name == "vit":
        assert np.isnan(lens.chance).all()
        assert "rank" in lens.describe(lens.layers[0])


def test_what_has_no_residual_stream_is_refused():
    ids = torch.randint(0, 5, (1, 4))

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rnn, self.head = nn.Embedding(5, 6), nn.LSTM(6, 6, batch_first=True), nn.Linear(6, 5)

        def forward(self, ids):
            return self.head(self.rnn(self.embed(ids))[0])

    with pytest.raises(ValueError, match="residual stream"):
        texts.logit_lens(record(Recurrent().eval(), ids), ids)
    model = Blocks().eval()
    recording = record(model, ids)
    with pytest.raises(ValueError, match="k must be a whole number"):
        texts.logit_lens(recording, ids, k=0)
    with pytest.raises(ValueError, match="k must be a whole number"):
        texts.logit_lens(recording, ids, k=True)
    with pytest.raises(ValueError, match="layer must be one of"):
        texts.logit_lens(recording, ids).describe("embedding")
    two = torch.cat([ids, ids])
    with pytest.raises(ValueError, match="for one input"):
        texts.logit_lens(record(model, two), two)
    with pytest.raises(TypeError, match="must be a Recording"):
        texts.logit_lens(model, ids)


def test_logits_that_are_no_numbers():
    model, ids = Blocks().eval(), torch.randint(0, 12, (1, 4))
    with torch.no_grad():
        model.head.bias[3] = -math.inf  # a token that is ruled out
    assert np.isfinite(texts.logit_lens(record(model, ids), ids).divergences).all()
    with torch.no_grad():
        model.head.bias[3] = math.nan
    with pytest.raises(ValueError, match="NaN"):
        texts.logit_lens(record(model, ids), ids)
