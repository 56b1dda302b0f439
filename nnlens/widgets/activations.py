"""The layers of a pass, the mosaic of one layer's maps, one unit at large."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import traitlets as t

from ..export.bundle import Response, packed_size, within_budget
from ..kernels import Activations
from ..labels import short
from ..render import Panel, mosaic_texture, unit_texture
from ..render.picture import color_map, mosaic_image
from .view import View, built, synced

SORTS = ("index", "mean", "maximum", "zeros")


class ActivationsWidget(View):
    """Pick a layer, see all its units, choose one. `.result` is the layer's `Activations`."""

    _esm = built("activations.js")
    _css = built("nnlens.css")
    parts: ClassVar[tuple[str, ...]] = ("layers", "mosaic", "unit", "code")
    needs_scores: ClassVar[bool] = False
    needs_image: ClassVar[bool] = False
    controls: ClassVar[tuple[str, ...]] = ("filter", "sort", "scale", "number", "overlay", "code")
    options: ClassVar[tuple[str, ...]] = (*View.options, "sort", "layers")

    tree = synced(t.List(help="the operations of the pass: name, label, kind, shape; modules that never ran"))
    mosaic = synced(t.Dict(help="the layer's maps as 8-bit tiles, see render.mosaic_texture"))
    unit_map = synced(t.Dict(help="the selected unit's exact values, see render.unit_texture"))
    sort = synced(t.Enum(SORTS, "index", help="the order of the tiles"))
    overlay = synced(t.Bool(False, help="the unit's map over the photograph"))

    @property
    def result(self) -> Any:
        """The selected layer's maps and statistics."""
        self._refresh(full=True)
        return self._activations

    @property
    def _activations(self) -> Activations:
        return self._selection.activations

    def _prepare(self, options: dict[str, Any]) -> None:
        super()._prepare(options)
        self._layers_to_keep = options.get("layers")
        if isinstance(self._layers_to_keep, str):
            raise TypeError(f"layers must be a list of names, got {self._layers_to_keep!r}")
        for name in self._layers_to_keep or ():
            self._selection.sample.recording.resolve(name)
        sort = options.get("sort") or "index"
        if sort not in SORTS:
            raise ValueError(f"sort must be one of {', '.join(SORTS)}, got {sort!r}")
        self.sort = sort

    def _payloads(self) -> dict[str, Any]:
        made = super()._payloads()
        selection = self._selection
        sample = selection.sample
        if self._stale("tree", sample):
            made["tree"] = [
                {"name": op.name, "label": op.label, "kind": op.kind, "module": op.module, "shape": list(op.shape)}
                for op in sample.recording
            ] + [{"name": path, "silent": True} for path in sample.recording.silent]
        if self._stale("mosaic", (sample, selection.layer, selection.grid)):
            # One texture for all views that show the layer.
            layer = self._activations
            made["mosaic"] = sample.once("texture", layer.layer, layer.grid, make=lambda: mosaic_texture(layer))
        if self._stale("unit_map", (sample, selection.layer, selection.unit, selection.grid)):
            named = short(sample.class_of(selection.layer, selection.unit))
            made["unit_map"] = {**unit_texture(self._activations, selection.unit), "class": named}
        return made

    def describe(self) -> str:
        layer = self._activations
        return (
            f"{super().describe()} Layer {layer.layer} ({layer.label}), {len(layer)} units, "
            f"{layer.sparsity:.0%} zeros; {layer.describe(self._selection.unit)}{self._class_words()}."
        )

    def _class_words(self) -> str:
        name = self._selection.sample.class_of(self._selection.layer, self._selection.unit)
        return f" (the class {short(name)})" if name else ""

    def panels(self) -> list[Panel]:
        layer, unit = self._activations, self._selection.unit
        if layer.minimum[unit] < 0:
            largest = max(abs(float(layer.minimum[unit])), abs(float(layer.maximum[unit])))
            limits = (-largest, largest)
        else:
            limits = (0.0, float(layer.maximum[unit]))
        return [
            *super().panels(),
            Panel(f"{layer.layer} · {len(layer)} units · {layer.sparsity:.0%} zeros", mosaic_image(layer)),
            Panel(layer.describe(unit), color_map(layer.values[unit], *limits), legend=limits),
        ]

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        others = super().bake(budget, whole=whole)
        left = budget - sum(packed_size(one.table) for one in others)
        recording = self._selection.sample.recording
        if self._layers_to_keep is None:
            maps = [op.name for op in recording if op.kind not in ("reshape", "dropout", "padding")]
            names = _spread(maps, 40 if whole else 6)
        else:
            names = list(dict.fromkeys(map(recording.resolve, self._layers_to_keep)))
        kept = within_budget(self._layer_states(names), left)
        if self._layers_to_keep is not None and (missing := sum(name not in kept for name in names)):
            self.note = f"{missing} of the {len(names)} layers asked for did not fit into this page"
        return [*others, Response(("layer",), kept)]

    def _layer_states(self, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """What a page shows of the selected layer, and then of each of `names`."""
        sample, selection = self._selection.sample, self._selection
        for name in dict.fromkeys([selection.layer, *names]):
            layer = selection.activations if name == selection.layer else sample.activations(name)
            unit = selection.unit if name == selection.layer else sample.default_unit(name)
            texture = mosaic_texture(layer, most_values=120_000, most_side=56)
            yield name, {"mosaic": texture, "unit": unit, "unit_map": unit_texture(layer, unit), "position": None}


def _spread(names: list[str], count: int) -> list[str]:
    """At most `count` names, evenly over the list, in an order that stays even when cut short."""
    if len(names) <= count:
        chosen = list(range(len(names)))
    else:
        chosen = sorted({round(place * (len(names) - 1) / (count - 1)) for place in range(count)})
    bits = max(1, (len(chosen) - 1).bit_length())
    reversed_bits = sorted(range(len(chosen)), key=lambda place: int(f"{place:0{bits}b}"[::-1], 2))
    return [names[chosen[place]] for place in reversed_bits]
