"""What the unit is made of, and what it is used for."""

from __future__ import annotations

from collections.abc import Callable

import traitlets as t

from ...kernels import Connections, connections
from ...render import connections_payload
from ..view import synced
from .part import CardPart


class ConnectionsPart(CardPart):
    """The units below that feed the unit, by weight × activation, and those above that read it."""

    wiring = synced(t.Dict(help="the parts of the unit's value, and its readers, see render.connections_payload"))

    def _card_shows(self) -> list[Callable[[], None]]:
        return [*super()._card_shows(), self._show_wiring]

    def _show_wiring(self) -> None:
        selection = self._selection
        sample, layer, unit, place = selection.sample, selection.layer, selection.unit, selection.position
        # A grid that somebody chose for tokens has other positions than the wiring knows.
        place = None if selection.grid is not None else place
        self._publish("wiring", (sample, layer, unit, place), lambda: connections_payload(self._connections(place)))

    def _connections(self, place: tuple[int, int] | None) -> Connections:
        sample, layer, unit = self._selection.sample, self._selection.layer, self._selection.unit
        found: Connections = sample.once(
            "wiring",
            layer,
            unit,
            place,
            make=lambda: connections(sample.recording, sample.input.x, layer, unit, place=place),
            most=24,
        )
        return found
