"""The cells of a layer over a text as payloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nnlens.kernels import Activations
from nnlens.kernels.text import CellRanking, Cells, best_by_chance
from nnlens.render.textures import quantise
from nnlens.utils.language import _, number

from . import payloads
from .tokens import utf16_places


def cells_payload(layer: Activations, *, most_values: int = 6_000_000) -> payloads.CellValues:
    """All cells as 8-bit codes; of more than `most_values`, several tokens make one column."""
    values = layer.values[:, 0]
    cells, tokens = values.shape
    step = max(1, -(-cells * tokens // most_values))
    columns = -(-tokens // step)
    if step > 1:
        parts = np.pad(values, ((0, 0), (0, columns * step - tokens)), mode="edge").reshape(cells, columns, step)
        high, low = parts.max(2), parts.min(2)
        values = np.where(high >= -low, high, low)
    return {
        "layer": layer.layer,
        "label": layer.label,
        "kind": layer.kind,
        "cells": cells,
        "tokens": tokens,
        "step": step,
        "columns": columns,
        "low": layer.minimum.tobytes(),
        "high": layer.maximum.tobytes(),
        "data": quantise(values[:, None], layer.minimum, layer.maximum).tobytes(),
    }


def trace_payload(layer: Activations, unit: int, words: str = "") -> payloads.CellTrace:
    """The values of one cell."""
    values = np.ascontiguousarray(layer.values[unit, 0], np.float32)
    return {"layer": layer.layer, "unit": unit, "data": values.tobytes(), "words": words}


def context_payload(
    text: str, spans: Sequence[tuple[int, int]], values: np.ndarray, value: float, place: int
) -> payloads.Context:
    """A part of a long text from its first span to the last, with the values of a cell."""
    first, end = (spans[0][0], spans[-1][1]) if spans else (0, 0)
    places = utf16_places(text[first:end])
    return {
        "group": "top",
        "text": text[first:end],
        "starts": places[[start - first for start, _end in spans]].tobytes(),
        "ends": places[[stop - first for _start, stop in spans]].tobytes(),
        "data": values.tobytes(),
        "value": value,
        "place": place,
    }


def gates_payload(gates: Mapping[str, Cells]) -> list[payloads.Gate]:
    """How often the gates of a layer are closed and open, by what they are called."""
    made: list[payloads.Gate] = []
    for name, gate in gates.items():
        closed, open_ = gate.saturation()
        made.append(
            {
                "name": name,
                "layer": gate.layer,
                "closed": closed.astype(np.float32).tobytes(),
                "open": open_.astype(np.float32).tobytes(),
            }
        )
    return made


def found_payload(
    wanted: str, rankings: Mapping[str, CellRanking], *, done: float, most: int = 24
) -> payloads.CellsFound:
    """The best cells of several layers by the half of the text that chooses, with what chance reaches."""
    chance = best_by_chance(list(rankings.values()))
    every = [
        (float(ranking.chosen[cell]), layer, int(cell))
        for layer, ranking in rankings.items()
        for cell in ranking.order[:most]
    ]
    rows: list[payloads.RankedCell] = []
    for chosen, layer, cell in sorted(every, key=lambda one: -one[0])[:most]:
        ranking = rankings[layer]
        rows.append(
            {
                "layer": layer,
                "unit": cell,
                "chosen": chosen,
                "held_out": float(ranking.held_out[cell]),
                "sign": int(ranking.sign[cell]),
                "beats_chance": bool(ranking.held_out[cell] > chance),
            }
        )
    measure: str = next(iter(rankings.values())).measure
    best = rows[0]
    values = {
        "count": sum(map(len, rankings.values())),
        "cell": best["unit"],
        "layer": best["layer"],
        "measure": _("AUC") if measure == "AUC" else _("correlation"),
        "value": number(f"{best['held_out']:.2f}"),
        "chance": number(f"{chance:.2f}"),
    }
    words = _(
        "of {count} cells, one half of the text chose cell {cell} of {layer}: {measure} {value} on the other half, "
        "where shuffled properties reach {chance}",
        **values,
    )
    if not best["beats_chance"]:
        words += _("; that is no better than chance")
    return {
        "wanted": wanted,
        "measure": "AUC" if measure == "AUC" else "correlation",
        "rows": rows,
        "chance": None if np.isnan(chance) else chance,
        "done": done,
        "words": words,
        "problem": "",
    }


def not_found(wanted: str, problem: str) -> payloads.CellsFound:
    """Why no cells could be ranked."""
    return {
        "wanted": wanted,
        "measure": "AUC",
        "rows": [],
        "chance": None,
        "done": 1.0,
        "words": "",
        "problem": problem,
    }
