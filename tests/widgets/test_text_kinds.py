"""Models and tokenizers of many kinds in the views of text."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import nnlens
from nnlens.inputs.text import as_codec

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

ALPHABET = "abcdefgh ()\n"
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(autouse=True)
def _quiet():
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def byte_level() -> tokenizers.Tokenizer:
    """Byte-level BPE, trained on a little text: an emoji is several tokens."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet)
    made.train_from_iterator(["the cat sat on the mat", "the dog sat on the log"], trainer)
    return made


def word_piece(**settings) -> tokenizers.Tokenizer:
    """WordPiece with special tokens around the text, set to cut and to fill up."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "sat", "on", "mat", "##s"]
    vocabulary = {word: place for place, word in enumerate(words)}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.enable_truncation(6)
    made.enable_padding(length=6)
    return made


def bert(kind: str, **more) -> nn.Module:
    config = transformers.BertConfig(vocab_size=10, max_position_embeddings=40, **SIZES, **more)
    return getattr(transformers, kind)(config).eval()


def shown(payload) -> list[str]:
    """The pieces as the browser shows them."""
    units = payload["text"].encode("utf-16-le")
    starts, ends = (np.frombuffer(payload[name], np.int32) for name in ("starts", "ends"))
    return [
        payload["names"].get(str(place)) or units[2 * start : 2 * end].decode("utf-16-le")
        for place, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def test_bytes_of_an_emoji_are_shown_once_and_have_names():
    tokenizer = byte_level()
    config = transformers.GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    lens = nnlens.Lens(transformers.GPT2LMHeadModel(config).eval(), tokenizer=tokenizer)
    view = lens.cells("the cat 🦊 sat", predictions=True)
    text = "".join(piece for place, piece in enumerate(shown(view.text)) if str(place) not in view.text["names"])
    assert text == "the cat 🦊 sat"
    assert len(view.text["names"]) >= 2
    why = lens.attribution("the cat 🦊", methods=["occlusion"])
    assert why.wait(60)
    parts = np.frombuffer(why.superpixels["data"], np.uint16) if why.superpixels else []
    assert len(set(parts)) <= 3


def test_gaps_between_tokens_are_shown_and_special_tokens_have_names():
    lens = nnlens.Lens(bert("BertForMaskedLM"), tokenizer=word_piece())
    view = lens.cells("the cat\n\nsat on zz the mats cat", predictions=True)
    pieces = shown(view.text)
    assert (pieces[0], pieces[-1]) == ("[CLS]", "[SEP]")
    assert "".join(pieces[1:-1]) == "the cat\n\nsat on zz the mats cat"  # nothing cut, nothing filled up
    assert len(np.frombuffer(view.text["unknown"], np.int32)) == 1
    assert view.predictions["next"] is False
    view.hold_at = 1.0
    assert view.wait(60)
    view.write += 1
    assert view.wait(60)
    assert "cannot write" in view.held_cell["problem"]


def test_classes_are_not_taken_for_tokens():
    lens = nnlens.Lens(
        bert("BertForSequenceClassification", num_labels=2), tokenizer=word_piece(), labels=["no", "yes"]
    )
    view = lens.attribution("the cat sat", methods=["occlusion", "lime"], samples=50)
    assert view.wait(60)
    assert view.selection.label in ("no", "yes")
    assert lens.cells("the cat").selection.sample.names == ("no", "yes")
    tagger = nnlens.Lens(bert("BertForTokenClassification", num_labels=2), tokenizer=word_piece(), labels=["A", "B"])
    assert set(tagger.cells("the cat", predictions=True).predictions["words"]) <= {"A", "B"}
    heads = lens.attention("the cat sat")
    heads.resume += 1
    assert heads.wait(60)
    own = float(lens.selection.sample.probabilities[heads.target])
    assert heads.effects["clean"] == pytest.approx(-np.log(own), abs=1e-5)
    with pytest.raises(ValueError, match="methods for a text"):
        lens.attribution("the cat", methods=["grad_cam"])


def test_the_models_mode_stays_and_new_weights_count():
    model = bert("BertForSequenceClassification", num_labels=2)
    model.train()
    lens = nnlens.Lens(model, tokenizer=word_piece())
    view = lens.attribution("the cat sat", methods=["occlusion"])
    assert model.training
    assert all(module.training for module in model.modules())
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight *= 3
    assert view.update(full=True)
    with torch.no_grad():
        model.eval()
        expected = model(torch.tensor([as_codec(word_piece()).encode("the cat sat").ids])).logits[0]
        model.train()
    np.testing.assert_allclose(view.selection.sample.logits, expected, atol=1e-5)


class Classifier(nn.Module):
    """A bidirectional GRU over (tokens, batch) that gives one row for the whole text."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(ALPHABET), 6)
        self.rnn = nn.GRU(6, 8, bidirectional=True)
        self.head = nn.Linear(16, 3)

    def forward(self, ids):
        return self.head(self.rnn(self.embedding(ids))[0][-1])


