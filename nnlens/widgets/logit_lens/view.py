"""The view of the logit lens."""

from __future__ import annotations

from typing import ClassVar

from nnlens.kernels.text import LogitLens
from nnlens.widgets.base.options import LogitLensOptions
from nnlens.widgets.base.text import TextPart
from nnlens.widgets.base.text_view import TextView

from .depth import DepthPart, DepthTraits


class LogitLensWidget(TextView, DepthTraits):
    """What the output head would predict at every depth. `.result` is a `LogitLens`."""

    module: ClassVar = "logit_lens"
    part_types: ClassVar = (TextPart, DepthPart)
    panes: ClassVar = ("lens", "ranks", "agreement", "code")
    controls: ClassVar[tuple[str, ...]] = ("edit", "color", "undo", "state", "code")
    option_type: ClassVar = LogitLensOptions
    text_only: ClassVar = False

    @property
    def result(self) -> LogitLens:
        """The predictions read from each state."""
        self.update(full=True)
        return self.part(DepthPart).result()
