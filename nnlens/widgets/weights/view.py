"""The view of all weights' statistics."""

from __future__ import annotations

from typing import Any, ClassVar

from nnlens.render import Panel
from nnlens.session.session import Session
from nnlens.widgets.base.options import WeightsOptions
from nnlens.widgets.base.view import View

from .choice import WeightPart, WeightTraits
from .picture import row_panels
from .result import WeightsTable
from .rows import RowsPart, RowsTraits


class WeightsWidget(View, WeightTraits, RowsTraits):
    """A row for each layer's weights, beside a reference. `.result` has the numbers, a `WeightsTable`."""

    module: ClassVar = "weights"
    part_types: ClassVar = (WeightPart, RowsPart)
    panes: ClassVar = ("table", "charts", "findings", "code")
    controls: ClassVar = ("against", "order", "undo", "state", "code")
    option_type: ClassVar = WeightsOptions
    needs_scores: ClassVar = False
    needs_image: ClassVar = False
    opens_without_image: ClassVar = True

    def __init__(self, session: Session, against: Any = None, **options: Any):
        self._against = against
        super().__init__(session, None, **options)

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with what the weights are compared with."""
        return {**options, "against": self._against}

    @property
    def result(self) -> WeightsTable:
        """The statistics of all layers; what is missing of them is computed."""
        self.update(full=True)
        rows = self.part(RowsPart)
        rows.finish()
        return WeightsTable(tuple(rows.comparisons.values()))

    def figure(self) -> Any:
        """The numbers of all layers as a plotly figure."""
        return self.result.figure()

    def title(self) -> str:
        """A short title."""
        return f"weights of {type(self.session.model).__name__}"

    def describe(self) -> str:
        """The view in words."""
        return f"nnlens: {self.part(RowsPart).describe()}"

    def panels(self) -> list[Panel]:
        """The chosen layer's charts."""
        comparison = self.part(RowsPart).comparisons.get(self.weight)
        return [] if comparison is None else row_panels(comparison)
