"""The best images of a data set, unit by unit, while it is being looked through."""

from __future__ import annotations

from typing import Any, ClassVar

from ..export.bundle import Response, packed_size
from ..render import Panel
from .card import ExamplesPart
from .card.examples import contact_sheet
from .view import View, built


class ExamplesWidget(ExamplesPart):
    """The examples of one unit at a time. `.result` is what was found so far, a `DatasetExamples`."""

    _esm = built("examples.js")
    _css = built("nnlens.css")
    parts: ClassVar[tuple[str, ...]] = ("layers", "examples", "code")
    options: ClassVar[tuple[str, ...]] = (*View.options, "layers")

    @property
    def result(self) -> Any:
        """What was found so far, by layer: all of it once `.wait()` has returned."""
        return self._lens.collection.found

    def _prepare(self, options: dict[str, Any]) -> None:
        super()._prepare(options)
        self.card = True

    def _start(self) -> None:
        super()._start()
        if self._static:
            self._lens.collection.finish()
        self.fill_card()

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        mine = self.baked_kinds(budget * 3 // 5, whole=whole)
        return [mine, *super().bake(budget - packed_size(mine.table), whole=whole)]

    def panels(self) -> list[Panel]:
        title = f"{self._selection.layer} · {self._selection.unit}: {self.kind} examples"
        return [Panel(title, contact_sheet(self.examples.get("items", [])))]
