"""The units that feed the unit, and those that read it."""

from __future__ import annotations

import traitlets as t

from nnlens.kernels import Connections, connections
from nnlens.render import connections_payload, payloads, unit_payloads
from nnlens.widgets.base.traits import payload

from .card import UnitPart


class ConnectionsTraits(t.HasTraits):
    """The traits of `ConnectionsPart`."""

    connections = payload(unit_payloads.ConnectionsPayload | payloads.Failed, "the unit's inputs and outputs")


class ConnectionsPart(UnitPart):
    """The units below that feed the unit, by weight × activation, and those above that read it."""

    traits: ConnectionsTraits

    @property
    def result(self) -> Connections:
        """At the selected position; the map's maximum where tokens are shown on a grid that the user chose."""
        sample, layer, unit = self.sample, self.selection.layer, self.selection.unit
        position = None if self.selection.grid is not None else self.selection.position
        result: Connections = sample.cache.once(
            "connections",
            layer,
            unit,
            position,
            make=lambda: connections(sample.recording, sample.input.x, layer, unit, position=position),
        )
        return result

    def show(self) -> None:
        selection = self.selection
        position = None if selection.grid is not None else selection.position
        made_of = selection.sample, selection.layer, selection.unit, position
        self.publish("connections", made_of, lambda: connections_payload(self.result))
