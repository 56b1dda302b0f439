"""Everything linked: photograph, occluder, layers, mosaic, unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..kernels import Activations, Occlusion
from .activations import ActivationsWidget
from .occlusion import OcclusionWidget
from .view import View, built


@dataclass(frozen=True)
class Exploration:
    """The numbers behind the explorer, as it stands.

    Attributes
    ----------
    image, label : str
        The image's name and the target's.
    target, unit : int
    probability, logit : float
        The target's, for the image as it is.
    activations : Activations
        The selected layer's.
    occlusion : Occlusion
        The map of the chosen size and fill.
    """

    image: str
    target: int
    label: str
    probability: float
    logit: float
    layer: str
    unit: int
    activations: Activations
    occlusion: Occlusion


class Explorer(ActivationsWidget, OcclusionWidget):
    """A photograph and a network, all panes of one selection. `.result` has the numbers of all of them."""

    _esm = built("explorer.js")
    _css = built("nnlens.css")
    parts: ClassVar[tuple[str, ...]] = ("photo", "bars", "curve", "map", "fill", "layers", "mosaic", "unit", "code")
    options: ClassVar[tuple[str, ...]] = (
        *View.options,
        *ActivationsWidget.options[len(View.options) :],
        *OcclusionWidget.options[len(View.options) :],
    )

    @property
    def result(self) -> Exploration:
        """The selection with its layer's activations and its occlusion map (waits until the map is there)."""
        selection = self._selection
        sample, target = selection.sample, selection.target
        return Exploration(
            image=selection.image,
            target=target,
            label=selection.label,
            probability=float(sample.probabilities[target]),
            logit=float(sample.logits[target]),
            layer=selection.layer,
            unit=selection.unit,
            activations=self._activations,
            occlusion=self._occlusion,
        )
