"""Long texts are read piece by piece: each character once, wherever they are cut."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

from nnlens.inputs.corpus import FilesCorpus, TextCorpus, corpus_of

WORDS = "plain\nüß – 漢字 🙂\r\n\r\nlast of the first file é"
BROKEN = b"pr\xe9 \xf0\x9f\x99 \x80\x80\x80\x80\x80\n\xed\xa0\x80 end"


@pytest.fixture
def files(tmp_path):
    """Two files, the second of which is no UTF-8."""
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    paths[0].write_bytes(WORDS.encode())
    paths[1].write_bytes(BROKEN)
    return FilesCorpus(paths)


def test_files_are_read_as_one_text(files):
    whole = files.piece(0, len(files))
    wrong = "pr\ufffd \ufffd\ufffd\ufffd " + 5 * "\ufffd" + "\n" + 3 * "\ufffd" + " end"
    assert whole.text == WORDS.replace("\r\n", "\n") + wrong
    assert whole.ends[-1] == len(files) == len(WORDS.encode()) + len(BROKEN)
    assert (np.diff(whole.ends) > 0).all()
    # The place after a character is where its last byte ends.
    at = whole.text.index("🙂")
    assert whole.ends[at] == len(WORDS[: WORDS.index("🙂") + 1].encode())


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64])
def test_pieces_make_up_the_text_wherever_it_is_cut(files, step):
    words = [files.piece(start, start + step) for start in range(0, len(files), step)]
    # A line end of two bytes is one character, but where it is cut.
    joined = "".join(piece.text for piece in words)
    whole = files.piece(0, len(files)).text
    assert re.sub("\n+", "\n", joined) == re.sub("\n+", "\n", whole)
    ends = np.concatenate([piece.ends for piece in words])
    assert (np.diff(ends) > 0).all()


@pytest.mark.parametrize("step", [1, 4, 9, 30])
@pytest.mark.parametrize("kind", ["text", "files"])
def test_lines_of_ranges_are_all_lines_each_once(files, kind, step):
    corpus = files if kind == "files" else TextCorpus(WORDS)
    parts = [corpus.lines(start, start + step) for start in range(0, len(corpus), step)]
    assert "".join(part.text for part in parts) == corpus.piece(0, len(corpus)).text
    begun = [part.text for part in parts if part.text][:-1]
    assert all(text.endswith("\n") for text in begun)


def test_a_very_long_line_is_cut(tmp_path):
    (tmp_path / "long.txt").write_text("ü" * 60_000, "utf-8")
    for corpus in (TextCorpus("ü" * 120_000), corpus_of(tmp_path / "long.txt")):
        parts = [corpus.lines(start, start + 40_001) for start in range(0, 120_000, 40_001)]
        assert all(part.text for part in parts)
        assert "".join(part.text for part in parts) == corpus.piece(0, 120_000).text


def test_places_and_characters(files):
    piece = files.piece(6, 40)
    assert piece.before(6) == 0
    assert piece.text[: piece.before(6 + len("üß –".encode()))] == "üß –"
    assert TextCorpus("abcdef").piece(2, 5).before(4) == 2
    assert TextCorpus("abcdef").piece(-5, 99).text == "abcdef"


def test_what_is_no_corpus(tmp_path):
    with pytest.raises(TypeError, match="corpus must be a text, a Path of a text file or several of them, got int"):
        corpus_of(5)
    with pytest.raises(ValueError, match=r"corpus cannot be read: .*No such file"):
        corpus_of(tmp_path / "none.txt")
    with pytest.raises(ValueError, match=r"corpus cannot be read: .*Is a directory"):
        corpus_of(tmp_path)
    with pytest.raises(ValueError, match="corpus must hold at least one character"):
        corpus_of("")
    assert corpus_of(files := TextCorpus("a")) is files


def test_files_that_change_are_told(files):
    files.check()
    path = files.paths[0]
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ValueError, match=r"corpus must stay .*one\.txt' has changed"):
        files.check()
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match=r"corpus must stay .*one\.txt' is shorter now"):
        files.piece(0, 20)


@pytest.mark.parametrize(
    ("content", "kind"), [(gzip.compress(b"words", mtime=0), "a compressed file"), ("words".encode("utf-16"), "UTF-16")]
)
def test_files_that_are_no_utf_8(tmp_path, content, kind):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"corpus must be text in UTF-8, but .*words\.txt' is {kind}"):
        corpus_of(path)
