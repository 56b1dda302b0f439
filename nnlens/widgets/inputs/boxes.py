"""The boxes of a detector, drawn over the picture; a click on one makes it the target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import traitlets as t
from typing_extensions import TypedDict

from nnlens.scores.boxes import Boxes, BoxScores, BoxValue
from nnlens.session.sample import Sample
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced


class FoundBoxes(TypedDict):
    """The boxes that were found, in the order of the classes that stand for them."""

    boxes: list[tuple[float, float, float, float]]  # left, top, right, bottom, as shares of the picture
    classes: list[int]  # of the detector
    scores: list[float]
    can_choose: bool  # whether another value of the boxes can be the target


class BoxesTraits(t.HasTraits):
    """The traits of `BoxesPart`."""

    boxes = payload(FoundBoxes, "the boxes that a detector found in the picture")
    box_value = synced(
        t.Enum(get_args(BoxValue), "score", help="what the target is of a box: its score, or one of its edges"),
        state=True,
    )


def reader_of(sample: Sample) -> BoxScores | None:
    """What reads the boxes of a sample; None where it has none."""
    found = None if sample.meaning is None else sample.meaning.output
    return found if isinstance(found, BoxScores) else None


class BoxesPart(Part):
    """The boxes of the sample, and which of their values is the target."""

    traits: BoxesTraits

    def start(self) -> None:
        self.observe("box_value", self._choose)

    def updates(self) -> dict[str, Any]:
        sample = self.sample
        if not self.view.is_outdated("boxes", sample):
            return {}
        reader = reader_of(sample)
        if reader is None:
            return {"boxes": None}
        height, width = sample.input.x.shape[2:]
        made: FoundBoxes = {
            "boxes": [
                (left / width, top / height, right / width, bottom / height)
                for (left, top, right, bottom), _label, _score in reader.found
            ],
            "classes": [item.label for item in reader.found],
            "scores": [item.score for item in reader.found],
            "can_choose": isinstance(self.session.setup.pick, Boxes),
        }
        return {"boxes": made, "box_value": reader.value}

    def _choose(self, change: Any) -> None:
        pick, reader = self.session.setup.pick, reader_of(self.sample)
        own = "score" if reader is None else reader.value
        if self.traits.box_value == own:
            return
        if reader is None or not isinstance(pick, Boxes):
            self.traits.box_value = own  # there is nothing to choose
            return
        try:
            self.session.read_output(replace(pick, value=self.traits.box_value))
        except Exception as error:
            self.traits.box_value = own
            self.view.show_error(error)
