"""The view of the linear pieces in a plane."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from nnlens.kernels.functions import Regions
from nnlens.render import Panel
from nnlens.session.session import Session
from nnlens.widgets.base.options import RegionsOptions
from nnlens.widgets.base.view import View

from .plane import PlanePart, PlaneTraits
from .training import TrainingPart, TrainingTraits


class RegionsWidget(View, PlaneTraits, TrainingTraits):
    """The linear pieces of a network in a plane. `.result` is a `Regions`; `.model` is what is shown."""

    module: ClassVar = "regions"
    part_types: ClassVar = (PlanePart, TrainingPart)
    panes: ClassVar = ("plane", "here", "training", "code")
    controls: ClassVar = ("color", "zoom", "train", "undo", "state", "code")
    option_type: ClassVar = RegionsOptions
    needs_scores: ClassVar = False
    needs_image: ClassVar = False
    opens_without_image: ClassVar = True
    shows_images: ClassVar = False

    def __init__(self, session: Session, points: Any, labels: Any, images: Any, **options: Any):
        if points is not None and images is not None:
            raise ValueError("points and images must not both be given: a plane of two inputs, or through three images")
        self._asked = {"points": points, "labels": labels, "images": images}
        super().__init__(session, None, **options)

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the points and images."""
        return {**options, **self._asked}

    @property
    def result(self) -> Regions:
        """The pieces in the box that is shown."""
        self.update(full=True)
        return self.part(PlanePart).result()

    @property
    def model(self) -> nn.Module:
        """The model whose pieces are shown: the lens's own, or the copy that was trained here."""
        return self.part(PlanePart).model

    def title(self) -> str:
        """A short title."""
        return "linear pieces"

    def describe(self) -> str:
        """The view in words."""
        return f"nnlens: {' '.join(part.describe() for part in self.parts)}".strip()

    def panels(self) -> list[Panel]:
        """The plane."""
        return self.part(PlanePart).panels()
