"""Names that somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(given: str, known: Iterable[str]) -> str:
    """ "; did you mean 'grad_cam'?" where a name is near to what was given, else ""."""
    found = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""
