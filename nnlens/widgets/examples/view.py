"""The view of a data set's examples, while it is being searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from nnlens.kernels import DatasetExamples
from nnlens.render import Panel
from nnlens.session.mode import is_static
from nnlens.utils.language import _
from nnlens.widgets.activations.layers import LayersPart, LayersTraits
from nnlens.widgets.base.options import ExamplesOptions
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.view import View
from nnlens.widgets.card.card import CardPart, CardTraits
from nnlens.widgets.card.examples import ExamplesPart, ExamplesTraits, contact_sheet


class ExamplesWidget(View, LayersTraits, CardTraits, ExamplesTraits):
    """The examples of one unit at a time. `.result` is what was found so far, a `DatasetExamples`."""

    module: ClassVar = "examples"
    part_types: ClassVar = (LayersPart, ExamplesPart, CardPart)
    panes: ClassVar = ("layers", "examples", "code")
    option_type: ClassVar = ExamplesOptions
    card_is_open: ClassVar = True

    def __init__(self, session: Any, image: Any = None, **options: Any):
        if is_static():
            session.search.finish()
        super().__init__(session, image, **options)

    @property
    def result(self) -> DatasetExamples | None:
        """What was found so far, by layer: all of it once `.wait()` has returned."""
        return self.session.search.results

    def baking_order(self) -> Sequence[Part]:
        """The examples first: other layers take what is left of the page."""
        return [*self.parts[1:], self.parts[0]]

    def panels(self) -> list[Panel]:
        """The examples alone."""
        kinds = {"top": _("top examples"), "median": _("median examples"), "bottom": _("bottom examples")}
        title = f"{self.selection.layer} · {self.selection.unit}: {kinds[self.kind]}"
        return [Panel(title=title, image=contact_sheet((self.examples or {}).get("items", [])))]
