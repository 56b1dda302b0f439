"""Work in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

Result = TypeVar("Result")


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that the device or the host ran out of memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def in_batches(count: int, run: Callable[[int, int], Result], *, size: int) -> Iterator[tuple[int, int, Result]]:
    """Call `run(start, stop)` over `range(count)` in batches of `size`; halve the batch where memory runs out.

    Yields `(start, stop, result)` in order. The last error is raised if a batch of one does not fit.
    """
    start = 0
    while start < count:
        stop = min(count, start + size)
        try:
            result = run(start, stop)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or stop - start == 1:
                raise
            size = max(1, (stop - start) // 2)
            continue
        yield start, stop, result
        start = stop
