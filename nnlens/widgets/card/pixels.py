"""Back to the pixels, or to another layer from a unit that is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import traitlets as t

from ...kernels import BackProjection, back_projection
from ...kernels.back_projection import Rule
from ...kernels.layout import places_of
from ...render import back_projection_texture, signed_texture
from ..view import synced
from .part import CardPart

RULES = get_args(Rule)
STARTS = ("maximum", "map", "position")


class PixelsPart(CardPart):
    """What the unit's activation draws from each pixel, by four rules."""

    rule = synced(t.Enum(RULES, "gradient", help="what a rectifier does to the signal that comes back"))
    start = synced(t.Enum(STARTS, "maximum", help="what is followed back: the map's maximum, all of it, the position"))
    look = synced(t.Enum(("colour", "signed", "norm"), "colour", help="how the pixels are shown"))
    smooth = synced(t.Bool(False, help="whether they are shown under a Gaussian"))
    origin = synced(
        t.Dict(default_value=None, allow_none=True, help="the unit that is kept, layer and unit, while another is seen")
    )
    pixels = synced(t.Dict(help="what comes back, see render.back_projection_texture"))

    def _card_shows(self) -> list[Callable[[], None]]:
        return [*super()._card_shows(), self._show_pixels]

    def _start(self) -> None:
        self.observe(self._follow_card, ["rule", "start", "origin"])
        super()._start()

    def _follow(self, change: Any = None) -> None:
        # Who chooses a place wants to see what comes back from there.
        chosen = self._selection.position is not None
        if self.start == ("maximum" if chosen else "position"):
            self.start = "position" if chosen else "maximum"
        super()._follow(change)

    @t.validate("origin")
    def _check_origin(self, proposal: Any) -> dict[str, Any] | None:
        given = proposal["value"]
        if given is None:
            return None
        recording = self._selection.sample.recording
        try:
            layer, unit = recording.resolve(given["layer"]), int(given["unit"])
        except (KeyError, TypeError, ValueError) as error:
            raise t.TraitError(f"origin must have a layer and a unit, got {given!r}: {error}") from None
        units = len(self._selection.sample.activations(layer))
        if not 0 <= unit < units:
            raise t.TraitError(f"origin must have a unit 0…{units - 1} in layer {layer!r}, got {unit}")
        return {"layer": layer, "unit": unit}

    def _of(self, start: str) -> tuple[Any, ...]:
        """What is followed back."""
        if self.origin is not None:
            kept = self.origin["layer"], self.origin["unit"]
            return (*kept, "map") if start == "map" else kept
        unit = self._selection.layer, self._selection.unit
        if start == "map":
            return (*unit, "map")
        if start == "position" and self._selection.position is not None:
            return (*unit, self._selection.position)
        return unit

    @property
    def _at(self) -> str | None:
        """The layer at which it ends; None for the pixels."""
        kept = self.origin is not None and self.origin["layer"] != self._selection.layer
        return self._selection.layer if kept else None

    def _back(self, of: Any, rule: str, at: str | None = None) -> BackProjection:
        sample = self._selection.sample

        def make() -> BackProjection:
            return back_projection(
                self._lens.model,
                sample.input.x,
                of,
                rule=rule,  # type: ignore[arg-type]
                at=at,
                output=sample.scored(),
                recording=sample.recording,
                prepared=self._lens.prepared(sample),
            )

        found: BackProjection = sample.once("pixels", of, rule, at, make=make, most=24)
        return found

    def _show_pixels(self) -> None:
        rule, start = self.rule, self.start
        unit = self._selection.layer, self._selection.unit
        made_of = self._selection.sample, self._of(start), self._at, rule, start, unit
        self._publish("pixels", made_of, lambda: self._pixels_payload(rule, start))

    def _pixels_payload(self, rule: str, start: str) -> dict[str, Any]:
        of, at = self._of(start), self._at
        begin = {"rule": rule, "start": start, "at": at}
        if at is None:
            return {**begin, **back_projection_texture(self._back(of, rule))}
        sample, unit = self._selection.sample, self._selection.unit
        try:
            found = self._back(of, rule, at)
        except ValueError as error:
            if "at must be" not in str(error):
                raise
            raise ValueError(f"{of[0]} · {of[1]} is not computed from {at}: choose a layer before it") from error
        places = places_of(sample.recording, sample.recording.operation(at))
        maps = found.values.reshape(-1)[places]
        activations = sample.activations(at).values
        if activations.shape != maps.shape:  # tokens on a grid that somebody chose
            activations = sample.recording[at].detach().float().cpu().numpy().reshape(-1)[places]
        leaning = (maps * activations).sum((1, 2))
        best = np.argsort(-np.abs(leaning), kind="stable")[:8]
        return {
            **begin,
            **signed_texture(maps[unit][None]),
            "value": found.value,
            "words": f"{found.describe()}, at {at} · {unit}",
            "leaning": [[int(one), float(leaning[one])] for one in best],
        }
