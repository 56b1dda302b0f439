"""The explorer: a photograph and a network; all panes share one selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import traitlets as t

from nnlens.widgets.activations.layers import LayersPart, LayersTraits
from nnlens.widgets.activations.view import ActivationsWidget
from nnlens.widgets.base.options import ExploreOptions
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import synced
from nnlens.widgets.base.view import View, built
from nnlens.widgets.card.parts import CARD_PANES, CARD_PARTS, UnitCardTraits
from nnlens.widgets.card.result import UnitCard, unit_card
from nnlens.widgets.inputs.parts import INPUT_PARTS, InputRowTraits
from nnlens.widgets.occlusion.experiment import ExperimentPart, ExperimentTraits
from nnlens.widgets.occlusion.live import LivePart, LiveTraits
from nnlens.widgets.occlusion.mask import MaskPart, MaskTraits
from nnlens.widgets.occlusion.view import OcclusionWidget

from .result import Exploration


class CardModuleTraits(t.HasTraits):
    """The traits of `CardModulePart`."""

    card_module = synced(t.Unicode("", help="the card's JavaScript, once it is open"))


class CardModulePart(Part):
    """Sends the card's JavaScript when it is opened for the first time: the explorer starts without it."""

    def prepare(self, options: Any) -> None:
        self.observe("card", self._open)

    def _open(self, change: Any) -> None:
        if self.traits.card and not self.traits.card_module:
            self.traits.card_module = built("unit.js")


class Explorer(
    View,
    InputRowTraits,
    ExperimentTraits,
    LiveTraits,
    MaskTraits,
    LayersTraits,
    UnitCardTraits,
    CardModuleTraits,
):
    """A photograph and a network; all panes share one selection. `.result` has the numbers of all of them."""

    module: ClassVar = "explorer"
    part_types: ClassVar = (
        *INPUT_PARTS,
        ExperimentPart,
        LivePart,
        MaskPart,
        LayersPart,
        CardModulePart,
        *CARD_PARTS,
    )
    panes: ClassVar = (
        *("inputs", "photo", "bars", "size_curve", "occlusion_map", "fill", "layers", "mosaic", "unit"),
        *CARD_PANES,
        "code",
    )
    controls: ClassVar = (*OcclusionWidget.controls, *ActivationsWidget.controls[:-1], "card")
    option_type: ClassVar = ExploreOptions

    @property
    def result(self) -> Exploration:
        """The selection with its layer's activations and its occlusion map (waits until the map is there)."""
        self.update(full=True)  # everything below is of one state of the model
        selection = self.selection
        sample, target = selection.sample, selection.target
        return Exploration(
            image=selection.image,
            target=target,
            label=selection.label,
            probability=float(sample.probabilities[target]),
            logit=float(sample.odds()[target]),
            layer=selection.layer,
            unit=selection.unit,
            activations=selection.activations,
            occlusion=self.part(ExperimentPart).result,
        )

    def unit_card(self) -> UnitCard:
        """The numbers of the unit card; what is missing of them is computed."""
        return unit_card(self)

    def baking_order(self) -> Sequence[Part]:
        """An open card first, then the maps; other layers take what is left of the page."""
        first = len(self.parts) - len(CARD_PARTS)
        return [*self.parts[first:], *self.parts[:first]]
