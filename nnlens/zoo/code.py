"""A small network that reads Python, character by character, which we trained ourselves, and texts to show it."""

from __future__ import annotations

import sysconfig
import zlib
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

# The last character stands for all that are not in the alphabet.
ALPHABET = "\n\t" + "".join(map(chr, range(32, 127))) + "\ufffd"
_SKIPPED = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}


class CodeLSTM(nn.Module):
    """An embedding, two LSTM layers and a linear layer: the logits of the next character."""

    def __init__(self, characters: int = len(ALPHABET), width: int = 64, cells: int = 256):
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.rnn = nn.LSTM(width, cells, num_layers=2, batch_first=True)
        self.head = nn.Linear(cells, characters)

    def forward(self, ids: Tensor) -> Tensor:
        """From (n, length) places in the alphabet to logits (n, length, characters)."""
        result: Tensor = self.head(self.rnn(self.embedding(ids))[0])
        return result


class Reader(NamedTuple):
    """A network that reads text, as `Lens` takes it: `Lens(reader.model, alphabet=reader.alphabet)`."""

    model: nn.Module
    alphabet: str


def code_lstm() -> Reader:
    """A character LSTM of 886,000 parameters that was trained on Python's standard library.

    1.48 bits per character on the files that were held out; a 5-gram model of the same text has 1.86
    (`python -m nnlens.zoo.train_code`).
    """
    model = CodeLSTM()
    with as_file(files("nnlens.zoo").joinpath("code_lstm.pt")) as path:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict({key: item.float() for key, item in weights.items()})
    return Reader(model.eval(), ALPHABET)


def code_files(*, held_out: bool = True) -> list[Path]:
    """The files of the running Python's standard library, without its tests.

    A twentieth of them, chosen by their names, was not used for training: those are returned by default, else the rest.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    found = [path.relative_to(root) for path in sorted(root.rglob("*.py"))]
    kept = [path for path in found if not _SKIPPED & set(path.parts) and not path.parts[0].startswith("config-")]
    return [root / path for path in kept if (zlib.crc32(path.as_posix().encode()) % 20 == 0) == held_out]


def code_text(length: int | None = None, *, held_out: bool = True) -> str:
    """The text of `code_files`, one after the other, or its first characters."""
    parts, count = [], 0
    for path in code_files(held_out=held_out):
        parts.append(path.read_text("utf-8", errors="replace"))
        count += len(parts[-1])
        if length is not None and count >= length:
            break
    return "".join(parts)[:length]
