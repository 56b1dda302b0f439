"""The methods of `Lens` that look at what training has made of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from nnlens.session.session import Session
from nnlens.widgets.base.documented import documented
from nnlens.widgets.base.options import LandscapeOptions, SimilarityOptions

if TYPE_CHECKING:
    from nnlens.widgets import LandscapeWidget, SimilarityWidget


class TrainingViews:
    """What `Lens` inherits: the loss around the weights, and how alike two models are."""

    _session: Session

    @documented(LandscapeOptions)
    def landscape(
        self, dataset: Any, *, watch: Any = None, other: Any = None, **options: Unpack[LandscapeOptions]
    ) -> LandscapeWidget:
        """The loss around the model's weights: along directions, in the plane of a training, and how sharp it is.

        Parameters
        ----------
        dataset : labelled images, or a pair of tensors
            As for `Lens.dataset`, each image with the label of a class; or inputs and targets: classes (n,), or values
            of the shape of the model's output.
        watch : Watch, optional
            Of the model's training: its checkpoints are drawn as a path, in the plane that shows most of it.
        other : model, Lens or state dictionary, optional
            Of the same kind: the loss on the straight line to it is drawn too.
        **options
            See below.

        Raises
        ------
        ValueError
            For images without labels, fewer than three checkpoints, and another model that does not fit.
        """
        from nnlens.widgets import LandscapeWidget

        with self._session.selections.unchanged_on_error():
            return LandscapeWidget(self._session, dataset, watch, other, **options)

    @documented(SimilarityOptions)
    def similarity(self, other: Any, images: Any, **options: Unpack[SimilarityOptions]) -> SimilarityWidget:
        """How alike the layers of this model and of another one are, beside what chance gives, and which units differ.

        Parameters
        ----------
        other : model, Lens or state dictionary
            Another model for the same inputs: a checkpoint, another training, another architecture.
        images : tensor (n, ...), or images as for `Lens.dataset`
            At least three inputs of both.
        **options
            See below.

        Raises
        ------
        ValueError
            For fewer than three images, and layers that do not exist.
        """
        from nnlens.widgets import SimilarityWidget

        with self._session.selections.unchanged_on_error():
            return SimilarityWidget(self._session, other, images, **options)
