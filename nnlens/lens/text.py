"""The methods of `Lens` for models that read text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from nnlens.session.session import Session
from nnlens.widgets.base.documented import documented
from nnlens.widgets.base.options import AttentionOptions, CellsOptions, LogitLensOptions

if TYPE_CHECKING:
    from nnlens.widgets import AttentionWidget, CellsWidget, LogitLensWidget


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

    @documented(AttentionOptions)
    def attention(self, text: Any = None, **options: Unpack[AttentionOptions]) -> AttentionWidget:
        """Which tokens each head reads from: all heads, one over the text, known patterns, what is lost without it.

        Parameters
        ----------
        text : optional
            A text for a lens with a tokenizer, else an image as for `explore`, whose patches are the tokens; the latest
            one if left out.
        **options
            See below.

        Raises
        ------
        ValueError
            For a model without attention, and a text that is empty or too long for it.
        """
        from nnlens.widgets import AttentionWidget

        with self._session.selections.unchanged_on_error():
            return AttentionWidget(self._session, text, **options)

    @documented(LogitLensOptions)
    def logit_lens(self, text: Any = None, **options: Unpack[LogitLensOptions]) -> LogitLensWidget:
        """What the output head would predict from the state after each block, at each token.

        Parameters
        ----------
        text : optional
            As for `attention`.
        **options
            See below.

        Raises
        ------
        ValueError
            For a model that gives no logits, or has no residual stream.
        """
        from nnlens.widgets import LogitLensWidget

        with self._session.selections.unchanged_on_error():
            return LogitLensWidget(self._session, text, **options)
