"""The layers of the pass, the mosaic of the selected one, and the selected unit's map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import traitlets as t

from nnlens.export.bundle import Response, within_budget
from nnlens.inputs.labels import short
from nnlens.kernels import Activations
from nnlens.render import Panel, layer_entries, mosaic_texture, payloads, smaller_unit_map, unit_texture
from nnlens.render.picture import color_map, mosaic_image
from nnlens.utils.language import _
from nnlens.widgets.base.options import one_of
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import synced

SORTS = ("index", "mean", "maximum", "zeros")


class LayersTraits(t.HasTraits):
    """The traits of `LayersPart`."""

    tree = synced(t.List(help="the operations of the pass; modules that never ran"), list[payloads.LayerEntry])
    mosaic = synced(t.Dict(help="all units of the layer"), payloads.Mosaic)
    unit_map = synced(t.Dict(help="the selected unit's map"), payloads.ShownUnitMap)
    sort = synced(t.Enum(SORTS, "index", help="the order of the tiles"), state=True)
    overlay = synced(t.Bool(False, help="the unit's map over the photograph"), state=True)


class LayersPart(Part):
    """Pick a layer, see all its units, choose one."""

    traits: LayersTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._layers_to_keep = options.get("layers")
        if isinstance(self._layers_to_keep, str):
            raise TypeError(f"layers must be a list of names, got {self._layers_to_keep!r}")
        for name in self._layers_to_keep or ():
            self.sample.recording.resolve(name)
        self.traits.sort = one_of(options.get("sort"), "sort", SORTS, "index")

    @property
    def activations(self) -> Activations:
        """The selected layer's."""
        return self.selection.activations

    def updates(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        selection, sample = self.selection, self.sample
        if self.view.is_outdated("tree", sample):
            around = sample.input.around
            # What lays the input out for the model is no layer of it.
            made["tree"] = layer_entries(sample.recording, 0 if around is None else around.as_image.operations)
        if self.view.is_outdated("mosaic", (sample, selection.layer, selection.grid)):
            layer = self.activations
            # One texture for all views that show the layer.
            made["mosaic"] = sample.cache.once("texture", layer.layer, layer.grid, make=lambda: mosaic_texture(layer))
        if self.view.is_outdated("unit_map", (sample, selection.layer, selection.unit, selection.grid)):
            named = short(sample.class_of(selection.layer, selection.unit))
            made["unit_map"] = {**unit_texture(self.activations, selection.unit), "class_name": named}
        return made

    def describe(self) -> str:
        layer = self.activations
        name = self.sample.class_of(self.selection.layer, self.selection.unit)
        words, zeros = layer.describe(self.selection.unit), f"{layer.sparsity:.0%}".rstrip("%")
        if name:
            words = _("{unit} (the class {name})", unit=words, name=short(name))
        return _(
            "Layer {layer} ({label}), {count} units, {share}% zeros; {unit}.",
            layer=layer.layer,
            label=layer.label,
            count=len(layer),
            share=zeros,
            unit=words,
        )

    def panels(self) -> list[Panel]:
        layer = self.activations
        zeros = f"{layer.sparsity:.0%}".rstrip("%")
        title = _("{layer} · {count} units · {share}% zeros", layer=layer.layer, count=len(layer), share=zeros)
        return [Panel(title=title, image=mosaic_image(layer)), self.unit_panel()]

    def unit_panel(self) -> Panel:
        """The selected unit's map."""
        layer, unit = self.activations, self.selection.unit
        if layer.minimum[unit] < 0:
            largest = max(abs(float(layer.minimum[unit])), abs(float(layer.maximum[unit])))
            limits = (-largest, largest)
        else:
            limits = (0.0, float(layer.maximum[unit]))
        return Panel(title=layer.describe(unit), image=color_map(layer.values[unit], *limits), legend=limits)

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        recording = self.sample.recording
        if self._layers_to_keep is None:
            maps = [op.name for op in recording if op.kind not in ("reshape", "dropout", "padding")]
            names = spread(maps, 40 if whole else 6)
        else:
            names = list(dict.fromkeys(map(recording.resolve, self._layers_to_keep)))
        stored = within_budget(self._layer_states(names), budget)
        if self._layers_to_keep is not None and (missing := sum(name not in stored for name in names)):
            self.view.note = _(
                "{missing} of the {count} layers asked for did not fit into this page",
                missing=missing,
                count=len(names),
            )
        return [Response(("layer",), stored)]

    def smaller(self, name: str, value: Any) -> Any:
        return smaller_unit_map(value) if name == "unit_map" else None

    def contents(self, name: str) -> str:
        return _("the selected unit's map")

    def _layer_states(self, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """What a page shows of the selected layer, and then of each of `names`."""
        sample, selection = self.sample, self.selection
        for name in dict.fromkeys([selection.layer, *names]):
            layer = selection.activations if name == selection.layer else sample.activations(name)
            unit = selection.unit if name == selection.layer else sample.default_unit(name)
            texture = mosaic_texture(layer, most_values=120_000, most_side=56)
            named = short(sample.class_of(name, unit))
            unit_map = {**unit_texture(layer, unit, most_values=60_000), "class_name": named}
            yield name, {"mosaic": texture, "unit": unit, "unit_map": unit_map, "position": None}


def spread(names: list[str], count: int) -> list[str]:
    """At most `count` names, evenly over the list, in an order that stays even when it is cut short."""
    if len(names) <= count:
        chosen = list(range(len(names)))
    else:
        chosen = sorted({round(index * (len(names) - 1) / (count - 1)) for index in range(count)})
    bits = max(1, (len(chosen) - 1).bit_length())
    reversed_bits = sorted(range(len(chosen)), key=lambda index: int(f"{index:0{bits}b}"[::-1], 2))
    return [names[chosen[index]] for index in reversed_bits]
