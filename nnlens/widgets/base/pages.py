"""Pages without a kernel and pictures of a view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
from PIL import Image

from nnlens.export.bundle import BUDGET, Response, mime_bundle, packed_size
from nnlens.export.saving import save
from nnlens.inputs.labels import short
from nnlens.render import Panel, draw
from nnlens.render.text import text_picture
from nnlens.session.selection import Selection
from nnlens.utils.language import _

from .fitting import fitted
from .part import Part
from .traits import ViewTraits

# The values of transient requests in a page that is opened later.
AT_REST = {"stale": False, "read_as": None, "error": None, "upload": None, "busy": "", "restore": None}
# Traits of ipywidgets, which are of no use to a reader or to a saved page.
OUTSIDE = {"layout", "tabbable", "tooltip", "comm", "_esm", "_css", "_anywidget_id", "_dom_classes"}


class SavedView(anywidget.AnyWidget, ViewTraits):
    """What a view keeps of itself: the state of a page, the page's responses, a picture, words."""

    _selection: Selection
    _parts: list[Part]
    _static: bool

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is being computed."""
        raise NotImplementedError

    def update(self, *, full: bool = False) -> bool:
        """Record the image again if the model has changed."""
        raise NotImplementedError

    def shown_classes(self) -> list[int]:
        """The classes that the bars show."""
        raise NotImplementedError

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """The states of a page without a kernel for its reader's choices, within `budget` bytes.

        `whole` computes what is missing; without it the page holds what is there, so that a cell need not wait.
        """
        responses: list[Response] = []
        for part in self.baking_order():
            left = budget - sum(packed_size(response.table) for response in responses)
            responses += part.bake(max(0, left), whole=whole)
        return responses

    def baking_order(self) -> Sequence[Part]:
        """The parts in the order in which they take from a page's budget."""
        return self._parts

    def picture(self) -> Image.Image:
        """The view as one picture, for pages that run no scripts."""
        return draw(self.panels())

    def panels(self) -> list[Panel]:
        """The panels of `picture`: the photograph, then those of the parts."""
        return [self.photo_panel(), *(panel for part in self._parts for panel in part.panels())]

    def photo_panel(self) -> Panel:
        """The photograph with the bars of its classes."""
        sample = self._selection.sample
        shown = self.shown_classes()
        rows = [(short(sample.names[index]), float(sample.probabilities[index])) for index in shown]
        title = sample.input.name
        if rows:
            title += f" · {short(self._selection.label)} {sample.words_of(self._selection.target)}"
        encoded = sample.input.text
        picture = sample.input.shown if encoded is None else text_picture(encoded, np.zeros(len(encoded)), 1.0)
        return Panel(title=title, image=picture, bars=rows)

    def describe(self) -> str:
        """The view in words: the text alternative of its picture."""
        sample = self._selection.sample
        if sample.meaning is None:
            words = _("The model's output is not read as scores: {problem}", problem=sample.problem)
        else:
            best = ", ".join(f"{short(sample.names[index])} {sample.words_of(index)}" for index in sample.top(3))
            words = _("The model says {classes}.", classes=best)
        return " ".join(filter(None, [f"nnlens: {sample.input.name}. {words}", *(p.describe() for p in self._parts)]))

    def title(self) -> str:
        """A short title: "coffee.jpg: espresso 0.83"."""
        sample = self._selection.sample
        answer = f": {short(self._selection.label)} {sample.words_of(self._selection.target)}" if sample.names else ""
        return f"{sample.input.name}{answer}"

    def page_state(self, room: int = BUDGET) -> dict[str, Any]:
        """The synced traits that the page without a kernel starts from, reduced to about `room` bytes.

        What was reduced is stated in `note`.
        """
        names = [name for name in self.keys if name not in OUTSIDE and not name.startswith(("_model", "_view"))]
        state = {name: AT_REST.get(name, getattr(self, name)) for name in names}
        for part in self._parts:
            state |= part.page_state(state)
        return fitted(state, room, self._parts)

    def complete(self) -> None:
        """Compute now what a saved page or picture needs."""
        self.wait()
        if self.update(full=True):  # a page is of one state of the model
            self.wait()
        for part in self._parts:
            part.complete()

    def _repr_mimebundle_(self, **keywords: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        live = None if self._static else super()._repr_mimebundle_(**keywords)
        return mime_bundle(self, live, budget=BUDGET, whole=self._static)

    def save(self, path: str | Path, *, title: str = "", text: str = "") -> Path:
        """Write the view to `path`: a page that needs neither kernel nor network (.html), or a picture (.png).

        A page holds the whole occlusion experiment, which is computed first where it is missing.

        Parameters
        ----------
        title : str
            Of a page, shown as its heading too; the image's name and the model's answer by default.
        text : str
            Shown below the heading of a page. An empty line begins a new paragraph.
        """
        return save(self, path, title=title, text=text)
