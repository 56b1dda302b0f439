"""The unit card: parts that each show one thing about the selected unit, brought up to date in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from typing import Any

import traitlets as t

from nnlens.geometry.axes import receptive_fields
from nnlens.render import unit_payloads
from nnlens.utils.errors import reason
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced


class CardTraits(t.HasTraits):
    """The traits of `CardPart`."""

    card = synced(t.Bool(False, help="whether the unit card is open"), state=True)
    receptive_fields = payload(unit_payloads.ReceptiveFields, "the pixels that the rows and columns of the maps see")


class UnitPart(Part):
    """A part of the card: it shows one thing about the selected unit, or its own error."""

    @property
    def is_open(self) -> bool:
        return bool(self.traits.card)

    @property
    def is_whole_view(self) -> bool:
        """Whether the view is nothing but the card, so that its picture shows it."""
        return self.view.card_is_open

    def show(self) -> None:
        """Bring its payload up to date."""

    def publish(self, name: str, made_of: Any, make: Callable[[], Mapping[str, Any]]) -> None:
        """Set a trait to what `make` gives, unless it is made of the same already."""
        if self.view.is_outdated(name, made_of):
            setattr(self.traits, name, self.made(make))

    def made(self, make: Callable[..., Mapping[str, Any]], *given: Any) -> dict[str, Any]:
        """What `make` gives for the selected unit, or its error."""
        about = {"layer": self.selection.layer, "unit": self.selection.unit}
        try:
            return {**about, **make(*given)}
        except Exception as error:
            return {**about, "error": reason(error)}


class CardPart(UnitPart):
    """Follows the selection while the card is open; what the rows and columns of the layer's maps see."""

    traits: CardTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._filling = threading.RLock()  # the worker and a cell must not fill the same part
        self.traits.card = bool(options.get("card", self.is_whole_view))

    def start(self) -> None:
        """The last of the card's parts to start: now it can be filled."""
        self.observe("card", self.follow)
        if self.traits.card:
            self.fill()

    def followed(self, change: Any) -> None:
        self.follow()

    def follow(self, change: Any = None) -> None:
        """The unit, or what is asked about it, has changed: update the card in the background."""
        if self.traits.card and not self.view.is_static:
            self.view.submit("card", self._steps)

    def fill(self) -> None:
        """Bring all parts up to date now."""
        self.view.update(full=True)
        with self._filling:
            for part in self._unit_parts():
                part.show()

    def complete(self) -> None:
        if self.traits.card:
            self.fill()

    def _unit_parts(self) -> list[UnitPart]:
        """The parts of the card, the quickest first."""
        return [self, *(part for part in self.view.parts if isinstance(part, UnitPart) and part is not self)]

    def _steps(self) -> Generator[None, None, None]:
        try:
            if self.view.update():
                return  # which started this again
        except Exception as error:
            self.view.show_error(error)
            return
        for part in self._unit_parts():
            with self._filling:
                part.show()
            yield

    def show(self) -> None:
        sample, layer = self.sample, self.selection.layer

        def make() -> Mapping[str, Any]:
            fields = receptive_fields(sample.recording, layer)
            return {} if fields is None else {"rows": fields[0].tolist(), "columns": fields[1].tolist()}

        self.publish("receptive_fields", (sample, layer), make)
