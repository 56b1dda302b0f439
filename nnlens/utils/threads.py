"""The threads that torch computes with on a CPU."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch

_HARD = 2  # omp_pause_hard
_process = os.getpid()


@cache
def _pause() -> Callable[[int], int] | None:
    """`omp_pause_resource_all` of the OpenMP library that torch uses; None unless that is GNU's."""
    if sys.platform != "linux":
        return None
    try:
        pause = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so")).omp_pause_resource_all
        maps = Path("/proc/self/maps").read_text().splitlines()
    except (OSError, AttributeError):
        return None
    address = ctypes.cast(pause, ctypes.c_void_p).value or 0
    for line in maps:
        start, _, end = line.partition(" ")[0].partition("-")
        if int(start, 16) <= address < int(end, 16):
            # In other libraries the function ends the threads of the whole process.
            return pause if "libgomp" in line else None
    return None


def end_own_threads() -> None:
    """End the threads that torch keeps for the next computation of the thread that calls this.

    With GNU's OpenMP, which PyPI's torch for Linux uses, each Python thread that computes has such threads of its own.
    Once there are more of them than processors, those that wait go to sleep at once, and waking them takes longer than
    many operations. On two cores, after another thread had computed something, passes took 1.3 to 2 times as long, and
    those of an LSTM 8 times. The next computation starts new threads, which takes a tenth of a millisecond.
    """
    pause = _pause()
    if pause is not None and os.getpid() == _process:  # after a fork there are none, and to wait for them never ends
        pause(_HARD)
