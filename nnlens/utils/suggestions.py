"""Suggestions for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(value: str, known: Iterable[str]) -> str:
    """The end of an error's text, "; did you mean 'grad_cam'?", if a known name is similar; otherwise empty."""
    result = difflib.get_close_matches(value, list(known), n=1, cutoff=0.6)
    return f"; did you mean {result[0]!r}?" if result else ""
