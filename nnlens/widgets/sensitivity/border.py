"""How far it is to another answer, and the nearest image that gets one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import traitlets as t

from nnlens.inputs.input import picture_like
from nnlens.kernels.chaos import Adversarial, decision_distance, deepfool, gradient_direction, random_directions
from nnlens.render.functions import payloads
from nnlens.render.functions.local_map import reach_row
from nnlens.render.functions.sensitivity import adversarial_payload
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced

_RANDOM = 5


class BorderTraits(t.HasTraits):
    """The traits of `BorderPart`."""

    adversarial = payload(payloads.AdversarialPayload, "the distance to another class; null while it is computed")
    amplified = synced(t.Float(1.0, min=1, max=1000, help="how many times the change is drawn"), state=True)


class BorderPart(Part):
    """DeepFool, the gradient's straight line, and random ones."""

    traits: BorderTraits

    def new_image(self) -> dict[str, Any]:
        return {"adversarial": None}

    def start(self) -> None:
        self.followed(None)

    def followed(self, change: Any) -> None:
        if self.view.is_outdated("adversarial", self.sample):
            sample = self.sample
            self.view.submit("map", lambda: self.view.reported(_("the nearest other class"), self._steps(sample)))

    def result(self) -> Adversarial:
        """What DeepFool finds."""
        model, pick, x = self.sample.model, self.session.setup.pick, self.sample.input.x
        made: Adversarial = self.sample.cache.once("deepfool", make=lambda: deepfool(model, x, output=pick))
        return made

    def _steps(self, sample: Any) -> Generator[None, None, None]:
        yield
        model, pick, argument = sample.model, self.session.setup.pick, sample.input
        found = self.result()
        yield
        rows: list[payloads.ReachRow] = []
        if found.found:
            rows.append(reach_row("DeepFool", found.distance, "", found.x - argument.x, argument))
        try:
            falling = gradient_direction(model, argument.x, output=pick)
        except ValueError:  # the scores do not depend on the input
            falling = None
        if falling is not None:
            distance = decision_distance(model, argument.x, falling, output=pick)
            rows.append(reach_row(_("along the gradient"), distance, "", falling, argument))
            yield
        ways = random_directions(argument.x, _RANDOM).to(argument.x)
        distances = []
        for way in ways:
            distances.append(decision_distance(model, argument.x, way[None], output=pick))
            yield
        middle = int(np.argsort(distances)[_RANDOM // 2])
        words = _("a random direction, the middle one of {count}", count=_RANDOM)
        rows.append(reach_row(words, distances[middle], "", ways[middle : middle + 1], argument))
        picture = picture_like(found.x, argument) if found.found and argument.is_image else None
        self.traits.adversarial = adversarial_payload(found, rows, argument, picture)

    def complete(self) -> None:
        for _step in self._steps(self.sample):
            pass

    def describe(self) -> str:
        return "" if self.traits.adversarial is None else self.traits.adversarial["about"]
