"""Fitting the state of a saved page into its share of the output's budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnlens.export.bundle import packed_size

from .part import Part


def fitted(state: Mapping[str, Any], room: int, parts: Sequence[Part], words: Mapping[str, str]) -> dict[str, Any]:
    """The state with its largest values reduced until all fit into `room` bytes, and `note` stating which.

    The parts reduce their traits (`Part.smaller`), the largest first; `words` says of each trait what it holds.
    """
    result = dict(state)
    sizes = {name: packed_size(value) for name, value in state.items()}
    reduced: list[str] = []
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        while sum(sizes.values()) > room:
            smaller = [value for part in parts if (value := part.smaller(name, result[name])) is not None]
            if not smaller:
                break
            result[name], sizes[name] = smaller[0], packed_size(smaller[0])
            if words[name] not in reduced:
                reduced.append(words[name])
    if reduced:
        note = f"reduced to fit into this page: {', '.join(reduced)}"
        result["note"] = f"{state['note']}; {note}" if state["note"] else note
    return result
