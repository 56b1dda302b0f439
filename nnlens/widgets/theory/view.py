"""The view of a theory of learning: its curve and what is measured on one chart, with settings to change."""

from __future__ import annotations

from typing import Any, ClassVar

from nnlens.render import Panel
from nnlens.render.plots import PlotPayload, plots_figure
from nnlens.session.session import Session
from nnlens.widgets.base.options import TheoryOptions
from nnlens.widgets.base.view import View

from .part import TheoryPart, TheoryTraits


class TheoryWidget(View, TheoryTraits):
    """A theory of learning beside a small experiment. `.result` has the charts with their numbers."""

    module: ClassVar = "theory"
    part_types: ClassVar = (TheoryPart,)
    panes: ClassVar = ("theory", "plots", "code")
    controls: ClassVar = ("choice", "settings", "undo", "state", "code")
    option_type: ClassVar = TheoryOptions
    needs_scores: ClassVar = False
    needs_image: ClassVar = False
    opens_without_image: ClassVar = True
    shows_images: ClassVar = False

    def __init__(self, session: Session, theory: str, **options: Any):
        self._theory = theory
        super().__init__(session, None, **options)

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the theory's name."""
        return {**options, "theory": self._theory}

    @property
    def result(self) -> list[PlotPayload]:
        """The charts with all their numbers; they are computed now where they are not there."""
        return list(self.part(TheoryPart).outcome().plots)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the experiment. Set some of them to run it again; those left out get their usual values."""
        return dict(self.part(TheoryPart).values())

    @settings.setter
    def settings(self, given: dict[str, Any]) -> None:
        self.part(TheoryPart).choose(given)

    def figure(self) -> Any:
        """The charts as a plotly figure."""
        return plots_figure(self.result)

    def title(self) -> str:
        """A short title."""
        return str(self.theories[self.theory])

    def describe(self) -> str:
        """The view in words."""
        return f"nnlens: {self.part(TheoryPart).describe()}"

    def panels(self) -> list[Panel]:
        """The charts."""
        return self.part(TheoryPart).panels()
