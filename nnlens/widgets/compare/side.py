"""The second side of a comparison: to its parts it looks like a view of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnlens.render import finite, meaning_payload, photo_payload, scores_payload
from nnlens.session.selection import Selection
from nnlens.session.session import Session
from nnlens.session.work.worker import Job, Steps
from nnlens.widgets.activations.layers import LayersPart
from nnlens.widgets.base.part import Part, PartType
from nnlens.widgets.occlusion.experiment import ExperimentPart
from nnlens.widgets.occlusion.live import LivePart

from .traits import OF_EACH_SIDE, SECOND

# Of the selection: what both sides share.
SHARED = ("layer", "grid", "unit", "position", "target", "scale")
PART_TYPES: tuple[type[Part], ...] = (ExperimentPart, LivePart, LayersPart)


class Side:
    """Gives the parts of the second side a session, a selection and traits.

    The traits that each side has of its own are those of the view with a prefix; all others are the view's.
    """

    card_is_open = False

    def __init__(self, view: Any, session: Session, selection: Selection):
        self.__dict__.update(view=view, session=session, selection=selection, _made_of={})
        self.__dict__["parts"] = [part_type(self) for part_type in PART_TYPES]

    # Traits.

    def __getattr__(self, name: str) -> Any:
        return getattr(self.view, _name(name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.view, _name(name), value)

    def observe(self, handler: Callable[[Any], None], names: Any) -> None:
        """Call `handler` when one of the traits changes."""
        several = [names] if isinstance(names, str) else list(names)
        self.view.observe(handler, [_name(name) for name in several])

    # What a view does for its parts.

    def part(self, part_type: type[PartType]) -> PartType:
        """The part of a type."""
        return next(part for part in self.parts if isinstance(part, part_type))

    def is_outdated(self, name: str, made_of: Any) -> bool:
        """See `View.is_outdated`."""
        if self._made_of.get(name) == made_of:
            return False
        self._made_of[name] = made_of
        return True

    def update(self, *, full: bool = False) -> bool:
        """Record the image again if this side's model has changed; True if it had."""
        now = self.session.samples.current(self.selection.sample, full=full)
        if now is self.selection.sample:
            return False
        self.selection.show(now)
        for part in self.parts:
            part.model_changed()
        self.view.follow()
        return True

    def submit(self, lane: str, job: Job) -> None:
        """Do a job in the background, replacing this side's earlier job in that lane."""
        self.session.worker.submit(self, lane, job)

    def cancel_job(self, lane: str, then: Callable[[], None] | None = None) -> None:
        """Stop this side's job in that lane; `then` is called when its last step has ended."""
        self.session.worker.cancel(self, lane, then)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is being computed."""
        done: bool = self.session.worker.join(timeout)
        return done

    def reported(self, what: str, steps: Steps) -> Steps:
        """See `View.reported`."""
        result: Steps = self.view.reported(what, steps)
        return result

    # From the selection to the traits.

    def mirror(self, first: Selection) -> None:
        """Choose what the first side has chosen."""
        selection = self.selection
        for name in SHARED:
            value = getattr(first, name)
            if getattr(selection, name) == value:
                continue
            if name == "unit":
                value = min(value, len(selection.activations) - 1)
            setattr(selection, name, value)

    def updates(self, title: str) -> dict[str, Any]:
        """The traits that are not up to date; `title` is the name of the photograph."""
        sample, shown = self.selection.sample, self.view.shown_classes()
        made: dict[str, Any] = {}
        if self.is_outdated("sample", sample):
            made["photo"] = {**photo_payload(sample.input), "name": title}
            made["meaning"] = meaning_payload(sample.meaning, sample.problem, len(sample.logits))
        if self.is_outdated("scores", (sample, tuple(shown))):
            made["scores"] = finite(scores_payload(shown, sample.probabilities, sample.odds()))
        for part in self.parts:
            made |= {name: value for name, value in part.updates().items() if name in OF_EACH_SIDE}
        return {_name(name): value for name, value in made.items()}

    def stop(self) -> None:
        """End its jobs."""
        for part in self.parts:
            part.close()
        for lane in self.session.worker.lanes:
            self.cancel_job(lane)


def _name(name: str) -> str:
    return SECOND + name if name in OF_EACH_SIDE else name
