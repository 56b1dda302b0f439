"""The methods of `Lens` that look at weights, and need no image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn
from typing_extensions import Unpack

from nnlens.kernels.weights import Replacement
from nnlens.session.session import Session
from nnlens.widgets.base.documented import documented
from nnlens.widgets.base.options import FiltersOptions, ReplacementsOptions, WeightsOptions
from nnlens.widgets.replacements.images import replaced_on

from .inputs import given_inputs

if TYPE_CHECKING:
    from nnlens.widgets import FiltersWidget, ReplacementsWidget, WeightsWidget


class WeightViews:
    """What `Lens` inherits: views of the model's weights, and changed copies of the model."""

    _session: Session

    @documented(FiltersOptions)
    def filters(
        self, layer: str | nn.Module | None = None, image: Any = None, **options: Unpack[FiltersOptions]
    ) -> FiltersWidget:
        """The filters of a layer: all of them, one enlarged with its numbers, and what it responds to.

        Parameters
        ----------
        layer : str or module, optional
            A module with weights, or a layer that it computes; that of the other views by default.
        image : optional
            As for `explore`; the latest one if left out. The filters are shown without any image too.
        **options
            See below.
        """
        from nnlens.widgets import FiltersWidget

        with self._session.selections.unchanged_on_error():
            value, chosen = given_inputs(self._session, image, options, FiltersOptions)
            return FiltersWidget(self._session, layer, value, **chosen)

    @documented(WeightsOptions)
    def weights(self, against: Any = None, **options: Unpack[WeightsOptions]) -> WeightsWidget:
        """A row for each layer: how its weights, filters and singular values are distributed, beside a reference.

        No image is needed.

        Parameters
        ----------
        against : optional
            What the layers are compared with: a model, a lens or a state dictionary of the same model, or several of
            them by name. By default each layer's own initialisation, drawn by its `reset_parameters`.
        **options
            See below.
        """
        from nnlens.widgets import WeightsWidget

        with self._session.selections.unchanged_on_error():
            return WeightsWidget(self._session, against, **options)

    @documented(ReplacementsOptions)
    def replacements(
        self, layer: str | nn.Module, dataset: Any, **options: Unpack[ReplacementsOptions]
    ) -> ReplacementsWidget:
        """Would something simpler do? Simpler forms of a layer, tried on images: accuracy against cost.

        Parameters
        ----------
        layer : str or module
            A convolution or linear layer.
        dataset : folder, torch Dataset, tensor (n, c, h, w) or sequence of images
            See `inputs.datasets.ImageDataset`. With labels the accuracy is measured, without them how often the top
            class stays the same.
        **options
            See below.
        """
        from nnlens.widgets import ReplacementsWidget

        with self._session.selections.unchanged_on_error():
            return ReplacementsWidget(self._session, layer, dataset, **options)

    def replace(
        self,
        layer: str | nn.Module,
        method: Any,
        *,
        rank: int | None = None,
        amount: float | None = None,
        dataset: Any = None,
        count: int = 256,
    ) -> Replacement:
        """A copy of the model in which a layer computes with simpler weights; the model itself is not changed.

        Parameters
        ----------
        layer : str or module
            A convolution or linear layer.
        method : "low-rank", "separable", "depthwise-separable", "gabor" or "prune"
            See `kernels.weights.replace`.
        rank : int, optional
            Of the first three.
        amount : float, optional
            The share of weights that "prune" sets to 0.
        dataset : optional
            As for `replacements`: measures how often the copy agrees with the model, and the accuracy of both.
        count : int
            How many images of it are used, evenly spread.

        Returns
        -------
        Replacement
            `.model`, `.weight_error`, `.parameters`, `.flops`, `.agreement`, `.accuracy`.
        """
        return replaced_on(self._session, layer, method, rank=rank, amount=amount, dataset=dataset, count=count)
