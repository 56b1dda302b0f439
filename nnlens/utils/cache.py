"""The one cache of nnlens: results by kind and key, of each kind the latest few."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any


class Cache:
    """Results by kind and key. Of each kind the most recently used ones are kept, up to the kind's limit.

    Two threads that ask for the same result at once may both compute it; one of the two is kept.

    Parameters
    ----------
    **limits : int
        How many results of a kind are kept; 8 for a kind that is not named.
    """

    DEFAULT_LIMIT = 8

    def __init__(self, **limits: int) -> None:
        self._limits = limits
        self._kinds: dict[str, OrderedDict[tuple[Any, ...], Any]] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, int]:
        return self._limits  # a copy starts empty: what is kept may be large, and can be computed again

    def __setstate__(self, limits: dict[str, int]) -> None:
        self.__init__(**limits)  # type: ignore[misc]

    def get(self, kind: str, *key: Any) -> Any:
        """The result, or None."""
        with self._lock:
            results = self._kinds.get(kind)
            if results is None or key not in results:
                return None
            results.move_to_end(key)
            return results[key]

    def put(self, kind: str, *key: Any, value: Any) -> None:
        """Keep `value`, and drop the least recently used results beyond the limit."""
        with self._lock:
            results = self._kinds.setdefault(kind, OrderedDict())
            results[key] = value
            results.move_to_end(key)
            while len(results) > self._limits.get(kind, self.DEFAULT_LIMIT):
                results.popitem(last=False)

    def drop(self, kind: str, *key: Any) -> None:
        """Forget a result; nothing happens where there is none."""
        with self._lock:
            self._kinds.get(kind, OrderedDict()).pop(key, None)

    def once(self, kind: str, *key: Any, make: Callable[[], Any]) -> Any:
        """The result, computed by `make` unless it is kept."""
        with self._lock:
            results = self._kinds.get(kind)
            if results is not None and key in results:
                results.move_to_end(key)
                return results[key]
        made = make()
        with self._lock:
            if (results := self._kinds.get(kind)) is not None and key in results:
                return results[key]
        self.put(kind, *key, value=made)
        return made

    def of_kind(self, kind: str) -> dict[tuple[Any, ...], Any]:
        """All results of a kind by their keys, the least recently used first."""
        with self._lock:
            return dict(self._kinds.get(kind, {}))
