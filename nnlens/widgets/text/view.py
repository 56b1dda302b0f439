"""A view of a text."""

from __future__ import annotations

from typing import Any, ClassVar

from nnlens.inputs import Input
from nnlens.render import Panel
from nnlens.session.session import Session
from nnlens.utils.language import _
from nnlens.widgets.base.view import View

from .text import TextTraits


class TextView(View, TextTraits):
    """A view of a text through a lens that has a tokenizer."""

    controls: ClassVar[tuple[str, ...]] = ("edit", "predictions", "undo", "state", "code")
    needs_scores: ClassVar = False
    needs_image: ClassVar = False

    def __init__(self, session: Session, text: Any = None, **options: Any):
        if text is None:
            if session.selections.is_empty or session.selections.latest.sample.input.text is None:
                raise ValueError("text must be given: this lens has not read one yet")
        elif not isinstance(text, Input):
            text = session.setup.text_input(text)
        # Cells differ in their ranges by far more than the channels of an image.
        super().__init__(session, text, **({"scale": "unit"} | options))

    def photo_panel(self) -> Panel:
        """There is no photograph."""
        raise NotImplementedError

    def panels(self) -> list[Panel]:
        """The panels of the parts."""
        return [panel for part in self.parts for panel in part.panels()]

    def title(self) -> str:
        """The beginning of the text."""
        return str(self.selection.sample.input.name)

    def describe(self) -> str:
        """The view in words."""
        words = [_("nnlens: the text “{name}”", name=self.title()), *(part.describe() for part in self.parts)]
        return "; ".join(filter(None, words))
