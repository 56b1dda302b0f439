"""Two images, or two models, side by side: scores, activations, occlusion maps, and their differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from nnlens.kernels.training import Checkpoints
from nnlens.recording import version_of
from nnlens.session.session import Session
from nnlens.utils.language import _
from nnlens.widgets.activations.layers import LayersPart, LayersTraits
from nnlens.widgets.activations.view import ActivationsWidget
from nnlens.widgets.base.options import CompareOptions
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.view import View
from nnlens.widgets.occlusion.experiment import ExperimentPart, ExperimentTraits
from nnlens.widgets.occlusion.live import LivePart, LiveTraits
from nnlens.widgets.occlusion.view import OcclusionWidget

from .checkpoints import CheckpointsPart, CheckpointsTraits
from .differences import SECOND_SIDE, DifferencePart
from .result import Comparison
from .traits import CompareTraits


class CompareWidget(View, ExperimentTraits, LiveTraits, LayersTraits, CompareTraits, CheckpointsTraits):
    """Two images, or two models. `.result` has the numbers of both sides and their differences, a `Comparison`."""

    module: ClassVar = "compare"
    part_types: ClassVar = (ExperimentPart, LivePart, LayersPart, DifferencePart, CheckpointsPart)
    panes: ClassVar = ("checkpoints", "photo", "bars", "occlusion_map", "fill", "layers", "mosaic", "unit", "code")
    controls: ClassVar = (*OcclusionWidget.controls, *ActivationsWidget.controls[:-1])
    option_type: ClassVar = CompareOptions

    def __init__(
        self,
        session: Session,
        image: Any,
        second_session: Session,
        second_image: Any,
        *,
        checkpoints: tuple[Checkpoints, int, int] | None = None,
        **options: Any,
    ):
        self._second_session, self._second_image, self._checkpoints = second_session, second_image, checkpoints
        # The selection is of this view alone: what the two sides share must not change other views.
        super().__init__(session, image, **{"scale": "locked", **options, "link": False})

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the second side's session and selection, and what the sides are called."""
        second = self._second_session
        selection = second.selections.separate(self._second_image)
        titles = ("", "")
        if second is not self.session:
            kinds = [type(session.model).__name__ for session in (self.session, second)]
            titles = (kinds[0], kinds[1]) if kinds[0] != kinds[1] else (_("first model"), _("second model"))
        return {**options, SECOND_SIDE: (second, selection, titles), "compared checkpoints": self._checkpoints}

    def shown_classes(self) -> list[int]:
        """The most probable classes of both sides, and the target."""
        sides = [self.selection.sample]
        if parts := [part for part in self.parts if isinstance(part, DifferencePart) and hasattr(part, "second")]:
            sides.append(parts[0].second.selection.sample)
        best = [index for pair in zip(*(side.top(4) for side in sides), strict=True) for index in pair]
        return list(dict.fromkeys([*best, self.selection.target]))[:6]

    def look_for_changes(self) -> None:
        """Mark the view where one of the models has changed."""
        second = self.part(DifferencePart).second
        self.stale = any(version_of(side.session.model) != side.selection.sample.version for side in (self, second))

    def update(self, *, full: bool = False) -> bool:
        """Record the images again where a model has changed; True if one had."""
        changed = super().update(full=full)
        return self.part(DifferencePart).second.update(full=full) or changed if self._ready else changed

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is being computed; False if `timeout` seconds pass first."""
        return super().wait(timeout) and self._second_session.worker.join(timeout)

    @property
    def result(self) -> Comparison:
        """The numbers of both sides and their differences (waits until the occlusion maps are there)."""
        self.update(full=True)
        part = self.part(DifferencePart)
        second = part.second
        occlusions = self.part(ExperimentPart).result, second.part(ExperimentPart).result
        first = self.selection
        try:
            difference = part.difference()
        except ValueError:
            difference = None
        return Comparison(
            names=(self.photo["name"], self.second_photo["name"]),
            labels=first.sample.names,
            probabilities=np.stack([side.sample.probabilities for side in (first, second.selection)]),
            target=first.target,
            layer=first.layer,
            unit=first.unit,
            activations=(first.activations, second.selection.activations),
            difference=difference,
            occlusions=occlusions,
        )

    def baking_order(self) -> Sequence[Part]:
        """Both sides change together: the responses are those of the differences' part."""
        return [self.part(DifferencePart)]

    def describe(self) -> str:
        """The view in words."""
        second = self.part(DifferencePart).second.selection
        other = f"{second.image}: {second.label} {second.sample.words_of(second.target)}"
        return " ".join([super().describe(), _("Compared with {other}.", other=other)])
