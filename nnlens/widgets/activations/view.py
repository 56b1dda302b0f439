"""The view of the layers' activations."""

from __future__ import annotations

from typing import ClassVar

from nnlens.kernels import Activations
from nnlens.widgets.base.options import ActivationsOptions
from nnlens.widgets.base.view import View
from nnlens.widgets.inputs.parts import SHOWN_PARTS, InputRowTraits

from .layers import LayersPart, LayersTraits


class ActivationsWidget(View, InputRowTraits, LayersTraits):
    """Pick a layer, see all its units, choose one. `.result` is the layer's `Activations`."""

    module: ClassVar = "activations"
    part_types: ClassVar = (*SHOWN_PARTS, LayersPart)
    panes: ClassVar = ("inputs", "layers", "mosaic", "unit", "code")
    controls: ClassVar = ("filter", "sort", "scale", "number", "overlay", "code")
    option_type: ClassVar = ActivationsOptions
    needs_scores: ClassVar = False
    needs_image: ClassVar = False

    @property
    def result(self) -> Activations:
        """The selected layer's maps and statistics."""
        self.update(full=True)
        return self.selection.activations
