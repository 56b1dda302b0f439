"""Outcomes of shards, handed on in the order of the shards, whatever order they arrive in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .shard import Shard
from .store import ShardStore
from .task import Outcome


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """What has arrived by now.

    Attributes
    ----------
    outcomes : tuple of Outcome
        Those that are next in the order of the shards: often none, sometimes several.
    done : int
        How many inputs the shards hold that have arrived.
    seconds, remaining : float
        How long it has taken, and about how long the rest will take; NaN where that is not known.
    """

    outcomes: tuple[Outcome, ...]
    done: int
    seconds: float
    remaining: float


def in_order(outcomes: Iterable[Outcome | None], shards: list[Shard], store: ShardStore) -> Iterator[Arrived]:
    """Each outcome as soon as all before it have come; what waits is not held in memory where it is stored."""
    total, done, computed, begin = sum(map(len, shards)), 0, 0, time.monotonic()
    order, waiting = deque(shards), dict[Shard, Outcome]()
    for outcome in outcomes:
        following: list[Outcome] = []
        if outcome is not None:
            done += len(outcome.shard)
            computed += 0 if outcome.known else len(outcome.shard)
            waits = outcome.stored and outcome.shard != order[0]
            waiting[outcome.shard] = replace(outcome, value=None) if waits else outcome
            while order and order[0] in waiting:
                following.append(_with_value(waiting.pop(order.popleft()), store))
        seconds, left = time.monotonic() - begin, total - done
        remaining = 0.0 if not left else seconds / computed * left if computed else float("nan")
        yield Arrived(outcomes=tuple(following), done=done, seconds=seconds, remaining=remaining)


def _with_value(outcome: Outcome, store: ShardStore) -> Outcome:
    if not outcome.stored or outcome.value is not None:
        return outcome
    value = store.load(outcome.shard)
    return replace(outcome, value=value, error="" if value is not None else "its stored result cannot be read")
