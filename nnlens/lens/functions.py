"""The methods of `Lens` that look at the network as a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from nnlens.session.session import Session
from nnlens.widgets.base.documented import documented
from nnlens.widgets.base.options import (
    ExponentsOptions,
    FormulaOptions,
    LocalMapOptions,
    RegionsOptions,
    SensitivityOptions,
)

from .inputs import given_inputs

if TYPE_CHECKING:
    from nnlens.widgets import ExponentsWidget, FormulaWidget, LocalMapWidget, RegionsWidget, SensitivityWidget


class FunctionViews:
    """What `Lens` inherits: the function that the network computes, and its pieces."""

    _session: Session

    @documented(FormulaOptions)
    def formula(self, x: Any = None, **options: Unpack[FormulaOptions]) -> FormulaWidget:
        """The exact expression that a small network computes, to read, to change its inputs, and to copy.

        Parameters
        ----------
        x : tensor (1, …), array (n,), or an image as for `explore`, optional
            An input: its shape counts, and the view starts with its values. By default zeros, as many as the first
            linear layer reads.
        **options
            See below.

        Raises
        ------
        FormulaTooLargeError
            A `ValueError`, before anything is written: for a network with more than some thousand weights.
        ValueError
            For an operation that has no expression, and where x is needed.
        """
        from nnlens.widgets import FormulaWidget

        with self._session.selections.unchanged_on_error():
            return FormulaWidget(self._session, x, **options)

    @documented(LocalMapOptions)
    def local_map(self, image: Any = None, other: Any = None, **options: Unpack[LocalMapOptions]) -> LocalMapWidget:
        """The linear function that the network computes at an image, how far it holds, and the way to another image.

        Exact for networks of linear pieces; to first order for others, with the measured distance up to which it
        describes them.

        Parameters
        ----------
        image : path, picture, array or tensor, optional
            As for `explore`.
        other : image, optional
            Where the line leads; plain grey by default.
        **options
            See below.

        Raises
        ------
        ValueError
            For an image that does not fit, or another one that becomes an input of another shape.
        """
        from nnlens.widgets import LocalMapWidget

        with self._session.selections.unchanged_on_error():
            value, chosen = given_inputs(self._session, image, options, LocalMapOptions)
            other, _none = given_inputs(self._session, other, {}, LocalMapOptions)
            return LocalMapWidget(self._session, value, other, **chosen)

    @documented(RegionsOptions)
    def regions(
        self, points: Any = None, labels: Any = None, *, images: Any = None, **options: Unpack[RegionsOptions]
    ) -> RegionsWidget:
        """The linear pieces of a network in a plane, exact: of two inputs, or through three images.

        With points and their classes a copy of the model can be trained in the view while its pieces follow.

        Parameters
        ----------
        points : array (n, 2), optional
            Points of a data set for a model with two inputs; `(points, labels)` may be one argument.
        labels : array (n,), optional
            Their classes, 0, 1 and so on.
        images : three images, optional
            The plane through these, each as for `explore`, instead of that of two inputs.
        **options
            See below.

        Raises
        ------
        ValueError
            For points or images that do not fit. A model without linear pieces opens with its classes at points.
        """
        from nnlens.widgets import RegionsWidget

        with self._session.selections.unchanged_on_error():
            if isinstance(images, (list, tuple)):
                images = [given_inputs(self._session, image, {}, RegionsOptions)[0] for image in images]
            return RegionsWidget(self._session, points, labels, images, **options)

    @documented(SensitivityOptions)
    def sensitivity(self, image: Any = None, **options: Unpack[SensitivityOptions]) -> SensitivityWidget:
        """How small changes of an image grow from layer to layer, and how far it is to another class.

        Beside the network stand a copy at initialisation and one whose weights are scaled. On request simple models are
        fitted to the network around the image, to see where they stop predicting it.

        Parameters
        ----------
        image : path, picture, array or tensor, optional
            As for `explore`.
        **options
            See below.
        """
        from nnlens.widgets import SensitivityWidget

        with self._session.selections.unchanged_on_error():
            value, chosen = given_inputs(self._session, image, options, SensitivityOptions)
            return SensitivityWidget(self._session, value, **chosen)

    @documented(ExponentsOptions)
    def exponents(self, text: Any = None, **options: Unpack[ExponentsOptions]) -> ExponentsWidget:
        """Whether small differences of a recurrent state grow or fade while a text drives it: Lyapunov exponents.

        Parameters
        ----------
        text : str, optional
            As for `cells`. The first 400 tokens are read.
        **options
            See below.

        Raises
        ------
        ValueError
            For a model without a recurrent layer of torch, and an empty text. A layer of two directions is refused.
        """
        from nnlens.widgets import ExponentsWidget

        with self._session.selections.unchanged_on_error():
            return ExponentsWidget(self._session, text, **options)