def test_a_classifier_that_takes_steps_first_is_read_so():
    model = Classifier().eval()
    view = nnlens.Lens(model, alphabet=ALPHABET, labels=["x", "y", "z"]).cells("abc (de)")
    sample = view.selection.sample
    assert tuple(sample.input.x.shape) == (8, 1)
    assert sample.names == ("x", "y", "z")
    ids = torch.tensor([[ALPHABET.index(character)] for character in "abc (de)"])
    expected = model.rnn(model.embedding(ids))[0][:, 0, :8].detach()
    view.layer = "rnn.hidden_l0"
    np.testing.assert_allclose(view.result.values, expected, atol=1e-5)


def test_texts_with_the_same_tokens_are_told_apart():
    lens = nnlens.Lens(bert("BertForMaskedLM"), tokenizer=word_piece())
    view = lens.cells("the cat")
    view.set_state({"typed": {"text": "the   cat\n"}})
    assert view.wait(30)
    assert view.text["text"] == "the   cat\n"


def test_a_table_of_positions_with_places_for_padding():
    config = transformers.RobertaConfig(vocab_size=len(ALPHABET), max_position_embeddings=34, pad_token_id=1, **SIZES)
    lens = nnlens.Lens(transformers.RobertaForMaskedLM(config).eval(), alphabet=ALPHABET)
    assert len(lens.cells("ab c" * 8).result.values) == 32
    with pytest.raises(ValueError, match="at most 32 tokens"):
        lens.cells("ab c" * 8 + "a")


class RulesOut(nn.Module):
    """A model that never predicts some characters."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(ALPHABET), 6)
        self.rnn = nn.LSTM(6, 8, batch_first=True)
        self.head = nn.Linear(8, len(ALPHABET))

    def forward(self, ids):
        scores = self.head(self.rnn(self.embedding(ids))[0]).clone()
        scores[..., :2] = -torch.inf
        return scores


def test_tokens_that_a_model_rules_out():
    view = nnlens.Lens(RulesOut().eval(), alphabet=ALPHABET).cells("cde (fg) cdef", predictions=True)
    assert view.predictions["next"] is True
    view.hold_at = 2.0
    assert view.wait(30)
    assert view.held_cell["problem"] == ""
    assert np.isfinite(view.held_cell["bits"])


def test_an_encoder_with_a_decoder():
    config = transformers.T5Config(
        d_model=16, d_kv=8, num_layers=1, num_heads=2, d_ff=32, vocab_size=len(ALPHABET), decoder_start_token_id=0
    )
    lens = nnlens.Lens(transformers.T5ForConditionalGeneration(config).eval(), alphabet=ALPHABET)
    view = lens.attribution("abc (de)", methods=["occlusion"])
    assert view.wait(60)
    assert np.isfinite(view.result["occlusion"].values).all()
    assert lens.logit_lens("abc (de)").logit_lens["positions"] == 1
    heads = lens.attention("abc (de)", layer=-1)
    heads.resume += 1
    assert heads.wait(60)
    assert heads.effects["problem"] == ""
    with pytest.raises(ValueError, match="corpus"):
        lens.cells("abc", corpus="abc def " * 40)


def test_other_views_may_look_at_layers_without_tokens():
    lens = nnlens.Lens(RulesOut().eval(), alphabet=ALPHABET)
    view = lens.cells("cde (fg)", layer="rnn.cell_l0", unit=3)
    other = lens.activations()
    other.layer = "rnn[1]"
    assert other.layer == view.layer == "rnn[1]"
    assert view.cells["layer"] == "rnn.cell_l0"
    assert "rnn[1]" not in [entry["name"] for entry in view.tree]


def test_a_single_token():
    lens = nnlens.Lens(RulesOut().eval(), alphabet=ALPHABET)
    view = lens.cells("c", predictions=True)
    assert len(view.result.values) == 1
    assert [entry["name"] for entry in view.tree if entry["name"].startswith("rnn[")] == []
    view.wanted = "inside quotes"
    assert view.wait(30)
    assert "at least 4 tokens" in view.found["problem"]


def test_marks_may_be_short(monkeypatch):
    lens = nnlens.Lens(RulesOut().eval(), alphabet=ALPHABET)
    view = lens.cells("cde (fg) h\n" * 60)
    view.marked = [(200, 225)]
    view.wanted = "marked"
    assert view.wait(60)
    assert view.found["problem"] == ""
    view.set_state({"typed": {"text": "cde"}})
    assert view.wait(60)
    assert view.marked == []
