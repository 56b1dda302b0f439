"""The views of texts: cells, attention, the logit lens, attribution of tokens."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from pages import unpack
from torch import nn

import nnlens
from nnlens.export.bundle import BUDGET
from nnlens.kernels import text

ALPHABET = "abcdefgh ()\n"
WORDS = "abc (def) gh\n(ab) cd (efgh) a\n" * 8


class Reader(nn.Module):
    """A character LSTM, (tokens, batch) or batch first."""

    def __init__(self, batch_first: bool = True):
        super().__init__()
        self.embedding = nn.Embedding(len(ALPHABET), 6)
        self.rnn = nn.LSTM(6, 10, num_layers=2, batch_first=batch_first)
        self.head = nn.Linear(10, len(ALPHABET))

    def forward(self, ids):
        return self.head(self.rnn(self.embedding(ids))[0])


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Reader().eval()


@pytest.fixture
def lens(model):
    return nnlens.Lens(model, alphabet=ALPHABET)


@pytest.fixture(scope="module")
def transformer():
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(ALPHABET), n_embd=16, n_layer=2, n_head=2, n_positions=300, bos_token_id=1, eos_token_id=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return transformers.GPT2LMHeadModel(config).eval()


def states(model, words) -> torch.Tensor:
    """The cell states of the second layer by a loop over steps, (tokens, cells)."""
    cells = [nn.LSTMCell(6, 10), nn.LSTMCell(10, 10)]
    for number, one in enumerate(cells):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(one, name).data = getattr(model.rnn, f"{name}_l{number}").data
    now = [(torch.zeros(1, 10), torch.zeros(1, 10)) for _ in cells]
    rows = []
    for character in words:
        x = model.embedding(torch.tensor([ALPHABET.index(character)]))
        for number, one in enumerate(cells):
            now[number] = one(x, now[number])
            x = now[number][0]
        rows.append(now[1][1][0])
    return torch.stack(rows).detach()


@pytest.mark.parametrize("batch_first", [True, False])
def test_the_cells_are_those_of_a_loop_over_steps(batch_first):
    torch.manual_seed(0)
    model = Reader(batch_first).eval()
    view = nnlens.Lens(model, alphabet=ALPHABET).cells(WORDS)
    assert view.layer == "rnn.cell_l1"
    expected = states(model, WORDS).numpy()
    np.testing.assert_allclose(view.result.values, expected, atol=1e-5)
    # What the browser draws: codes between each cell's lowest and highest value.
    sent = view.cells
    codes = np.frombuffer(sent["data"], np.uint8).reshape(10, -1)
    low, high = (np.frombuffer(sent[name], np.float32)[:, None] for name in ("low", "high"))
    np.testing.assert_allclose((low + codes / 252 * (high - low)).T, expected, atol=1e-2)
    view.unit = 4
    np.testing.assert_allclose(np.frombuffer(view.trace["data"], np.float32), expected[:, 4], atol=1e-5)


def test_tokens_are_counted_as_the_browser_counts_characters(model):
    lens = nnlens.Lens(model, alphabet=ALPHABET)
    view = lens.cells("a🐇b é")
    starts, ends = (np.frombuffer(view.text[name], np.int32).tolist() for name in ("starts", "ends"))
    assert (starts, ends) == ([0, 1, 3, 4, 5], [1, 3, 4, 5, 6])  # the rabbit is two units in UTF-16
    assert np.frombuffer(view.text["unknown"], np.int32).tolist() == [1, 4]
    assert "2 tokens stand for what the tokenizer does not know" in view.text["notes"]


def test_typing_reads_the_text_again_and_undo_has_the_one_before(lens):
    view = lens.cells(WORDS)
    before = view.image_number
    view.set_state({"typed": {"text": "abc (d"}})
    assert view.wait(30)
    assert view.typed is None
    assert view.text["text"] == "abc (d"
    assert lens.selection.sample.input.text.text == "abc (d"
    assert len(view.result) == 10
    view.set_state({"restore": {"state": view.state, "image": before, "mask": None, "reading": None}})
    assert view.wait(30)
    assert view.text["text"] == WORDS
    view.set_state({"typed": {"text": ""}})
    assert view.wait(30)
    assert "empty" in view.error["message"]
    assert view.text["text"] == WORDS


def test_predictions_are_the_softmax_of_the_logits(lens, model):
    view = lens.cells(WORDS, predictions=True)
    sent = view.predictions
    ids = torch.tensor([[ALPHABET.index(character) for character in WORDS]])
    shares = model(ids)[0].softmax(1).detach()
    np.testing.assert_allclose(
        np.frombuffer(sent["probability"], np.float32).reshape(-1, 3), shares.topk(3)[0], atol=1e-6
    )
    index = np.frombuffer(sent["index"], np.int32).reshape(-1, 3)
    assert [sent["words"][place] for place in index[:, 0]] == [ALPHABET[best] for best in shares.argmax(1)]
    own = np.frombuffer(sent["own"], np.float32)
    np.testing.assert_allclose(own[:-1], shares[:-1].gather(1, ids[0, 1:, None])[:, 0], atol=1e-6)
    assert np.isnan(own[-1])
    assert sent["next"] is True


def test_a_planted_cell_is_found(lens, model):
    # The cell follows brackets: its forget gate is open, its input gate opens at them, up at "(" and down at ")".
    with torch.no_grad():
        model.embedding.weight.zero_()
        model.embedding.weight[ALPHABET.index("("), 0] = 5
        model.embedding.weight[ALPHABET.index(")"), 0] = -5
        for name, weight in model.rnn.named_parameters():
            if name.endswith("_l0"):
                weight[3::10] = 0
        model.rnn.weight_ih_l0[23, 0] = 5  # the candidate of cell 3
        model.rnn.bias_ih_l0[3] = 8  # its input gate
        model.rnn.bias_ih_l0[13] = 8  # its forget gate
    # Words of random lengths: moved along a regular text, brackets would meet brackets.
    rng = np.random.default_rng(0)
    parts = [
        "(" * inside + "a" * int(length) + ")" * inside for inside, length in rng.integers([0, 1], [2, 9], (150, 2))
    ]
    view = lens.cells("".join(parts), find="inside brackets")
    assert view.wait(60)
    best = next(row for row in view.found["rows"] if (row["layer"], row["unit"]) == ("rnn.cell_l0", 3))
    assert best["held_out"] > 0.99
    assert best["beats_chance"]
    assert view.found["chance"] < best["held_out"]
    view.wanted = r"re:[a-h]+"
    assert view.wait(60)
    assert view.found["measure"] == "AUC"
    assert view.found["wanted"] == r"re:[a-h]+"
    view.wanted = "re:("
    assert view.wait(60)
    assert "pattern must be a regular expression" in view.found["problem"]
    view.everywhere = False
    view.marked = [(0, 3), (40, 60), (100, 140)]
    view.wanted = "marked"
    assert view.wait(60)
    assert view.found["rows"] or "must hold somewhere" in view.found["problem"]


def test_gates_with_how_often_they_are_closed(lens):
    view = lens.cells(WORDS, layer="rnn.cell_l0")
    assert [gate["name"] for gate in view.gates] == ["input", "forget", "output"]
    gate = text.cells(view.selection.sample.recording, view.selection.sample.input.text, "rnn.forget_gate_l0")
    closed, open_ = gate.saturation()
    np.testing.assert_allclose(np.frombuffer(view.gates[1]["closed"], np.float32), closed)
    np.testing.assert_allclose(np.frombuffer(view.gates[1]["open"], np.float32), open_)


def test_contexts_of_a_long_text_are_found_and_kept(lens, model, tmp_path):
    long = "ab cd ef gh\n" * 300 + "((((((((((((((((\n" + "ab cd ef gh\n" * 300
    view = lens.cells(WORDS, corpus=long, layer="rnn.cell_l0", unit=2)
    assert view.wait(60)
    found = lens.session.contexts.found("rnn.cell_l0")
    assert found.read == found.length == len(long)
    rows = view.contexts["rows"]
    assert {row["group"] for row in rows} == {"top", "middle", "least"}
    extreme = max(abs(row["value"]) for row in rows)
    at = next(row for row in rows if abs(row["value"]) == extreme)
    values = np.frombuffer(at["data"], np.float32)
    assert len(values) == len(np.frombuffer(at["starts"], np.int32))
    view.threshold = found.middle(2, 1)[0][1]
    assert view.wait(60)
    assert 0 < view.contexts["count"] <= view.contexts["windows"]
    assert view.contexts["rows"][0]["group"] == "above"
    # Another lens of the same model finds them on disk.
    again = nnlens.Lens(model, alphabet=ALPHABET)
    again.session.setup.text_input("abc")
    again.session.contexts.begin(long)
    first = next(again.session.contexts.steps("rnn.cell_l0"))
    assert first.read == len(long)
    np.testing.assert_array_equal(first.found.highest, found.found.highest)


def test_contexts_by_workers_in_files(lens, tmp_path, monkeypatch):
    pytest.importorskip("loky")
    monkeypatch.setenv("NNLENS_CACHE", str(tmp_path / "cache"))
    file, words = tmp_path / "long.txt", "ab cd ef gh\n" * 300 + "((((((((((((((((\n" * 9
    file.write_text(words, "utf-8")
    assert lens.cells(WORDS, corpus=words, layer="rnn.cell_l0", unit=2).wait(60)
    found = lens.session.contexts.found("rnn.cell_l0")
    view = lens.cells(WORDS, corpus=file, layer="rnn.cell_l0", unit=2, workers=1, shard_size=3000)
    assert view.wait(120)
    by_workers = lens.session.contexts.found("rnn.cell_l0")
    assert abs(by_workers.top(2, 1)[0][1] - found.top(2, 1)[0][1]) < 0.1  # parts begin elsewhere
    assert view.contexts["rows"][0]["text"] in words
    assert len(list((tmp_path / "cache" / "contexts").rglob("*.npz"))) >= 3
    with pytest.raises(ValueError, match="shard_size must be a whole number"):
        lens.cells(WORDS, corpus=file, layer="rnn.cell_l0", workers=1, shard_size=0)


def test_a_cell_is_held_and_the_model_writes(lens):
    view = lens.cells(WORDS[:60], layer="rnn.cell_l0", unit=1)
    view.hold_at = 2.0
    assert view.wait(60)
    assert view.held_cell["value"] == 2.0
    assert view.held_cell["loss"] != view.held_cell["clean"]
    assert view.held_cell["samples"] == []
    view.write += 1
    assert view.wait(60)
    assert [sample["held"] for sample in view.held_cell["samples"]] == [False, True]
    assert all(len(sample["text"]) == 80 for sample in view.held_cell["samples"])
    view.hold_at = None
    assert view.held_cell is None


def test_attention_of_a_text(transformer):
    lens = nnlens.Lens(transformer, alphabet=ALPHABET)
    view = lens.attention(WORDS[:24], layer=1, head=1)
    assert view.wait(60)
    weights = transformer(torch.tensor([[ALPHABET.index(c) for c in WORDS[:24]]]), output_attentions=True)
    expected = weights.attentions[1][0].detach().numpy() if weights.attentions else view.result.weights
    np.testing.assert_allclose(view.result.weights, expected, atol=1e-5)
    sent = np.frombuffer(view.attention["data"], np.uint8).reshape(2, 24, 24)
    np.testing.assert_allclose((sent / 255) ** 2, view.result.weights, atol=6e-3)
    assert [pattern["name"] for pattern in view.attention["patterns"]] == [
        "previous token",
        "same token",
        "first token",
    ]
    assert view.wait(60)  # to return its attention, the model has changed how it computes it
    assert set(view.induction["values"]) == {entry["layer"] for entry in view.attention_layers}
    view.resume += 1
    assert view.wait(60)
    assert len(view.effects["values"]) == 2
    assert all(value is not None for value in view.effects["values"])
    view.combine = "rollout"
    rolled = (np.frombuffer(view.rollout["data"], np.uint8).reshape(24, 24) / 255) ** 2
    np.testing.assert_allclose(rolled.sum(1), 1, atol=0.05)
    assert "head 1" in view.describe()
    for wrong in ({"layer": 5}, {"layer": "nothing"}, {"head": 9}):
        with pytest.raises(ValueError, match="must be"):
            lens.attention(WORDS, **wrong)


def test_a_long_text_has_the_largest_weights_of_each_row(transformer, monkeypatch):
    lens = nnlens.Lens(transformer, alphabet=ALPHABET)
    recording = lens.attention(WORDS[:200]).selection.sample.recording
    layer = text.attention_layers(recording)[0]
    whole = text.attention(recording, layer).weights
    keys, weights = text.strongest(recording, layer, 5)
    np.testing.assert_allclose(weights, -np.sort(-whole, 2)[:, :, :5], atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(whole, keys.astype(int), 2), weights, atol=1e-6)


def test_attention_of_an_image_has_patches():
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8,
        num_labels=3,
    )  # fmt: skip
    lens = nnlens.Lens(
        transformers.ViTForImageClassification(config).eval(), preprocess={"size": 32, "mean": 0.5, "std": 0.5}
    )
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    view = lens.attention(picture)
    assert view.attention["grid"] == (4, 4)
    assert view.attention["extra"] == 1
    assert view.attention["key_names"][:2] == ["class token", "patch 0, 0"]
    assert view.text is None
    assert lens.logit_lens(picture).logit_lens["positions"] == 1


def test_the_logit_lens_ends_with_the_models_own_answers(transformer):
    view = nnlens.Lens(transformer, alphabet=ALPHABET).logit_lens(WORDS[:30], token=7)
    sent = view.logit_lens
    shape = len(sent["layers"]), 30
    ranks = np.frombuffer(sent["rank"], np.int32).reshape(shape)
    assert (ranks[-1] == 1).all()
    assert sent["error"] <= 1e-5
    ids = torch.tensor([[ALPHABET.index(character) for character in WORDS[:30]]])
    logits = transformer(ids).logits[0].detach()
    followed = np.frombuffer(sent["followed"], np.int32).reshape(30, sent["m"])
    assert [sent["words"][place] for place in followed[7]] == [ALPHABET[best] for best in logits[7].topk(5)[1]]
    last = np.frombuffer(sent["followed_rank"], np.int32).reshape(*shape, sent["m"])[-1]
    assert (last == np.arange(1, 6)).all()
    with pytest.raises(ValueError, match="token must be"):
        nnlens.Lens(transformer, alphabet=ALPHABET).logit_lens(WORDS[:30], token=30)


def test_attribution_of_tokens_with_evidence(transformer):
    lens = nnlens.Lens(transformer, alphabet=ALPHABET)
    view = lens.attribution("abc (de) f", methods=["integrated_gradients", "occlusion", "lime"], samples=60)
    assert view.wait(120)
    assert view.text["text"] == "abc (de) f"
    result = view.result
    ids = torch.tensor([[ALPHABET.index(character) for character in "abc (de) f"]])
    with torch.no_grad():
        logits = transformer(ids).logits[0, -1]
    assert view.target == int(logits.argmax())
    # Without a token the embedding is the mean of the vocabulary: by hand.
    table, clean = transformer.transformer.wte.weight.detach(), float(logits.softmax(0)[view.target])
    changes = []
    for place in range(10):
        rows = table[ids].clone()
        rows[0, place] = table.mean(0)
        with torch.no_grad():
            shares = transformer(inputs_embeds=rows).logits[0, -1].softmax(0)
        changes.append(clean - float(shares[view.target]))
    found = result["occlusion"].values
    np.testing.assert_allclose(found.ravel()[:10], changes, atol=1e-5)
    assert view.superpixels["count"] == 7  # abc, space, (, de, ), space, f
    with pytest.raises(ValueError, match="token must be"):
        lens.attribution("abc", token=3)


@pytest.mark.parametrize("name", ["cells", "attention", "logit_lens"])
def test_pages_keep_their_answers_within_the_budget(name, lens, transformer, tmp_path):
    lens = lens if name == "cells" else nnlens.Lens(transformer, alphabet=ALPHABET)
    view = getattr(lens, name)(WORDS[:120])
    path = view.save(tmp_path / "page.html")
    assert path.stat().st_size <= BUDGET + 20_000
    content = unpack(path.read_text("utf-8"))
    assert content["state"]["text"]["text"] == WORDS[:120]
    if name == "cells":
        layers = content["responses"][0]["table"]
        assert {"rnn.cell_l0", "rnn.hidden_l1", "rnn.forget_gate_l0"} <= set(layers)
    if name == "attention":
        assert len(content["responses"][0]["table"]) == 2
    assert view.picture().width > 200
    assert WORDS[:6] in view.describe()


def test_wrong_input_is_refused_with_a_clear_error(lens, model, transformer):
    with pytest.raises(ValueError, match="tokenizer"):
        nnlens.Lens(model).cells("abc")
    with pytest.raises(ValueError, match="empty"):
        lens.cells("")
    with pytest.raises(TypeError, match="text must be a str"):
        lens.cells(5)
    with pytest.raises(ValueError, match="text must be given"):
        lens.cells()
    with pytest.raises(ValueError, match="find must be one of"):
        lens.cells("abc", find="inside quote")
    with pytest.raises(ValueError, match="layer must"):
        lens.cells("abc def", layer="rnn[1]")
    with pytest.raises(TypeError, match="corpus"):
        lens.cells("abc", corpus=5)
    with pytest.raises(ValueError, match="the model must have attention"):
        lens.attention("abc")
    with pytest.raises(ValueError, match="residual stream"):
        lens.logit_lens("abc")
    with pytest.raises(ValueError, match="at most 300 tokens"):
        nnlens.Lens(transformer, alphabet=ALPHABET).attention("ab" * 200)
    with pytest.raises(TypeError, match="both"):
        nnlens.Lens(model, alphabet="ab", tokenizer=(list, str))


def test_a_model_without_a_language_head_says_so():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Embedding(len(ALPHABET), 7), nn.Linear(7, 9), nn.ReLU()).eval()
    view = nnlens.Lens(encoder, alphabet=ALPHABET).cells(WORDS, predictions=True)
    assert "no language head" in view.predictions_problem
    view.hold_at = 1.0
    assert view.wait(30)
    assert "no language head" in view.held_cell["problem"]


def test_views_of_one_text_share_the_cell(lens):
    one = lens.cells(WORDS, unit=2)
    other = lens.cells()
    other.unit = 7
    assert one.unit == lens.selection.unit == 7
    one.position = [0, 11]
    assert other.position == [0, 11]
    apart = lens.cells(WORDS, link=False, unit=1)
    apart.unit = 3
    assert one.unit == 7
