"""What was made once and is kept for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Kept:
    """Things by keys, made when first asked for; of each kind, the key's first part, the latest few are kept."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Any] = {}

    def once(self, *key: Any, make: Callable[[], Any], most: int = 8) -> Any:
        """What `make` gives, made once and kept while among the last `most` of its kind."""
        if key not in self._made:
            made = make()
            alike = [other for other in self._made if other[0] == key[0]]
            for other in alike[: len(alike) - most + 1]:
                self._made.pop(other, None)
            self._made[key] = made
        return self._made[key]
