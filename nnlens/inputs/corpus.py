"""A long text to look for contexts in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def corpus_text(corpus: Any) -> str:
    """A text, a file of text (a `Path`), or several files one after the other.

    Raises
    ------
    TypeError, ValueError
        For anything else, a file that cannot be read, and an empty text.
    """
    if isinstance(corpus, str):
        text = corpus
    elif isinstance(corpus, Path):
        text = _read(corpus)
    elif isinstance(corpus, Sequence) and corpus and all(isinstance(item, (str, Path)) for item in corpus):
        text = "".join(_read(Path(item)) for item in corpus)
    else:
        raise TypeError(f"corpus must be a text, a Path of a text file or several of them, got {type(corpus).__name__}")
    if not text:
        raise ValueError("corpus must hold at least one character, got an empty text")
    return text


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8", errors="replace")
    except OSError as error:
        raise ValueError(f"corpus cannot be read: {error}") from error
