"""The view of a layer's filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from nnlens.kernels.weights import FilterStatistics
from nnlens.render.weights import filters_figure
from nnlens.session.session import Session
from nnlens.widgets.activations.layers import LayersPart, LayersTraits
from nnlens.widgets.base.options import FiltersOptions
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.view import View
from nnlens.widgets.weights.choice import WeightPart, WeightTraits

from .bank import BankPart, BankTraits
from .responses import ResponsesPart, ResponsesTraits


class FiltersWidget(View, WeightTraits, BankTraits, ResponsesTraits, LayersTraits):
    """The filters of a layer; choosing one chooses the unit. `.result` has their numbers, a `FilterStatistics`."""

    module: ClassVar = "filters"
    part_types: ClassVar = (WeightPart, BankPart, LayersPart, ResponsesPart)
    panes: ClassVar = ("bank", "filter", "kernels", "spectrum", "gratings", "expanded", "heads", "unit", "code")
    controls: ClassVar = ("weight", "sort", "scale", "channel", "number", "overlay", "open", "undo", "state", "code")
    option_type: ClassVar = FiltersOptions
    needs_scores: ClassVar = False
    needs_image: ClassVar = False
    opens_without_image: ClassVar = True

    def __init__(self, session: Session, layer: Any = None, image: Any = None, **options: Any):
        self._asked = layer
        super().__init__(session, image, **options)

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the layer that was asked for."""
        return {**options, "weight": self._asked}

    @property
    def result(self) -> FilterStatistics:
        """The numbers of the chosen weight's filters."""
        self.update(full=True)
        return self.part(BankPart).statistics

    def figure(self) -> Any:
        """The distributions of the chosen weight as a plotly figure."""
        return filters_figure(self.result)

    def baking_order(self) -> Sequence[Part]:
        """A weight changes with its layer and unit: the responses are those of the bank."""
        return [self.part(BankPart), self.part(ResponsesPart)]

    def title(self) -> str:
        """A short title: "features.0: Conv2d 3 → 64, 11 × 11"."""
        weight = self.part(WeightPart).current
        return f"{weight.name}: {weight.label}"

    def describe(self) -> str:
        """The view in words."""
        return f"nnlens: {self.part(BankPart).describe()}"
