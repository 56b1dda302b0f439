"""The back-projection of the unit to the pixels; or, for a unit that is kept, to the selected layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import traitlets as t

from nnlens.export.bundle import Response, within_budget
from nnlens.kernels import BackProjection, back_projection
from nnlens.kernels.units.back_projection import Rule, UnreachableLayerError
from nnlens.render import (
    Panel,
    back_projection_texture,
    colours_of,
    payloads,
    signed_texture,
    smaller_texture,
    unit_payloads,
)
from nnlens.utils.language import _
from nnlens.widgets.base.options import one_of
from nnlens.widgets.base.traits import SelectionTraits, payload, synced

from .card import CardPart, UnitPart

RULES = get_args(Rule)
STARTS = ("maximum", "map", "position")
STRONGEST = 8  # units of the layer in between that are listed


class BackProjectionTraits(SelectionTraits):
    """The traits of `BackProjectionPart`."""

    rule = synced(t.Enum(RULES, "gradient", help="what a rectifier does to the signal on its way back"), state=True)
    start = synced(
        t.Enum(STARTS, "maximum", help="what is projected back: the map's maximum, all of it, the position"), state=True
    )
    back_projection_display = synced(
        t.Enum(("colour", "signed", "norm"), "colour", help="how the pixels are shown"), state=True
    )
    smooth = synced(t.Bool(False, help="whether they are shown under a Gaussian"), state=True)
    origin = payload(unit_payloads.Origin, "a unit that is kept while another one is selected", state=True)
    back_projection = payload(
        unit_payloads.BackProjectionPayload | payloads.Failed, "the pixels, or the selected layer"
    )

    @t.validate("origin")
    def _check_origin(self, proposal: Any) -> dict[str, Any] | None:
        origin = proposal["value"]
        if origin is None:
            return None
        sample = self.selection.sample
        try:
            layer, unit = sample.recording.resolve(origin["layer"]), int(origin["unit"])
        except (KeyError, TypeError, ValueError) as error:
            raise t.TraitError(f"origin must have a layer and a unit, got {origin!r}: {error}") from None
        units = len(sample.activations(layer))
        if not 0 <= unit < units:
            raise t.TraitError(f"origin must have a unit 0…{units - 1} in layer {layer!r}, got {unit}")
        return {"layer": layer, "unit": unit}


class BackProjectionPart(UnitPart):
    """How the unit's activation depends on each pixel, by four rules."""

    traits: BackProjectionTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self.traits.rule = one_of(options.get("rule"), "rule", RULES, "gradient")
        if options.get("position") is not None:
            self.selection.position = options["position"]
            self.traits.start = "position"

    def start(self) -> None:
        self.observe(["rule", "start", "origin"], self.view.part(CardPart).follow)

    def updates(self) -> dict[str, Any]:
        # A user who chooses a position wants to see the back-projection from there.
        chosen = self.selection.position is not None
        if self.traits.start == ("maximum" if chosen else "position"):
            return {"start": "position" if chosen else "maximum"}
        return {}

    @property
    def result(self) -> BackProjection:
        """What is shown now."""
        return self._computed(self._projected(self.traits.start), self.traits.rule, self._at)

    def _projected(self, start: str) -> tuple[Any, ...]:
        """What is projected back: `of` in `kernels.back_projection`."""
        if self.traits.origin is not None:
            stored = self.traits.origin["layer"], self.traits.origin["unit"]
            return (*stored, "map") if start == "map" else stored
        unit = self.selection.layer, self.selection.unit
        if start == "map":
            return (*unit, "map")
        if start == "position" and self.selection.position is not None:
            return (*unit, self.selection.position)
        return unit

    @property
    def _at(self) -> str | None:
        """The layer at which it ends; None for the pixels."""
        stored = self.traits.origin is not None and self.traits.origin["layer"] != self.selection.layer
        return self.selection.layer if stored else None

    def _computed(self, of: Any, rule: Rule, at: str | None = None) -> BackProjection:
        sample = self.sample

        def make() -> BackProjection:
            return back_projection(
                sample.model,
                sample.input.x,
                of,
                rule=rule,
                at=at,
                output=sample.scored(),
                recording=sample.recording,
                prepared=self.session.prepared(sample),
            )

        result: BackProjection = sample.cache.once("back-projection", of, rule, at, make=make)
        return result

    def show(self) -> None:
        rule, start = self.traits.rule, self.traits.start
        unit = self.selection.layer, self.selection.unit
        made_of = self.sample, self._projected(start), self._at, rule, start, unit
        self.publish("back_projection", made_of, lambda: self._payload(rule, start))

    def _payload(self, rule: Rule, start: str) -> dict[str, Any]:
        of, at = self._projected(start), self._at
        about = {"rule": rule, "start": start, "at": at}
        if at is None:
            return {**about, **back_projection_texture(self._computed(of, rule))}
        try:
            projection = self._computed(of, rule, at)
        except UnreachableLayerError as error:
            raise ValueError(f"{of[0]} · {of[1]} is not computed from {at}: choose a layer before it") from error
        maps, contributions = projection.per_unit(self.sample.recording)
        strongest = abs(contributions).argsort(kind="stable")[::-1][:STRONGEST]
        unit = self.selection.unit
        return {
            **about,
            **signed_texture(maps[unit][None]),
            "value": projection.value,
            "position": projection.position,
            "words": _("{words}, at {layer} · {unit}", words=projection.describe(), layer=at, unit=unit),
            "leaning": [(int(index), float(contributions[index])) for index in strongest],
        }

    def smaller(self, name: str, value: Any) -> Any:
        return smaller_texture(value) if name == "back_projection" else None

    def contents(self, name: str) -> str:
        return _("the pixels, or the selected layer")

    def describe(self) -> str:
        return f"{self.result.describe()}." if self.is_whole_view else ""

    def panels(self) -> list[Panel]:
        if self._at is not None or not self.is_whole_view:
            return []
        projection = self.result
        return [Panel(title=projection.describe(), image=colours_of(projection.values))]

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """As it is shown now, and `whole` also by the other rules and from the other starts."""
        if not self.is_open:
            return []
        traits = self.traits
        starts = [start for start in STARTS if start != "position" or self.selection.position is not None]
        asked = [(traits.rule, traits.start)]
        if whole:
            asked += [(rule, start) for start in dict.fromkeys([traits.start, *starts]) for rule in RULES]
        states = (
            (f"{rule}|{start}", {"back_projection": self.made(self._payload, rule, start)})
            for rule, start in dict.fromkeys(asked)
        )
        return [Response(("rule", "start"), within_budget(states, budget * 2 // 5))]
