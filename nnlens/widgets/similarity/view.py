"""The view of how alike the layers of two models, or of two checkpoints, are."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnlens.kernels.training import Similarity
from nnlens.render import Panel
from nnlens.session.session import Session
from nnlens.widgets.base.options import SimilarityOptions
from nnlens.widgets.base.view import View

from .part import SimilarityPart, SimilarityTraits


class SimilarityWidget(View, SimilarityTraits):
    """How alike the layers of two models are. `.result` is a `Similarity`."""

    module: ClassVar = "similarity"
    part_types: ClassVar = (SimilarityPart,)
    panes: ClassVar = ("matrix", "units", "code")
    controls: ClassVar = ("changed_layer", "undo", "state", "code")
    option_type: ClassVar = SimilarityOptions
    needs_scores: ClassVar = False
    needs_image: ClassVar = False
    opens_without_image: ClassVar = True
    shows_images: ClassVar = False

    def __init__(self, session: Session, other: Any, images: Any, **options: Any):
        self._given = {"other": other, "images": images}
        super().__init__(session, None, **options)

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the other model and the images."""
        return {**options, **self._given}

    @property
    def result(self) -> Similarity:
        """The similarity of all layers."""
        self.update(full=True)
        return self.part(SimilarityPart).result()

    def changed_units(self, layer: str) -> np.ndarray:
        """1 − the correlation of each unit of a layer in the two models; NaN for one that is constant in one."""
        self.update(full=True)
        return self.part(SimilarityPart).changed(layer)

    def title(self) -> str:
        """A short title."""
        return "similarity of layers"

    def describe(self) -> str:
        """The view in words."""
        return f"nnlens: {self.part(SimilarityPart).describe()}"

    def panels(self) -> list[Panel]:
        """The matrix."""
        return self.part(SimilarityPart).panels()
