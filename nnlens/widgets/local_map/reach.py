"""How far the linear function holds: borders of the piece, and the error beyond them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import torch
import traitlets as t

from nnlens.kernels.chaos import gradient_direction, random_directions
from nnlens.kernels.functions import Border, Facet, Validity, border, nearest_facet, validity
from nnlens.render.functions import payloads
from nnlens.render.functions.local_map import reach_row, validity_payload
from nnlens.session.sample import Sample
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload

from .piece import PiecePart

_RANDOM = 5  # directions for borders and for the error


class ReachTraits(t.HasTraits):
    """The traits of `ReachPart`."""

    reach = payload(payloads.ReachPayload, "how far the linear function holds; null while it is computed")


class ReachPart(Part):
    """Computed in the background, for some of it takes seconds."""

    traits: ReachTraits

    def start(self) -> None:
        self.followed(None)

    def prepare(self, options: Mapping[str, Any]) -> None:
        self.facet: Facet | None = None

    def new_image(self) -> dict[str, Any]:
        return {"reach": None}

    def followed(self, change: Any) -> None:
        of = self._asked()
        if self.view.is_outdated("reach", of):
            self.traits.reach = None
            self.view.submit("card", lambda: self.view.reported(_("how far the map holds"), self._steps(of)))

    def _asked(self) -> tuple[Any, ...]:
        """What the measurements depend on."""
        return self.sample, self.selection.target, self.view.part(PiecePart).traits.map_of

    def _steps(self, of: tuple[Any, ...]) -> Generator[None, None, None]:
        yield
        sample, *key = of
        found = sample.cache.get("reach", *key)
        if found is None:
            found = yield from self._measured(sample)
            sample.cache.put("reach", *key, value=found)
        self.traits.reach = found

    def _measured(self, sample: Sample) -> Generator[None, None, payloads.ReachPayload]:
        model, pick, argument = sample.model, self.session.setup.pick, sample.input
        x = argument.x
        piece = self.view.part(PiecePart).result()
        chance = random_directions(x, _RANDOM).to(x)
        try:
            falling = gradient_direction(model, x, output=pick)
        except ValueError:  # the scores do not depend on the input
            falling = chance[:1]
        rows: list[payloads.ReachRow] = []
        examined, certain = 0, False
        if piece.kind.exact:
            facet = nearest_facet(model, x)
            examined, certain = facet.examined, facet.certain
            rows.append(
                reach_row(_("nearest border"), facet.distance, facet.layer, torch.from_numpy(facet.direction), argument)
                if facet.layer
                else reach_row(_("nearest border"), facet.distance, "", falling, argument)
            )
            yield
            ahead: Border = border(model, x, falling)
            rows.append(reach_row(_("where the lead falls fastest"), ahead.distance, ahead.layer, falling, argument))
            yield
            borders = []
            for way in chance:
                borders.append(border(model, x, way[None]))
                yield
            middle = int(np.argsort([one.distance for one in borders])[len(borders) // 2])
            words = _("a random direction, the middle one of {count}", count=_RANDOM)
            rows.append(
                reach_row(words, borders[middle].distance, borders[middle].layer, chance[middle : middle + 1], argument)
            )
        found: Validity = validity(model, x, piece, torch.cat([falling, chance]), output=pick)
        yield
        return {"rows": rows, "validity": validity_payload(found), "examined": examined, "certain": certain}

    def complete(self) -> None:
        for _step in self._steps(self._asked()):
            pass

    def describe(self) -> str:
        found = self.traits.reach
        return "" if found is None else found["validity"]["about"]
