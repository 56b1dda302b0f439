"""The small networks that read: their losses, the cells that are known, and the reference that a port must equal."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import nnlens
from nnlens.inputs.text import as_codec
from nnlens.kernels import text
from nnlens.recording import record
from nnlens.zoo.train_code import as_ids, five_gram_loss, loss_on


@pytest.fixture(scope="module")
def reader():
    return nnlens.zoo.code_lstm()


@pytest.fixture(scope="module")
def held_out():
    return nnlens.zoo.code_text(150_000)


def test_it_is_small(reader):
    path = Path(nnlens.__file__).parent / "zoo" / "code_lstm.pt"
    assert path.stat().st_size <= 2_000_000
    assert sum(weight.numel() for weight in reader.model.parameters()) == 887_522


def test_files_are_held_out_by_their_names():
    own, others = set(nnlens.zoo.code_files()), set(nnlens.zoo.code_files(held_out=False))
    assert not own & others
    assert 0.02 < len(own) / len(own | others) < 0.1
    assert not any("test" in path.parts for path in own | others)


def test_it_predicts_python_better_than_a_5_gram_model(reader, held_out):
    ids = as_ids(held_out)
    own = loss_on(reader.model, ids) / math.log(2)
    # The 5-gram model is given less text here than the network was trained on, and is judged by what it says of that.
    training = as_ids(nnlens.zoo.code_text(1_500_000, held_out=False))
    grams = five_gram_loss(training, ids) / math.log(2)
    assert own < 1.7
    assert own < grams


def test_the_5_gram_model_is_a_distribution():
    # Its probabilities of all next characters, after each of some contexts, sum to 1.
    training = as_ids("import os\nimport sys\n" * 3)
    size = len(nnlens.zoo.code.ALPHABET)
    total = 0.0
    for following in range(size):
        test = np.append(as_ids("impo"), following)
        with_it, without = (five_gram_loss(training, part) * len(part) for part in (test, test[:-1]))
        total += math.exp(without - with_it)
    assert total == pytest.approx(1, abs=1e-9)


def test_cells_follow_quotes_brackets_indentation_and_addresses(reader, held_out):
    lens = nnlens.Lens(reader.model, alphabet=reader.alphabet)
    view = lens.cells(held_out[:20_000])
    for wanted in ("inside quotes", "inside brackets", "inside the indentation"):
        view.wanted = wanted
        assert view.wait(120)
        best = view.found["rows"][0]
        assert best["held_out"] >= 0.9, wanted
        assert best["beats_chance"], wanted


@pytest.mark.parametrize("language", ["en", "pt"])
def test_the_port_of_glassllm_equals_its_reference(language):
    glassllm = pytest.importorskip("glassllm")
    writer = nnlens.zoo.glass_lm(language)
    reference, tokenizer = glassllm.load_pretrained(language)
    ids = tokenizer.encode("Alice was beginning to get very tired of sitting by her sister on the bank")
    np.testing.assert_allclose(
        writer.model(torch.tensor([ids]))[0].detach(), reference(ids).data[0], atol=1e-5, rtol=1e-5
    )
    # Its attention is the one that the reference traces.
    tracer = glassllm.Tracer()
    reference(ids, trace=tracer)
    recording = record(writer.model, torch.tensor([ids]))
    layers = text.attention_layers(recording)
    assert len(layers) == 4
    for number, layer in enumerate(layers):
        traced = np.asarray(tracer.get("attn.softmax", number).value).reshape(4, len(ids), len(ids))
        np.testing.assert_allclose(text.attention(recording, layer).weights, traced, atol=1e-5)


def test_glassllm_goes_on_with_alice():
    pytest.importorskip("glassllm")
    writer = nnlens.zoo.glass_lm()
    codec = as_codec(writer.tokenizer)
    assert codec.encode("Alice was beginning to").ids == (494, 160, 729, 633, 111)
    *_, written = text.written_steps(writer.model, codec, "Alice was beginning to", count=12, temperature=0)
    assert written.startswith(" the\nQueen") or written.startswith("the\nQueen")


def test_the_logit_lens_of_a_trained_model_comes_closer_with_depth():
    pytest.importorskip("glassllm")
    writer = nnlens.zoo.glass_lm()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        view = nnlens.Lens(writer.model, tokenizer=writer.tokenizer).logit_lens("Alice was beginning to get very tired")
    bits = view.result.divergences.mean(1)
    assert bits[-1] == pytest.approx(0, abs=1e-4)
    assert bits[0] > bits[len(bits) // 2] > bits[-1]
