"""The cells of the selected layer: all of them over the tokens, and the chosen one exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import traitlets as t

from nnlens.export.bundle import Response, within_budget
from nnlens.kernels import Activations
from nnlens.kernels.text import Cells, cell_layers, cells
from nnlens.render import Panel, layer_entries
from nnlens.render import payloads as shared
from nnlens.render.text import (
    cells_payload,
    cells_picture,
    gates_payload,
    payloads,
    text_picture,
    trace_payload,
)
from nnlens.utils.language import _
from nnlens.widgets.base.options import one_of
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.text import TextPart
from nnlens.widgets.base.traits import payload, synced

ORDERS = ("index", "variation", "similarity", "found")
_PAGE = 400_000  # values of a layer in a page


class CellsTraits(t.HasTraits):
    """The traits of `CellsPart`."""

    tree = synced(t.List(help="the layers with a value for each token"), list[shared.LayerEntry])
    cells = payload(payloads.CellValues, "all cells of the layer")
    trace = payload(payloads.CellTrace, "the chosen cell")
    gates = synced(t.List(help="the gates of the recurrent layer that the cells belong to"), list[payloads.Gate])
    cell_order = synced(t.Enum(ORDERS, "index", help="the order of the cells"), state=True)


class CellsPart(Part):
    """Pick a layer, see its cells over the text, choose one."""

    traits: CellsTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self.traits.cell_order = one_of(options.get("order"), "order", ORDERS, "index")
        self._last = ""
        if options.get("layer") is not None:
            self._check()
        elif not self.names:
            raise ValueError("the model must have a layer with a value for each token of the text, found none")

    @property
    def names(self) -> tuple[str, ...]:
        """The layers with a value for each token."""
        encoded = self.view.part(TextPart).encoded
        found: tuple[str, ...] = self.sample.cache.once(
            "cell layers", make=lambda: cell_layers(self.sample.recording, encoded)
        )
        return found

    def _check(self) -> None:
        if self.selection.layer not in self.names:
            layers = ", ".join(self.names[:8])
            raise ValueError(f"layer must have a value for each token, got {self.selection.layer!r}; {layers} have")

    @property
    def layer(self) -> Activations:
        """The selected layer's values; those of the layer before where other views have chosen one without tokens."""
        if self.selection.layer in self.names:
            self._last = self.selection.layer
        return self.sample.activations(self._last if self._last in self.names else self.names[-1])

    @property
    def unit(self) -> int:
        """The chosen cell."""
        here = self.selection.layer in self.names
        return self.selection.unit if here else self.sample.default_unit(self.layer.layer)

    def result(self) -> Cells:
        """The cells of the selected layer."""
        return cells(self.sample.recording, self.view.part(TextPart).encoded, self.layer.layer)

    def updates(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        layer, unit = self.layer, self.unit
        if self.view.is_outdated("tree", self.sample):
            names = set(self.names)
            made["tree"] = [entry for entry in layer_entries(self.sample.recording) if entry["name"] in names]
        if self.view.is_outdated("cells", (self.sample, layer.layer)):
            made["cells"] = cells_payload(layer)
            made["gates"] = self._gates(layer.layer)
        if self.view.is_outdated("trace", (self.sample, layer.layer, unit)):
            made["trace"] = trace_payload(layer, unit, self.result().describe(unit))
        return made

    def _gates(self, layer: str) -> list[payloads.Gate]:
        """The gates beside the layer: those of the same direction of the same recurrent layer."""
        stem, place = _split(layer)
        found = {}
        for name in self.names:
            operation = self.sample.recording.operation(name)
            kind = name[len(stem) : len(name) - len(place)] if _split(name) == (stem, place) else ""
            if operation.kind == "gate" and place and kind in ("input_gate", "forget_gate", "output_gate", *_GRU):
                found[_GATES[kind]] = cells(self.sample.recording, self.view.part(TextPart).encoded, name)
        return gates_payload(found)

    def describe(self) -> str:
        return _("layer {layer}, {cell}", layer=self.layer.layer, cell=self.result().describe(self.unit))

    def panels(self) -> list[Panel]:
        layer, unit = self.layer, self.unit
        largest = float(np.abs(layer.values[unit]).max()) or 1.0
        text = self.view.part(TextPart).encoded
        return [
            Panel(
                title=_("cell {cell} of {layer}", cell=unit, layer=layer.layer),
                image=text_picture(text, layer.values[unit, 0], largest),
                legend=(-largest, largest),
            ),
            Panel(title=_("{count} cells over the text", count=len(layer)), image=cells_picture(layer)),
        ]

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        kinds = ("state", "gate") if any(self._kind(name) == "state" for name in self.names) else ("activation",)
        others = [name for name in self.names if self._kind(name) in kinds or self._kind(name) == "arithmetic"]
        others.sort(key=lambda name: self._kind(name) != "state")  # what fits first: states, then gates
        names = dict.fromkeys([self.layer.layer, *(others if whole else others[:2])])
        return [Response(("layer",), within_budget(self._layers(list(names)), budget))]

    def _kind(self, name: str) -> str:
        return self.sample.recording.operation(name).kind

    def _layers(self, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in names:
            layer = self.sample.activations(name)
            unit = self.unit if name == self.layer.layer else self.sample.default_unit(name)
            words = cells(self.sample.recording, self.view.part(TextPart).encoded, name).describe(unit)
            yield (
                name,
                {
                    "cells": cells_payload(layer, most_values=_PAGE),
                    "trace": trace_payload(layer, unit, words),
                    "gates": self._gates(name),
                    "unit": unit,
                    "position": None,
                },
            )

    def smaller(self, name: str, value: Any) -> Any:
        if name != "cells" or value is None or value["cells"] * value["columns"] < _PAGE // 8:
            return None
        return cells_payload(self.layer, most_values=value["cells"] * value["columns"] // 2)

    def contents(self, name: str) -> str:
        return _("the cells over the text")


_GRU = ("reset_gate", "update_gate")
_GATES = {
    "input_gate": "input",
    "forget_gate": "forget",
    "output_gate": "output",
    "reset_gate": "reset",
    "update_gate": "update",
}


def _split(name: str) -> tuple[str, str]:
    """The module and the layer with its direction in the name of a state or gate: "rnn.", "_l0"."""
    stem, _dot, last = name.rpartition(".")
    head, _mark, place = last.rpartition("_l")
    return (f"{stem}." if stem else "", f"_l{place}" if head else "")
