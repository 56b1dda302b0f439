"""Giving memory back to the system: the C library keeps what was freed, which adds up to gigabytes."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

GROWN = 100 * 2**20  # bytes: less is not worth a pause
_PAGE = 4096
_before = 0  # bytes in use after memory was last given back


@cache
def _trim() -> Callable[[int], int] | None:
    """`malloc_trim` of the GNU C library; None where there is another one."""
    if sys.platform != "linux":
        return None
    try:
        found: Callable[[int], int] = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return None
    return found


def resident() -> int:
    """The memory of this process, in bytes; 0 where that is not known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def give_back_memory(release: Callable[[], None] = lambda: None) -> bool:
    """Collect cycles and give free memory back to the system, where much was taken since the last time; whether it was.

    It takes some tenths of a second, in which nothing else runs. `release` is called first, for what libraries keep for
    their next use.
    """
    global _before
    trim = _trim()
    if trim is None or resident() < _before + GROWN:
        return False
    release()
    gc.collect()
    trim(0)
    _before = resident()
    return True


@contextmanager
def without_collection() -> Iterator[None]:
    """Within the block Python does not look for cycles to free: in a notebook that may take a tenth of a second."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
