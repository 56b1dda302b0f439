"""The linear function of the chosen class at the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets as t

from nnlens.kernels.functions import LocalMap, local_map
from nnlens.render import Panel
from nnlens.render.functions import payloads
from nnlens.render.functions.local_map import local_map_payload, weights_image
from nnlens.scores.meaning import pick_output
from nnlens.session.sample import Sample
from nnlens.session.session import Session
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced


class PieceTraits(t.HasTraits):
    """The traits of `PiecePart`."""

    local_map = payload(payloads.LocalMapPayload, "the linear function at the input")
    map_of = synced(
        t.Enum(("class", "lead"), "lead", help="the score of the class, or its lead over the best of the others"),
        state=True,
    )


def score_columns(session: Session, sample: Sample) -> int:
    """How many scores the model gives: 1 where two classes share one."""
    return int(pick_output(sample.recording.output, session.setup.pick).reshape(1, -1).shape[1])


class PiecePart(Part):
    """A backward pass for each class that is needed."""

    traits: PieceTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        if options.get("map_of") is not None:
            self.traits.map_of = options["map_of"]

    def start(self) -> None:
        self.observe("map_of", lambda _change: self.view.follow())

    def rival(self) -> int | None:
        """The best class that is not the target; None for a single score."""
        logits = self.sample.logits
        if self._single() or len(logits) < 2:
            return None
        order = logits.argsort()[::-1]
        return int(order[0] if order[0] != self.selection.target else order[1])

    def _single(self) -> bool:
        return score_columns(self.session, self.sample) == 1

    def result(self) -> LocalMap:
        """The map of the target, and of the class it is compared with."""
        rival = self.rival() if self.traits.map_of == "lead" else None
        first = 0 if self._single() else self.selection.target
        chosen = [first] if rival is None else [first, rival]
        model, x, pick = self.sample.model, self.sample.input.x, self.session.setup.pick
        made: LocalMap = self.sample.cache.once(
            "local map", tuple(chosen), make=lambda: local_map(model, x, outputs=chosen, output=pick)
        )
        return made

    def updates(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        of = (self.sample, self.selection.target, self.traits.map_of)
        if self.view.is_outdated("local_map", of):
            rival = self.rival() if self.traits.map_of == "lead" else None
            # A single score is that of class 1; class 0 has its negative.
            sign = -1 if self._single() and self.selection.target == 0 and len(self.sample.logits) > 1 else 1
            made["local_map"] = local_map_payload(self.result(), self.sample.input.x, rival, sign)
        return made

    def describe(self) -> str:
        return self.result().describe()

    def panels(self) -> list[Panel]:
        return [Panel(title=self.describe(), image=weights_image(self.result()))]
