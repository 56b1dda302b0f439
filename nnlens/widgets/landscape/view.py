"""The view of the loss around a model's weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnlens.kernels.training import Interpolation, Landscape
from nnlens.render import Panel
from nnlens.session.session import Session
from nnlens.widgets.base.options import LandscapeOptions
from nnlens.widgets.base.view import View

from .between import BetweenPart, BetweenTraits
from .curvature import CurvaturePart, CurvatureTraits
from .part import LandscapePart, LandscapeTraits


@dataclass(frozen=True, kw_only=True)
class LandscapeResult:
    """The numbers of the view.

    Attributes
    ----------
    landscape : Landscape
    eigenvalues : array (3,), optional
        Of the loss's Hessian, the largest in absolute value; None where the loss is not finite.
    between : Interpolation, optional
        To the other model, where one was given.
    """

    landscape: Landscape
    eigenvalues: np.ndarray | None
    between: Interpolation | None


class LandscapeWidget(View, LandscapeTraits, CurvatureTraits, BetweenTraits):
    """The loss around the weights. `.result` has the numbers."""

    module: ClassVar = "landscape"
    part_types: ClassVar = (LandscapePart, BetweenPart, CurvaturePart)
    panes: ClassVar = ("contour", "surface", "curvature", "between", "code")
    controls: ClassVar = ("directions", "span", "undo", "state", "code")
    option_type: ClassVar = LandscapeOptions
    needs_scores: ClassVar = False
    needs_image: ClassVar = False
    opens_without_image: ClassVar = True
    shows_images: ClassVar = False

    def __init__(self, session: Session, data: Any, watch: Any = None, other: Any = None, **options: Any):
        self._given = {"data": data, "watch": watch, "other": other}
        super().__init__(session, None, **options)

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the data set, the training and the other model."""
        return {**options, **self._given}

    @property
    def result(self) -> LandscapeResult:
        """All numbers; what is missing is computed now."""
        self.update(full=True)
        return LandscapeResult(
            landscape=self.part(LandscapePart).result(),
            eigenvalues=self.part(CurvaturePart).result(),
            between=self.part(BetweenPart).result(),
        )

    def title(self) -> str:
        """A short title."""
        return f"loss of {type(self.session.model).__name__}"

    def describe(self) -> str:
        """The view in words."""
        return "nnlens: " + " ".join(words for part in self._parts if (words := part.describe()))

    def panels(self) -> list[Panel]:
        """The landscape."""
        return self.part(LandscapePart).panels()
