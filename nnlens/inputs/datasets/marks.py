"""What identifies the inputs of a part of a data set, so that stored results are not taken for those of others."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from nnlens.utils.tensors import as_bytes

_TRIED = 8  # inputs, for one that can be read


def mark_of(inputs: Any, start: int, stop: int) -> str:
    """Text that identifies the inputs of a range, as far as possible without reading all of them.

    Files by their names, sizes and times, what is in memory by all of its numbers, others by the first and the last
    input; of all of them the first input that can be read, which tells how they are preprocessed.
    """
    if hasattr(inputs, "mark_of"):
        told = inputs.mark_of(range(start, stop))
    else:
        told = memory_mark(inputs[start:stop]) if isinstance(inputs, (Tensor, list, tuple)) else None
    digest = hashlib.blake2b(digest_size=12)
    for item in range(start, min(stop, start + _TRIED)):
        with contextlib.suppress(Exception):
            digest.update(_tensor_bytes(inputs[item]))
            break
    if told is None:
        with contextlib.suppress(Exception):
            digest.update(_tensor_bytes(inputs[stop - 1]))
    return f"{told or ''} {digest.hexdigest()}"


def memory_mark(items: Iterable[Any]) -> str:
    """Text that identifies items in memory: numbers by their values, paths by the size and the time of their files."""
    digest = hashlib.blake2b(digest_size=12)
    for item in items:
        digest.update(_item_bytes(item))
    return digest.hexdigest()


def file_line(path: Path, name: str) -> str:
    """What identifies a file; "" for the time and the size of one that cannot be read."""
    try:
        stat = path.stat()
    except OSError:
        return name
    return f"{name} {stat.st_size} {stat.st_mtime_ns}"


def _tensor_bytes(tensor: Tensor) -> bytes:
    return f"{tuple(tensor.shape)} {tensor.dtype}".encode() + as_bytes(tensor)


def _item_bytes(item: Any) -> bytes:
    if isinstance(item, Tensor):
        return _tensor_bytes(item)
    if isinstance(item, np.ndarray):
        return f"{item.shape} {item.dtype}".encode() + np.ascontiguousarray(item).tobytes()
    if isinstance(item, (bytes, bytearray)):
        return bytes(item)
    if isinstance(item, (str, Path)) and len(str(item)) < 4096:
        return file_line(Path(item).expanduser(), str(item)).encode(errors="surrogatepass")
    if isinstance(item, Mapping):
        return b"".join(map(_item_bytes, item.values()))
    if isinstance(item, Sequence) and not isinstance(item, str):
        return b"".join(map(_item_bytes, item))
    plain = isinstance(item, (str, int, float, np.number))
    return repr(item).encode(errors="surrogatepass") if plain else type(item).__name__.encode()
