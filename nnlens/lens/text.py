"""The methods of `Lens` for models that read text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import Unpack

from nnlens.session.session import Session
from nnlens.widgets.base.options import CellsOptions, documented

if TYPE_CHECKING:
    from nnlens.widgets import CellsWidget


class TextViews:
    """What `Lens` inherits: views of a text, for which the lens has a tokenizer or an alphabet."""

    _session: Session

    @documented(CellsOptions)
    def cells(self, text: str | None = None, **options: Unpack[CellsOptions]) -> CellsWidget:
        """The text coloured by one cell of the network, all cells over time, and cells that follow a property.

        A cell is any unit with a value for each token: the state or a gate of a recurrent layer, a unit of a
        transformer. The text can be edited in the view.

        Parameters
        ----------
        text : str, optional
            The text that the model reads; the latest one if left out.
        **options
            See below.

        Raises
        ------
        ValueError
            For a lens without a tokenizer, an empty text, and one that is too long for the model.
        """
        from nnlens.widgets import CellsWidget

        with self._session.selections.unchanged_on_error():
            return CellsWidget(self._session, text, **options)
