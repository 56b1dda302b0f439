"""The view of an occlusion experiment."""

from __future__ import annotations

from typing import ClassVar

from nnlens.kernels import Occlusion
from nnlens.widgets.base.options import OcclusionOptions
from nnlens.widgets.base.view import View
from nnlens.widgets.inputs.parts import INPUT_PARTS, InputRowTraits

from .experiment import ExperimentPart, ExperimentTraits
from .live import LivePart, LiveTraits
from .mask import MaskPart, MaskTraits


class OcclusionWidget(View, InputRowTraits, ExperimentTraits, LiveTraits, MaskTraits):
    """Move an occluder over the photograph and watch the scores. `.result` is the map, an `Occlusion`."""

    module: ClassVar = "occlusion"
    part_types: ClassVar = (*INPUT_PARTS, ExperimentPart, LivePart, MaskPart)
    panes: ClassVar = ("inputs", "photo", "bars", "size_curve", "occlusion_map", "fill", "code")
    controls: ClassVar = (*View.controls, "paint", "size", "fill", "score", "pin")
    option_type: ClassVar = OcclusionOptions

    @property
    def result(self) -> Occlusion:
        """The map of the chosen size and fill: complete, or as far as it got if it was stopped."""
        return self.part(ExperimentPart).result
