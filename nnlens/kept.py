"""What was made once and is kept for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Kept:
    """Things by keys, made when first asked for; of each kind, the key's first part, the latest few are kept.

    Two threads that ask at once may both make a thing; one of them is kept.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.Lock()

    def once(self, *key: Any, make: Callable[[], Any], most: int = 8) -> Any:
        """What `make` gives, made once and kept while among the last `most` of its kind."""
        with self._lock:
            if key in self._made:
                return self._made[key]
        made = make()
        with self._lock:
            alike = [other for other in self._made if other[0] == key[0]]
            for other in alike[: max(0, len(alike) - most + 1)]:
                del self._made[other]
            return self._made.setdefault(key, made)
