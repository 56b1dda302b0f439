"""What the parts of the card have in common: each shows one thing about the selected unit, and its own errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any, ClassVar

import traitlets as t

from ...kernels.layout import places_of
from ...kernels.receptive_field import map_fields
from ..activations import ActivationsWidget
from ..view import synced


class CardPart(ActivationsWidget):
    """A view with a card of the selected unit, which follows the selection while it is open."""

    needs_scores: ClassVar[bool] = True
    needs_image: ClassVar[bool] = True

    card = synced(t.Bool(False, help="whether the unit card is open"))
    fields = synced(t.Dict(help="the pixels that the rows and the columns of the layer's maps see: rows, columns"))

    def _card_shows(self) -> list[Callable[[], None]]:
        """What brings each part up to date, the quickest first."""
        return [self._show_fields]

    def _prepare(self, options: dict[str, Any]) -> None:
        super()._prepare(options)
        self._filling = threading.RLock()  # the worker and a cell must not fill the same part

    def _start(self) -> None:
        self.observe(self._follow_card, "card")
        super()._start()

    def _follow(self, change: Any = None) -> None:
        super()._follow(change)
        if self._ready:
            self._follow_card()

    def _follow_card(self, change: Any = None) -> None:
        """The unit or what is asked of it has changed: look at it again, in the background."""
        if self.card and not self._static:
            self._lens.worker.submit(self, "card", self._card_job)

    def _card_job(self) -> Generator[None, None, None]:
        try:
            if self._refresh():
                return  # which began this anew
        except Exception as error:
            self._show_error(error)
            return
        for show in self._card_shows():
            with self._filling:
                show()
            yield

    def fill_card(self) -> None:
        """Bring all parts up to date now."""
        self._refresh(full=True)
        with self._filling:
            for show in self._card_shows():
                show()

    def _publish(self, name: str, made_of: Any, make: Callable[[], dict[str, Any]]) -> None:
        """Set a trait to what `make` gives, unless it is made of the same already; an error stands in its place."""
        if self._stale(name, made_of):
            setattr(self, name, self._at_once(make))

    def _at_once(self, make: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
        """What `make` gives, or its error, as of the selected unit."""
        about = {"layer": self._selection.layer, "unit": self._selection.unit}
        try:
            return {**about, **make(*given)}
        except Exception as error:
            return {**about, "error": str(error) or type(error).__name__}

    def _show_fields(self) -> None:
        sample, layer = self._selection.sample, self._selection.layer

        def make() -> dict[str, Any]:
            recording = sample.recording
            found = map_fields(recording, layer, places_of(recording, recording.operation(layer))[0])
            if found is None:
                return {}
            return {"rows": found[0].tolist(), "columns": found[1].tolist()}

        self._publish("fields", (sample, layer), make)
