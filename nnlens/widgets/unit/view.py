"""The view of one unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from nnlens.render import Panel
from nnlens.widgets.activations.layers import LayersPart, LayersTraits
from nnlens.widgets.base.options import UnitOptions
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.view import View
from nnlens.widgets.card.parts import CARD_PANES, CARD_PARTS, UnitCardTraits
from nnlens.widgets.card.result import UnitCard, unit_card
from nnlens.widgets.inputs.parts import SHOWN_PARTS, InputRowTraits


class UnitWidget(View, InputRowTraits, LayersTraits, UnitCardTraits):
    """The card of one unit. `.result` has its numbers, a `UnitCard`."""

    module: ClassVar = "unit"
    part_types: ClassVar = (*SHOWN_PARTS, LayersPart, *CARD_PARTS)
    panes: ClassVar = ("inputs", "input", "bars", "layers", "unit", *CARD_PANES, "code")
    option_type: ClassVar = UnitOptions
    card_is_open: ClassVar = True

    def __init__(self, session: Any, image: Any = None, **options: Any):
        channel = options.get("channel")
        if channel is not None:
            if options.get("unit") not in (None, channel):
                raise ValueError(f"unit and channel must be equal, got {options['unit']!r} and {channel!r}")
            options["unit"] = channel
        super().__init__(session, image, **options)

    @property
    def result(self) -> UnitCard:
        """The numbers of the selected unit; what is missing of them is computed."""
        self.update(full=True)
        return unit_card(self)

    def baking_order(self) -> Sequence[Part]:
        """The card first: other layers take what is left of the page."""
        return [*self.parts[1:], self.parts[0]]

    def panels(self) -> list[Panel]:
        """The unit's map and its pictures, without the mosaic."""
        shown = (part for part in self.parts if not isinstance(part, LayersPart))
        return [self.photo_panel(), self.part(LayersPart).unit_panel(), *(panel for p in shown for panel in p.panels())]
