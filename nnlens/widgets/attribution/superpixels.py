"""Superpixels that are switched off by hand, and the scores without them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np

from nnlens.export.bundle import Response, within_budget
from nnlens.kernels.attribution.methods.lime import Switches
from nnlens.render import payloads, scores_with_top_payload, superpixel_texture
from nnlens.session.sample import Sample
from nnlens.widgets.base.part import Part

from .result import Row
from .rows import RowsPart
from .settings import SettingsPart
from .traits import AttributionTraits


class SuperpixelsPart(Part):
    """The superpixels of LIME and KernelSHAP, as the user switches them off and on."""

    traits: AttributionTraits

    def start(self) -> None:
        self.observe("switched_off", self._switch)

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._rows, self._settings = self.view.part(RowsPart), self.view.part(SettingsPart)

    @property
    def _are_used(self) -> bool:
        return bool({"lime", "kernel_shap"} & set(self.traits.methods))

    def compute(self) -> None:
        """The superpixels of all rows."""
        for row in self._rows.rows() if self._are_used else ():
            self.session.attributions.superpixels(row.sample, self._settings.settings)

    def all_on(self) -> None:
        """Switch all of them on again."""
        self.traits.switched_off = []

    def show(self) -> None:
        """The selected row's superpixels, once they are made."""
        known = None
        if self._are_used and self.traits.row < len(self._rows.rows()):
            sample, _ = self._rows.row(self.traits.row)
            known = self.session.attributions.superpixels_so_far(sample, self._settings.settings)
        texture = None if known is None else superpixel_texture(*known)
        if self.traits.superpixels != texture:
            self.traits.switched_off, self.traits.switched_scores = [], None
            self.traits.superpixels = texture

    def _switch(self, change: Any = None) -> None:
        if not self.traits.switched_off:
            self.traits.switched_scores = None
            return
        self.view.submit("hand", self._steps)

    def _steps(self) -> Generator[None, None, None]:
        off, number = list(self.traits.switched_off), self.traits.row
        try:
            if not off or self.view.update():
                return
            row = self._rows.rows()[number]
            shown = self._payload(row, self._scores(row.sample, [off]))
            self.traits.switched_scores = {"off": off, "row": number, **shown}
        except Exception as error:
            self.view.show_error(error)
        yield

    def _payload(self, row: Row, scores: np.ndarray) -> payloads.ScoresWithTop:
        """One row of class scores as the bars show them: of the image's best classes, and those of its rows."""
        first = self.view.shown_classes() if row.sample is self.sample else row.sample.top(5)
        own = [other.target for other in self._rows.rows() if other.sample is row.sample]
        return scores_with_top_payload(row.sample.scored(), scores, list(dict.fromkeys([*first, *own])))

    def _scores(self, sample: Sample, sets: Sequence[Sequence[int]]) -> np.ndarray:
        """The class scores with each of these sets of superpixels off, (sets, classes)."""
        jobs, settings = self.session.attributions, self._settings.settings
        subject = jobs.subject(sample, sample.top_class())
        labels = jobs.superpixels(sample, settings)
        switches = Switches(subject, segments=labels, segmentation="grid", fill=jobs.switch_fill(sample), seed=0)
        on = np.ones((len(sets), switches.parts), bool)
        for states, off in zip(on, sets, strict=True):
            states[list(off)] = False
        scores = [subject.passes.scores(switches.images(some)).cpu().numpy() for some in switches.portions(on)]
        return np.concatenate(scores)

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """What each superpixel does alone, in a page of one image."""
        rows = self._rows.rows()
        if not whole or not self.traits.superpixels or len({row.sample.input.name for row in rows}) > 1:
            return []
        number, count = self.traits.row, self.traits.superpixels["count"]
        row = rows[number]
        scores = self._scores(row.sample, [[index] for index in range(count)])
        candidates = (
            (
                str(index),
                {
                    "switched_scores": {
                        "off": [index],
                        "row": number,
                        **self._payload(row, scores[index : index + 1]),
                    }
                },
            )
            for index in range(count)
        )
        return [Response(("switched_off",), within_budget(candidates, budget))]

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"switched_off": [], "switched_scores": None}
