"""The cells that follow a property of the text best, on a half of it that did not choose them, beside chance."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import traitlets as t

from nnlens.kernels.text import BLOCK, PROPERTIES, CellRanking, cells, matches
from nnlens.render.text import found_payload, payloads
from nnlens.render.text.cells import not_found
from nnlens.utils.language import _
from nnlens.utils.suggestions import nearest
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.text import TextPart
from nnlens.widgets.base.traits import payload, synced

from .cells import CellsPart

PATTERN = "re:"
MARKED = "marked"


class FindTraits(t.HasTraits):
    """The traits of `FindPart`."""

    wanted = synced(
        t.Unicode("", help='a property of the text by its name, "re:" with a regular expression, or "marked"'),
        state=True,
    )
    marked = synced(t.List(help="parts of the text that were marked, each [first token, end]"), list[tuple[int, int]])
    everywhere = synced(t.Bool(True, help="whether all layers are looked at, or the selected one"), state=True)
    found = payload(payloads.CellsFound, "the cells that follow the property")
    properties = synced(t.List(t.Unicode(), help="the names of the properties"), list[str])


class FindPart(Part):
    """Ranked in the background, layer by layer."""

    traits: FindTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self.traits.properties = list(PROPERTIES)
        wanted = options.get("find")
        if wanted is not None:
            if not isinstance(wanted, str) or (wanted not in PROPERTIES and not wanted.startswith(PATTERN)):
                known = ", ".join(PROPERTIES)
                raise ValueError(
                    f'find must be one of {known}, or "re:" with a regular expression, got {wanted!r}'
                    f"{nearest(str(wanted), list(PROPERTIES))}"
                )
            if wanted.startswith(PATTERN):
                matches(wanted.removeprefix(PATTERN))
            self.traits.wanted = wanted

    def start(self) -> None:
        self.observe(["wanted", "marked", "everywhere"], self.followed)
        self.observe("cancel", lambda change: self.view.cancel_job("card"))
        self.followed(None)

    def new_image(self) -> dict[str, Any]:
        return {"marked": []}

    def followed(self, change: Any) -> None:
        layer = "" if self.traits.everywhere else self.selection.layer
        marked = str(self.traits.marked) if self.traits.wanted == MARKED else ""
        if not self.view.is_outdated("found", (self.sample, self.traits.wanted, marked, layer)):
            return
        if self.view.is_static:
            for _step in self._steps():
                pass
        else:
            self.view.submit("card", lambda: self.view.reported(_("ranking the cells"), self._steps()))

    def wanted_values(self) -> np.ndarray:
        """The property that is looked for, for each character of the text."""
        text, wanted = self.view.part(TextPart).encoded, self.traits.wanted
        if wanted == MARKED:
            values = np.zeros(len(text.text))
            for first, end in self.traits.marked:
                for start, stop in text.spans[first:end]:
                    values[start:stop] = 1
            return values
        if wanted.startswith(PATTERN):
            return matches(wanted.removeprefix(PATTERN))(text.text)
        if wanted not in PROPERTIES:
            raise ValueError(f"find must be one of {', '.join(PROPERTIES)}, got {wanted!r}")
        return PROPERTIES[wanted](text.text)

    def _steps(self) -> Generator[None, None, None]:
        wanted = self.traits.wanted
        if not wanted:
            self.traits.found = None
            return
        rankings: dict[str, CellRanking] = {}
        try:
            values = self.wanted_values()
            names = self._names()
            for number, name in enumerate(names, 1):
                layer = cells(self.sample.recording, self.view.part(TextPart).encoded, name)
                rankings[name] = layer.following(values, block=self._block())
                self.traits.found = found_payload(wanted, rankings, done=number / len(names))
                yield
        except ValueError as error:
            self.traits.found = not_found(wanted, str(error))

    def _block(self) -> int:
        """The blocks that the text is cut into: of a marked part, some choose the cells and some judge them."""
        if self.traits.wanted != MARKED:
            return BLOCK
        return max(2, min((end - first for first, end in self.traits.marked), default=BLOCK) // 4)

    def _names(self) -> list[str]:
        """The layers whose cells are ranked: the states of recurrent layers, else what activation functions give."""
        part = self.view.part(CellsPart)
        if not self.traits.everywhere:
            return [part.layer.layer]
        kinds = {name: self.sample.recording.operation(name).kind for name in part.names}
        for chosen in ("state", "activation"):
            if found := [name for name, kind in kinds.items() if kind == chosen]:
                return found
        return list(kinds)

    def complete(self) -> None:
        if self.traits.wanted and self.traits.found is None:
            for _step in self._steps():
                pass

    def describe(self) -> str:
        found = self.traits.found
        return f"{self.traits.wanted}: {found['words'] or found['problem']}" if found else ""
