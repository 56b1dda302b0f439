"""The view of a layer's replacements."""

from __future__ import annotations

from typing import Any, ClassVar

from nnlens.kernels.weights import Sweep
from nnlens.render import Panel
from nnlens.render.weights import sweep_figure
from nnlens.session.session import Session
from nnlens.widgets.base.options import ReplacementsOptions
from nnlens.widgets.base.view import View
from nnlens.widgets.weights.choice import WeightPart, WeightTraits

from .picture import sweep_image
from .sweep import SweepPart, SweepTraits


class ReplacementsWidget(View, WeightTraits, SweepTraits):
    """Would something simpler do? `.result` has the replacements with their models, a `Sweep`."""

    module: ClassVar = "replacements"
    part_types: ClassVar = (WeightPart, SweepPart)
    panes: ClassVar = ("chart", "results", "code")
    controls: ClassVar = ("weight", "loss", "undo", "state", "code")
    option_type: ClassVar = ReplacementsOptions
    needs_scores: ClassVar = False
    needs_image: ClassVar = False
    opens_without_image: ClassVar = True

    def __init__(self, session: Session, layer: Any, data: Any, **options: Any):
        if layer is None:
            raise TypeError("layer must be a module or its name, got None")
        self._asked = {"weight": layer, "data": data}
        super().__init__(session, None, **options)

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the layer and the data set."""
        return {**options, **self._asked}

    @property
    def result(self) -> Sweep:
        """All replacements; what is missing of them is tried now."""
        self.update(full=True)
        return self.part(SweepPart).finish()

    def figure(self) -> Any:
        """Accuracy against cost as a plotly figure."""
        return sweep_figure(self.result)

    def title(self) -> str:
        """A short title."""
        return f"replacements of {self.weight}"

    def describe(self) -> str:
        """The view in words."""
        return f"nnlens: {self.part(SweepPart).describe()}"

    def panels(self) -> list[Panel]:
        """The chart."""
        return [] if self.sweep is None else [Panel(title=self.title(), image=sweep_image(self.sweep))]
