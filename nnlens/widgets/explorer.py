"""Everything linked: photograph, occluder, layers, mosaic, unit."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, ClassVar

import traitlets as t

from ..kernels import Activations, Occlusion
from ..render import html_of
from .activations import ActivationsWidget
from .occlusion import OcclusionWidget
from .unit import Card
from .view import View, built, synced


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

    def __repr__(self) -> str:
        lines = [f"Exploration({self.image!r}: {self.label}, {self.probability:.4g})"]
        return "\n  ".join([*lines, repr(self.activations), repr(self.occlusion)])

    def _repr_html_(self) -> str:
        heading = html.escape(f"{self.image}: {self.label} {self.probability:.4g}")
        parts = map(html_of, (self.occlusion, self.activations))
        return f"<div><b>{heading}</b>{''.join(parts)}</div>"


class Explorer(Card, OcclusionWidget):
    """A photograph and a network, all panes of one selection. `.result` has the numbers of all of them."""

    _esm = built("explorer.js")
    _css = built("nnlens.css")
    parts: ClassVar[tuple[str, ...]] = (
        *("photo", "bars", "curve", "map", "fill", "layers", "mosaic", "unit"),
        *Card.card_parts,
        "code",
    )
    controls: ClassVar[tuple[str, ...]] = (
        *OcclusionWidget.controls,
        *("filter", "sort", "scale", "number", "overlay", "card"),
    )
    options: ClassVar[tuple[str, ...]] = (
        *View.options,
        *ActivationsWidget.options[len(View.options) :],
        *OcclusionWidget.options[len(View.options) :],
        "card",
    )

    card_module = synced(t.Unicode("", help="the card's JavaScript, once it is open"))

    def _prepare(self, options: dict[str, Any]) -> None:
        super()._prepare(options)
        self.card = bool(options.get("card", False))

    def _start(self) -> None:
        super()._start()
        if self.card:
            self.fill_card()

    def _follow_card(self, change: Any = None) -> None:
        if self.card and not self.card_module:
            self.card_module = built("unit.js")
        super()._follow_card(change)

    def fill_card(self) -> None:
        self._follow_card()
        super().fill_card()

    @property
    def result(self) -> Exploration:
        """The selection with its layer's activations and its occlusion map (waits until the map is there)."""
        self._refresh(full=True)  # everything below is of one state of the model
        selection = self._selection
        sample, target = selection.sample, selection.target
        return Exploration(
            image=selection.image,
            target=target,
            label=selection.label,
            probability=float(sample.probabilities[target]),
            logit=float(sample.odds()[target]),
            layer=selection.layer,
            unit=selection.unit,
            activations=self._activations,
            occlusion=self._occlusion,
        )
