"""A long text to look for contexts in, read piece by piece: a text in memory, or files that are not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

LINE = 32_000  # places: a line that is longer is cut


@dataclass(frozen=True, eq=False, repr=False)
class Piece:
    """A piece of a long text.

    Attributes
    ----------
    text : str
    ends : int64 array (characters,)
        The place in the long text after each of its characters.
    """

    text: str
    ends: np.ndarray

    def before(self, place: int) -> int:
        """How many of its characters lie before a place of the long text."""
        return int(np.searchsorted(self.ends, place, "right"))


class Corpus:
    """A long text. Its *places* lie between its characters, from 0 to its length, in whatever they are counted in."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def piece(self, start: int, stop: int) -> Piece:
        """The characters that begin between two places, which may be outside the text."""

    def check(self) -> None:
        """ValueError if the text is no longer what it was."""

    @abstractmethod
    def _line_end(self, start: int, stop: int) -> int:
        """The place after the first line's end between two places, or −1."""

    def line(self, place: int) -> int:
        """The place where the first line begins at a place, or after it; in a very long line the place itself."""
        if place <= 0 or place >= len(self):
            return min(max(place, 0), len(self))
        stop = min(len(self), place + LINE)
        end = self._line_end(place - 1, stop)
        if end < 0:
            end = stop if stop == len(self) else place
        return end

    def lines(self, start: int, stop: int) -> Piece:
        """The lines that begin between two places: those of a row of ranges are all lines, each once."""
        return self.piece(self.line(start), self.line(stop))


class TextCorpus(Corpus):
    """A text in memory. Its places are numbers of characters."""

    def __init__(self, text: str):
        self.text = text

    def __len__(self) -> int:
        return len(self.text)

    def piece(self, start: int, stop: int) -> Piece:
        """Some of its characters."""
        start, stop = max(0, start), min(len(self), stop)
        return Piece(self.text[start:stop], np.arange(start + 1, stop + 1))

    def _line_end(self, start: int, stop: int) -> int:
        return self.text.find("\n", start, stop) + 1 or -1


class FilesCorpus(Corpus):
    """Files of text in UTF-8, one after the other, read where they are needed. Its places are numbers of bytes.

    Bytes that are no UTF-8 count as U+FFFD each; a line may end as in Unix or in Windows.
    """

    def __init__(self, paths: Sequence[str | Path]):
        self.paths = [Path(path).expanduser().absolute() for path in paths]
        try:
            self._stats = [_size_and_time(path) for path in self.paths]
            beginnings = [_beginning(path) for path in self.paths]
        except OSError as error:
            raise ValueError(f"corpus cannot be read: {error}") from error
        for path, beginning in zip(self.paths, beginnings, strict=True):
            if beginning.startswith((b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff")):
                kind = "a compressed file" if beginning.startswith(b"\x1f") else "UTF-16"
                raise ValueError(f"corpus must be text in UTF-8, but {str(path)!r} is {kind}")
        self._starts = [0, *accumulate(size for size, _time in self._stats)]

    def __len__(self) -> int:
        return self._starts[-1]

    def _bytes(self, start: int, stop: int) -> bytes:
        read = b""
        for path, first, end in zip(self.paths, self._starts[:-1], self._starts[1:], strict=True):
            if first < stop and end > start:
                begin, size = max(0, start - first), min(stop, end) - max(start, first)
                with path.open("rb") as file:
                    file.seek(begin)
                    read += file.read(size)
                if len(read) < min(stop, end) - start:
                    raise ValueError(f"corpus must stay as it is while it is read, but {str(path)!r} is shorter now")
        return read

    def check(self) -> None:
        """ValueError if a file has changed since it was opened."""
        for path, before in zip(self.paths, self._stats, strict=True):
            if _size_and_time(path) != before:
                raise ValueError(f"corpus must stay as it is while it is read, but {str(path)!r} has changed")

    def piece(self, start: int, stop: int) -> Piece:
        """The characters that begin between two places."""
        start, stop = max(0, start), min(len(self), stop)
        # A character begins with a byte that does not go on with another one (10xxxxxx).
        content = self._bytes(start, min(len(self), stop + 4))
        begin = _character(content, 0) if start else 0
        end = _character(content, max(begin, stop - start))
        # Each byte that is no UTF-8 becomes one character, so that the places are known.
        text = content[begin:end].decode("utf-8", errors="surrogateescape")
        codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), np.uint32)
        wrong = (codes >= 0xDC80) & (codes <= 0xDCFF)
        sizes = 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
        ends = start + begin + np.cumsum(np.where(wrong, 1, sizes))
        # A line ends with one character.
        returns = np.flatnonzero(codes == 13)
        double = returns[(returns + 1 < len(codes)) & (codes[np.minimum(returns + 1, len(codes) - 1)] == 10)]
        codes = np.where(wrong, 0xFFFD, np.where(codes == 13, 10, codes)).astype(np.uint32)
        kept = np.ones(len(codes), bool)
        kept[double] = False
        return Piece(codes[kept].tobytes().decode("utf-32-le"), ends[kept])

    def _line_end(self, start: int, stop: int) -> int:
        found = self._bytes(start, stop).find(b"\n")
        return -1 if found < 0 else start + found + 1


def _size_and_time(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2)


def _character(content: bytes, at: int) -> int:
    """Where the first character begins at a byte, or after it; four bytes without one are no UTF-8."""
    for place in range(at, min(at + 4, len(content))):
        if content[place] & 0xC0 != 0x80:
            return place
    return min(at, len(content)) if at + 4 <= len(content) else len(content)


def corpus_of(corpus: Any) -> Corpus:
    """A text, a file of text (a `Path`), or several files one after the other.

    Raises
    ------
    TypeError, ValueError
        For anything else, a file that cannot be read, and an empty text.
    """
    made: Corpus
    if isinstance(corpus, Corpus):
        made = corpus
    elif isinstance(corpus, str):
        made = TextCorpus(corpus)
    elif isinstance(corpus, Path):
        made = FilesCorpus([corpus])
    elif isinstance(corpus, Sequence) and corpus and all(isinstance(item, (str, Path)) for item in corpus):
        made = FilesCorpus(corpus)
    else:
        raise TypeError(f"corpus must be a text, a Path of a text file or several of them, got {type(corpus).__name__}")
    if not len(made):
        raise ValueError("corpus must hold at least one character, got an empty text")
    return made
