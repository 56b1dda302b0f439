"""The view of cells that colour the text."""

from __future__ import annotations

from typing import ClassVar

from nnlens.kernels.text import Cells
from nnlens.widgets.base.options import CellsOptions
from nnlens.widgets.base.text import TextPart
from nnlens.widgets.base.text_view import TextView

from .cells import CellsPart, CellsTraits
from .contexts import ContextsPart, ContextsTraits
from .find import FindPart, FindTraits
from .hold import HoldPart, HoldTraits


class CellsWidget(TextView, CellsTraits, FindTraits, ContextsTraits, HoldTraits):
    """The text coloured by a cell. `.result` is the layer's `Cells`; `.found` the cells that follow a property."""

    module: ClassVar = "cells"
    part_types: ClassVar = (TextPart, CellsPart, FindPart, ContextsPart, HoldPart)
    panes: ClassVar = ("layers", "text", "find", "trace", "mosaic", "gates", "hold", "contexts", "code")
    controls: ClassVar = (*TextView.controls, "filter", "scale", "order", "number", "property")
    option_type: ClassVar = CellsOptions

    @property
    def result(self) -> Cells:
        """The cells of the selected layer: `.values` (tokens, cells)."""
        self.update(full=True)
        return self.part(CellsPart).result()
