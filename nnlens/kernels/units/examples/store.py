"""Storing the results of a search for examples on disk, a file for each layer."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nnlens.recording import Recording, Source
from nnlens.scale.store import check_folder
from nnlens.utils.files import remove_parts, replacing
from nnlens.utils.language import _
from nnlens.utils.tensors import as_bytes

from .layer_examples import LayerExamples
from .reader import Reader

FINGERPRINTS = 16  # inputs that are read to tell one data set from another


class Store:
    """Files of one pass, or none: a disk error must not lose the results in memory.

    Attributes
    ----------
    problem : str
        Why nothing is stored, if storing failed.
    """

    def __init__(self, folder: str | Path | None, model: nn.Module, recording: Recording, reader: Reader, mark: str):
        self.problem = ""
        self._files: _Files | None = None
        check_folder(folder)
        if folder is not None:
            try:
                self._files = _Files(Path(folder), _key(model, recording, reader, mark))
            except OSError as error:
                self._give_up(error)

    def load(self, empty: Mapping[str, LayerExamples]) -> dict[str, LayerExamples]:
        """The stored results of some layers; empty ones where nothing is stored."""
        if self._files is None:
            return dict(empty)
        return {name: self._files.load(index) for name, index in empty.items()}

    def save(self, layers: Sequence[LayerExamples]) -> float:
        """Write the results; returns how many seconds that took."""
        if self._files is None:
            return 0.0
        try:
            return self._files.save(layers)
        except OSError as error:
            self._give_up(error)
            return 0.0

    def _give_up(self, error: OSError) -> None:
        self._files = None
        self.problem = _("the results are not stored on disk: {error}", error=error)
        warnings.warn(self.problem, stacklevel=4)


def pass_key(model: nn.Module, recording: Recording) -> str:
    """An identifier of a pass: weights, and operations with their settings."""
    digest = hashlib.blake2b(digest_size=12)
    weights = [*model.parameters(), *model.buffers()]
    for tensor in weights:
        digest.update(as_bytes(tensor))
    known = {id(tensor) for tensor in weights}
    for operation in recording:
        digest.update(f"{operation.name} {operation.op} {operation.shape}".encode())
        arguments = operation.arguments, tuple(sorted(operation.keywords.items()))
        digest.update(repr(_settings(arguments, known)).encode())
    return digest.hexdigest()


def _key(model: nn.Module, recording: Recording, reader: Reader, mark: str) -> str:
    """An identifier of a pass over preprocessed data."""
    words = f"{pass_key(model, recording)} {mark} {len(reader.inputs)}"
    digest = hashlib.blake2b(words.encode(errors="surrogatepass"), digest_size=12)  # names of files need not be UTF-8
    for item in np.unique(np.linspace(0, len(reader.inputs) - 1, FINGERPRINTS).round().astype(int)):
        digest.update(fingerprint(reader, int(item)))
    return digest.hexdigest()


def fingerprint(reader: Reader, item: int) -> bytes:
    """An input as bytes; for one that cannot be read, the kind of the error."""
    try:
        return as_bytes(reader.read(item))
    except Exception as error:
        return type(error).__name__.encode()


def _settings(value: Any, weights: set[int]) -> Any:
    """An operation's arguments, with tensors by their origin: strides, slopes and scales make a difference.

    So do the numbers of tensors that are no weights; `weights` are the `id` of those that are.
    """
    if isinstance(value, Source):
        constant = value.value
        if constant is None or id(constant) in weights:
            return value.name, value.shape
        return value.shape, hashlib.blake2b(as_bytes(constant), digest_size=12).hexdigest()
    if isinstance(value, (tuple, list)):
        return tuple(_settings(item, weights) for item in value)
    if isinstance(value, Mapping):
        return _settings(tuple(value.items()), weights)
    plain = (bool, int, float, complex, str, type(None), slice, type(...), torch.dtype)
    return value if isinstance(value, plain) else type(value).__name__


class _Files:
    """A folder with a file for each layer of each pass."""

    def __init__(self, folder: Path, key: str):
        self.folder, self.key = folder.expanduser(), key
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_parts(self.folder)

    def _path(self, layer: str) -> Path:
        return self.folder / f"{self.key}-{hashlib.blake2b(layer.encode(), digest_size=6).hexdigest()}.npz"

    def load(self, empty: LayerExamples) -> LayerExamples:
        """The stored results of a layer; `empty` if there are none that can be read."""
        try:
            with self._path(empty.layer).open("rb") as file:
                result = LayerExamples.restored(dict(np.load(file)))
        except Exception:  # a damaged file fails in many ways, and counts as missing
            return empty
        alike = (result.layer, result.units, result.height, result.width)
        return result if alike == (empty.layer, empty.units, empty.height, empty.width) else empty

    def save(self, layers: Sequence[LayerExamples]) -> float:
        """Write a file for each; how many seconds that took."""
        begin = time.monotonic()
        for layer in layers:
            with replacing(self._path(layer.layer)) as file:
                np.savez(file, **layer.state())  # type: ignore[arg-type]
        return time.monotonic() - begin
