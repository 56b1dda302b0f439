"""A view of a text."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import get_type_hints

from nnlens.inputs import Input
from nnlens.render import Panel
from nnlens.session.session import Session
from nnlens.utils.language import _

from .text import TextTraits
from .view import View


class TextView(View, TextTraits):
    """A view of a text through a lens that has a tokenizer."""

    controls: ClassVar[tuple[str, ...]] = ("edit", "predictions", "undo", "state", "code")
    needs_scores: ClassVar = False
    needs_image: ClassVar = False
    text_only: ClassVar[bool] = True  # else the view shows images too

    def __init__(self, session: Session, text: Any = None, **options: Any):
        if text is None:
            latest = None if session.selections.is_empty else session.selections.latest.sample.input
            if latest is None or (self.text_only and latest.text is None):
                raise ValueError("text must be given: this lens has not read one yet")
        elif not isinstance(text, Input):
            reads = self.text_only or (isinstance(text, str) and session.setup.codec is not None)
            text = session.setup.text_input(text) if reads else session.input_of(text)
        # Cells differ in their ranges by far more than the channels of an image.
        usual = {"scale": "unit"} if "scale" in get_type_hints(self.option_type) else {}
        super().__init__(session, text, **(usual | options))

    def panels(self) -> list[Panel]:
        """The panels of the parts, and before them the photograph of an image."""
        photo = [] if self.selection.sample.input.text is not None else [self.photo_panel()]
        return [*photo, *(panel for part in self.parts for panel in part.panels())]

    def title(self) -> str:
        """The beginning of the text."""
        return str(self.selection.sample.input.name)

    def describe(self) -> str:
        """The view in words."""
        named = _("nnlens: the text “{name}”", name=self.title())
        if self.selection.sample.input.text is None:
            named = f"nnlens: {self.selection.sample.input.name}"
        words = [named, *(part.describe() for part in self.parts)]
        return "; ".join(filter(None, words))
