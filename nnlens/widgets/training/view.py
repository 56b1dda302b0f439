"""The view of a training: live while it runs, with a slider over its checkpoints."""

from __future__ import annotations

from typing import Any, ClassVar

from nnlens.kernels.training import History
from nnlens.recording import Recording
from nnlens.render import Panel
from nnlens.session.session import Session
from nnlens.widgets.base.options import TrainingOptions
from nnlens.widgets.base.view import View

from .part import TrainingPart, TrainingTraits, Watched


class TrainingWidget(View, TrainingTraits):
    """What a `Watch` has seen. `.result` is its `History`."""

    module: ClassVar = "training"
    part_types: ClassVar = (TrainingPart,)
    panes: ClassVar = ("curves", "figures", "alarms", "film", "code")
    controls: ClassVar = ("step", "stop", "layer_figure", "film_layer", "undo", "state", "code")
    option_type: ClassVar = TrainingOptions
    needs_scores: ClassVar = False
    needs_image: ClassVar = False
    opens_without_image: ClassVar = True
    shows_images: ClassVar = False

    def __init__(self, session: Session, watch: Watched, **options: Any):
        self._watch = watch
        super().__init__(session, None, **options)

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the watch."""
        return {**options, "watch": self._watch}

    @property
    def result(self) -> History:
        """Metrics, measurements and alarms so far."""
        return self._watch.history

    def tell(self) -> None:
        """Show what is known so far: called by the loop that trains."""
        self.part(TrainingPart).tell()
        # ipykernel 7.4 gives what the browser sends to the thread that spoke last. That is the one that trains, and it
        # would hear the button only after the cell: let the notebook choose.
        if self.comm is not None:
            self.comm.__dict__.pop("_reply_subshell_id", None)

    def look(self, step: int, recording: Recording) -> None:
        """Show the maps of the film's layer as they are at a step: called by the loop that trains."""
        self.part(TrainingPart).look(step, recording)

    def look_for_changes(self) -> None:
        """A cell has run, which may have trained: read the film again."""
        super().look_for_changes()
        self.stale = False  # a copy, which this view alone changes
        self.part(TrainingPart).read_film()

    def title(self) -> str:
        """A short title."""
        return "training"

    def describe(self) -> str:
        """The view in words."""
        return f"nnlens: {self.part(TrainingPart).describe()}"

    def panels(self) -> list[Panel]:
        """The curves."""
        return self.part(TrainingPart).panels()
