"""The view of a small network as an exact expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nnlens.render import Panel
from nnlens.session.session import Session
from nnlens.widgets.base.options import FormulaOptions
from nnlens.widgets.base.view import View

from .part import FormulaPart, FormulaTraits

if TYPE_CHECKING:
    from nnlens.kernels.formula import Formula


class FormulaWidget(View, FormulaTraits):
    """A small network as an exact expression. `.result` is a `Formula`."""

    module: ClassVar = "formula"
    part_types: ClassVar = (FormulaPart,)
    panes: ClassVar = ("formula", "inputs", "curve", "formula_code", "code")
    controls: ClassVar = ("form", "digits", "undo", "state", "code")
    option_type: ClassVar = FormulaOptions
    needs_scores: ClassVar = False
    needs_image: ClassVar = False
    opens_without_image: ClassVar = True
    shows_images: ClassVar = False

    def __init__(self, session: Session, x: Any, **options: Any):
        self._given = x
        super().__init__(session, None, **options)

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with the input."""
        return {**options, "x": self._given}

    @property
    def result(self) -> Formula:
        """The expression of the model as it is now."""
        self.update(full=True)
        return self.part(FormulaPart).result()

    def title(self) -> str:
        """A short title."""
        return "the network as a formula"

    def describe(self) -> str:
        """The view in words."""
        return f"nnlens: {self.part(FormulaPart).describe()}"

    def panels(self) -> list[Panel]:
        """The formula."""
        return self.part(FormulaPart).panels()
