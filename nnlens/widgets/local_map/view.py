"""The view of the linear function that holds at an input."""

from __future__ import annotations

from typing import Any, ClassVar

from nnlens.kernels.functions import LocalMap
from nnlens.session.session import Session
from nnlens.widgets.base.options import LocalMapOptions
from nnlens.widgets.base.view import View

from .line import LinePart, LineTraits
from .piece import PiecePart, PieceTraits
from .reach import ReachPart, ReachTraits


class LocalMapWidget(View, PieceTraits, ReachTraits, LineTraits):
    """The linear function that a network computes at an input, and how far it holds. `.result` is a `LocalMap`."""

    module: ClassVar = "local_map"
    part_types: ClassVar = (PiecePart, ReachPart, LinePart)
    panes: ClassVar = ("photo", "bars", "weights_image", "reach", "line", "code")
    option_type: ClassVar = LocalMapOptions

    def __init__(self, session: Session, image: Any = None, other: Any = None, **options: Any):
        self._other_given = other
        super().__init__(session, image, **options)

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the other image."""
        return {**options, "other": self._other_given}

    @property
    def result(self) -> LocalMap:
        """The weights and bias of the target's score, and of the class it is compared with."""
        self.update(full=True)
        return self.part(PiecePart).result()

    def title(self) -> str:
        """A short title."""
        return "the linear function at this image"
