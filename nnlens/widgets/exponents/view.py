"""The view of a recurrent network as a chaotic system."""

from __future__ import annotations

from typing import ClassVar

from nnlens.kernels.chaos import Exponents
from nnlens.widgets.base.options import ExponentsOptions
from nnlens.widgets.base.text import TextPart
from nnlens.widgets.base.text_view import TextView

from .part import ExponentsPart, ExponentsTraits


class ExponentsWidget(TextView, ExponentsTraits):
    """Whether small differences of a recurrent state grow along a text. `.result` is an `Exponents`."""

    module: ClassVar = "exponents"
    part_types: ClassVar = (TextPart, ExponentsPart)
    panes: ClassVar = ("text", "exponents", "code")
    controls: ClassVar[tuple[str, ...]] = ("edit", "undo", "state", "code")
    option_type: ClassVar = ExponentsOptions

    @property
    def result(self) -> Exponents:
        """The largest Lyapunov exponents."""
        self.update(full=True)
        return self.part(ExponentsPart).result()
