"""Fitting the state of a saved page into its share of the output's budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnlens.export.bundle import packed_size
from nnlens.utils.language import _

from .part import Part


def fitted(state: Mapping[str, Any], room: int, parts: Sequence[Part]) -> dict[str, Any]:
    """The state with its largest values reduced until all fit into `room` bytes, and `note` stating which.

    The parts reduce their traits (`Part.smaller`), the largest first, and say what these hold (`Part.contents`).
    """
    result = dict(state)
    sizes = {name: packed_size(value) for name, value in state.items()}
    reduced: list[str] = []
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        while sum(sizes.values()) > room:
            smaller = [(part, value) for part in parts if (value := part.smaller(name, result[name])) is not None]
            if not smaller:
                break
            part, result[name] = smaller[0]
            sizes[name] = packed_size(result[name])
            if (words := part.contents(name)) not in reduced:
                reduced.append(words)
    if reduced:
        note = _("reduced to fit into this page: {contents}", contents=", ".join(reduced))
        result["note"] = f"{state['note']}; {note}" if state["note"] else note
    return result
