"""Contexts are the extremes of each window of a long text, whatever the parts it is read in."""

from __future__ import annotations

from pathlib import Path

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
    codec, words = as_codec(alphabet=ALPHABET), random_lines(40)[:1100]
    *_, found = text.contexts_steps(model, words, codec, "rnn.cell_l1", part=500)
    ids = torch.tensor([codec.encode(words).ids])
    own = [record(model, ids[:, start : start + 500])["rnn.cell_l1"][0].detach().numpy() for start in (0, 450, 900)]
    # A part begins without a past, and its first tenth is not counted.
    starts = [(part, low) for part in range(3) for low in range(50 if part else 0, len(own[part]), 200)]
    windows = [own[part][low : low + 200] for part, low in starts]
    highest = np.stack([window.max(0) for window in windows])
    order = np.argsort(-highest, 0, kind="stable")
    assert len(found) == len(windows) == 7
    np.testing.assert_allclose(found.found.highest, np.take_along_axis(highest, order, 0), atol=1e-5)
    np.testing.assert_allclose(
        found.found.lowest, np.sort(np.stack([window.min(0) for window in windows]), 0), atol=1e-5
    )
    for place, value in found.top(3):
        part = max(0, min(2, (place - 51) // 450))
        assert own[part][place - 1 - 450 * part, 3] == pytest.approx(value, abs=1e-5)
    assert [value for _place, value in found.top(3)] == sorted((v for _p, v in found.top(3)), reverse=True)
    assert len(found.middle(3, 3)) == 3
    assert sorted(value for _place, value in found.middle(3, 3))[1] == pytest.approx(np.median(highest[:, 3]), abs=1e-5)
    threshold = float(np.median(highest[:, 3]))
    above = found.above(3, threshold - 1e-6)
    assert found.count_above(3, threshold - 1e-6) == (len(above), True) == (4, True)
    assert above == sorted(above)


def test_a_model_that_takes_steps_first_gives_the_same():
    torch.manual_seed(0)
    one, codec, words = Reader().eval(), as_codec(alphabet=ALPHABET), "abc (de) f\n" * 200
    other = Reader(batch_first=False).eval()
    other.load_state_dict(one.state_dict())
    *_, found = text.contexts_steps(one, words, codec, "rnn.hidden_l1", part=300)
    *_, turned = text.contexts_steps(other, words, codec, "rnn.hidden_l1", part=300, steps_first=True)
    np.testing.assert_allclose(found.found.highest, turned.found.highest, atol=1e-5)


def random_lines(count):
    """Lines of many lengths."""
    drawn = np.random.default_rng(5)
    lengths = drawn.integers(0, 90, count)
    return "".join("".join(drawn.choice(list(ALPHABET[:-1]), size)) + "\n" for size in lengths)


def assert_same(one, other):
    mine, theirs = one.found.state(), other.found.state()
    assert mine.keys() == theirs.keys()
    for name, values in mine.items():
        assert np.array_equal(values, theirs[name]), name


@pytest.mark.parametrize("workers", [None, 2])
def test_the_same_is_found_by_workers_in_files_and_from_the_store(model, tmp_path, workers):
    if workers:
        pytest.importorskip("loky")
    codec, words = as_codec(alphabet=ALPHABET), random_lines(1500)
    options = {"part": 200, "shard_size": 9000}
    *_, whole = text.contexts_steps(model, words, codec, "rnn.cell_l0", **options)
    assert len(whole) > 3 * 64  # not all windows are kept
    assert whole.read == whole.length == len(words)
    files = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for file, part in zip(files, (words[:30_001], words[30_001:]), strict=True):
        file.write_text(part, "utf-8")
    store = tmp_path / "store"
    *_, found = text.contexts_steps(model, files, codec, "rnn.cell_l0", **options, workers=workers, store=store)
    assert_same(found, whole)
    stored = len(list(store.rglob("*.npz")))
    assert stored == -(-len(words) // 9000)
    # A longer text has the same shards, but for the last one.
    files[1].write_text(words[30_001:] + "abc\n" * 3000, "utf-8")
    *_, longer = text.contexts_steps(model, files, codec, "rnn.cell_l0", **options, store=store)
    *_, again = text.contexts_steps(model, words + "abc\n" * 3000, codec, "rnn.cell_l0", **options)
    assert_same(longer, again)
    assert len(list(store.rglob("*.npz"))) == stored + 1 + -(-(len(words) + 12_000) // 9000) - stored


def test_what_is_stored_is_not_read_by_the_model_again(model, tmp_path, monkeypatch):
    codec, words = as_codec(alphabet=ALPHABET), random_lines(600)
    options = {"part": 200, "shard_size": 9000, "store": tmp_path}
    steps = text.contexts_steps(model, words, codec, "rnn.cell_l0", **options)
    next(step for step in steps if step.read >= 9000)
    steps.close()  # stopped
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    *_, found = text.contexts_steps(model, words, codec, "rnn.cell_l0", **options)

    def refused(*_given):
        raise RuntimeError("it was read again")

    monkeypatch.setattr("nnlens.kernels.text.contexts._windows", refused)
    *_, again = text.contexts_steps(model, words, codec, "rnn.cell_l0", **options)
    assert_same(found, again)
    with pytest.raises(ValueError, match="it was read again"):  # of another layer nothing is stored
        list(text.contexts_steps(model, words, codec, "rnn.cell_l1", **options))


def test_numbers_of_windows_above_a_threshold(model):
    codec, words = as_codec(alphabet=ALPHABET), random_lines(6000)
    *_, found = text.contexts_steps(model, words, codec, "rnn.cell_l0", part=400)
    *_, parts = text.contexts_steps(model, words, codec, "rnn.cell_l0", part=400, shard_size=20_000)
    assert len(found) > 900
    values = np.array([value for _place, value in found.top(2, 64)])
    assert found.count_above(2, float(values[20])) == (21, True)
    assert [place for place, _value in found.above(2, float(values[20]))] == sorted(
        place for place, _value in found.top(2, 21)
    )
    middle = float(found.found.sketch.quantiles([0.5])[2, 0])
    count, exact = parts.count_above(2, middle)
    assert not exact
    assert count == pytest.approx(len(parts) / 2, abs=0.02 * len(parts))


def test_parts_that_fail_are_listed(model):
    class Fails(Reader):
        def forward(self, ids):
            if (ids == ALPHABET.index("h")).any():
                raise RuntimeError("an h")
            return super().forward(ids)

    made, codec = Fails().eval(), as_codec(alphabet=ALPHABET)
    *_, found = text.contexts_steps(made, "abc\n" * 500 + "h\n" + "abc\n" * 500, codec, "rnn.cell_l0", shard_size=1000)
    assert [shard.start for shard, _why in found.failed] == [2000]
    assert "RuntimeError: an h" in found.failed[0][1]
    assert found.read == found.length
    with pytest.raises(ValueError, match=r"text must be one that the model can read, but: .*RuntimeError: an h"):
        list(text.contexts_steps(made, "abc\n" * 500 + "h\n", codec, "rnn.cell_l0"))


def test_a_model_that_changes_meanwhile_ends_the_search(model):
    steps = text.contexts_steps(model, "abc\n" * 1000, as_codec(alphabet=ALPHABET), "rnn.cell_l0", shard_size=1000)
    next(steps)
    with torch.no_grad():
        model.embedding.weight[0] += 1
    with pytest.raises(ValueError, match="the model has changed during the search: start again"):
        list(steps)


def test_files_by_relative_paths_are_found_from_other_folders(model, tmp_path, monkeypatch):
    (tmp_path / "one.txt").write_text("abc\n" * 1000)
    monkeypatch.chdir(tmp_path)
    steps = text.contexts_steps(
        model, [Path("one.txt")], as_codec(alphabet=ALPHABET), "rnn.cell_l0", shard_size=1000, part=100
    )
    next(steps)
    monkeypatch.chdir(tmp_path.parent)
    *_, found = steps
    assert found.read == found.length
    assert not found.failed


def test_a_text_that_changes_meanwhile_ends_the_search_and_nothing_wrong_is_stored(model, tmp_path):
    file, codec = tmp_path / "one.txt", as_codec(alphabet=ALPHABET)
    file.write_text("abc\n" * 1000)
    options = {"part": 100, "shard_size": 1000, "store": tmp_path / "store"}
    steps = text.contexts_steps(model, file, codec, "rnn.cell_l0", **options)
    next(step for step in steps if step.read >= 1000)
    file.write_text("(((\n" * 1000)
    with pytest.raises(ValueError, match=r"corpus must stay .*one\.txt' has changed"):
        list(steps)
    file.write_text("abc\n" * 1000)
    *_, found = text.contexts_steps(model, file, codec, "rnn.cell_l0", **options)
    *_, plain = text.contexts_steps(model, file, codec, "rnn.cell_l0", part=100, shard_size=1000)
    assert_same(found, plain)


def test_what_is_stored_is_of_the_same_tokens(model, tmp_path):
    words, options = "abc\n" * 600 + "b(\n" * 600, {"part": 100, "shard_size": 1000, "store": tmp_path}
    *_, found = text.contexts_steps(model, words, as_codec(alphabet=ALPHABET), "rnn.cell_l0", **options)
    # The same at the beginning, and other tokens later.
    other = as_codec(alphabet=ALPHABET.replace("(", "x"))
    *_, others = text.contexts_steps(model, words, other, "rnn.cell_l0", **options)
    assert not np.array_equal(found.found.highest, others.found.highest)


def test_parts_without_tokens_are_left_out(model):
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    blank = " \n" * 1000
    words = blank + "a b b a\n" * 500 + blank
    *_, found = text.contexts_steps(model, words, as_codec(made), "rnn.cell_l0", part=100, shard_size=1000)
    assert found.read == found.length
    assert not found.failed
    assert len(found)
    with pytest.raises(ValueError, match="text must be one that the model can read, but: it has no token"):
        list(text.contexts_steps(model, blank, as_codec(made), "rnn.cell_l0"))


@pytest.mark.parametrize("part", [3, 2.5, True])
def test_parts_that_are_too_short(model, part):
    with pytest.raises(ValueError, match=f"part must be at least 20 tokens, got {part}"):
        next(text.contexts_steps(model, "abc", as_codec(alphabet=ALPHABET), "rnn.cell_l1", part=part))


def test_a_layer_without_tokens_is_refused(model):
    with pytest.raises(ValueError, match="value for each token"):
        next(text.contexts_steps(model, "abc" * 50, as_codec(alphabet=ALPHABET), "rnn[1]", part=100))
