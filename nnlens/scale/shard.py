"""A data set cut into shards: ranges of inputs that are worked on as one piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZE = 256  # inputs


@dataclass(frozen=True, order=True)
class Shard:
    """The inputs `start` to `stop` (not included) of a data set; `number` is the place among its shards."""

    number: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def shards_of(total: int, size: int = SIZE) -> list[Shard]:
    """The shards of a data set of `total` inputs, `size` inputs each, the last one perhaps fewer.

    They depend on the numbers alone, so that a data set to which inputs were added has the same shards as before, but
    for the last.
    """
    check_size(size)
    starts = range(0, total, size)
    return [Shard(number, start, min(total, start + size)) for number, start in enumerate(starts)]


def check_size(size: object) -> None:
    """Raise ValueError for what is no size of a shard."""
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise ValueError(f"shard_size must be a whole number of inputs, 1 or more, got {size!r}")
