"""Tokenizers of every kind: the tokens, and which characters they stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnlens.inputs.text import Encoded, as_codec


def test_an_alphabet_gives_a_token_for_each_character():
    codec = as_codec(alphabet="abc ")
    encoded = codec.encode("ab, Käb")
    assert encoded.ids == (0, 1, 3, 3, 3, 3, 1)
    assert encoded.unknown == (2, 4, 5)
    assert encoded.pieces() == list("ab, Käb")
    assert [codec.piece(token) for token in encoded.ids[:2]] == ["a", "b"]
    for wrong, words in (("", "at least one"), ("aba", "each character once"), (3, "must be a text")):
        with pytest.raises(ValueError, match=words):
            as_codec(alphabet=wrong)


def byte_level():
    """A byte-level BPE, which has no token for whole emoji."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["the cat and the hat", "the dog"], trainer)
    return tokenizer


TEXTS = ["the cat", "the café 🙂 the", "e\u0301 the שלום", "🙂🙂", "  the\n\n hat "]


@pytest.mark.parametrize("text", TEXTS)
def test_every_kind_of_tokenizer_finds_the_same_tokens_and_covers_the_text(text):
    from transformers import PreTrainedTokenizerFast

    raw = byte_level()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=raw)
    pair = (lambda words: raw.encode(words).ids, lambda ids: raw.decode(ids))
    kinds = [as_codec(raw).encode(text), as_codec(wrapped).encode(text), as_codec(pair).encode(text)]
    assert kinds[0].ids == kinds[1].ids == kinds[2].ids
    for encoded in kinds:
        covered = [span for _places, span in encoded.joined()]
        assert "".join(text[start:end] for start, end in covered) == text
        assert [place for places, _span in encoded.joined() for place in places] == list(range(len(encoded)))


def test_bytes_of_one_character_are_joined_and_special_tokens_stay_apart():
    encoded = as_codec(byte_level()).encode("a🙂")
    assert len(encoded) == 5
    assert [len(places) for places, _span in encoded.joined()] == [1, 4]
    special = Encoded("ab", (9, 9, 1, 2, 9), ((0, 0), (0, 0), (0, 1), (1, 2), (0, 0)))
    assert [list(places) for places, _span in special.joined()] == [[0], [1], [2], [3], [4]]
    assert special.pieces() == ["", "", "a", "b", ""]


def test_unknown_words_are_counted():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1, "cat": 2}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    encoded = as_codec(PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]")).encode("the dog cat")
    assert encoded.unknown == (1,)
    assert encoded.pieces() == ["the", "dog", "cat"]


@given(st.text(alphabet="ab🙂é \n", min_size=1, max_size=30))
def test_a_pair_of_callables_may_give_bytes(text):
    codec = as_codec((lambda words: list(words.encode()), lambda ids: bytes(ids).decode(errors="replace")))
    encoded = codec.encode(text)
    assert encoded.ids == tuple(text.encode())
    assert "".join(text[start:end] for _places, (start, end) in encoded.joined()) == text


def test_what_is_no_tokenizer_is_refused():
    for wrong, words in ((3, "got int"), (None, "got NoneType"), ((len,), "got tuple")):
        with pytest.raises(TypeError, match=words):
            as_codec(wrong)
    with pytest.raises(TypeError, match="both"):
        as_codec((len, len), alphabet="ab")
    codec = as_codec(alphabet="ab")
    with pytest.raises(ValueError, match="empty"):
        codec.encode("")
    with pytest.raises(TypeError, match="text must be a str"):
        codec.encode(b"ab")
    lossy = as_codec((lambda text: [1] * len(text), lambda ids: "x" * len(ids)))
    with pytest.raises(ValueError, match="decode to the text"):
        lossy.encode("abc")
