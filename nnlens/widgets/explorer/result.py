"""The numbers behind the explorer."""

from __future__ import annotations

import html
from dataclasses import dataclass

from nnlens.kernels import Activations, Occlusion
from nnlens.render import html_of
from nnlens.utils.language import number


@dataclass(frozen=True, kw_only=True)
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
        heading = html.escape(f"{self.image}: {self.label} {number(f'{self.probability:.4g}')}")
        parts = map(html_of, (self.occlusion, self.activations))
        return f"<div><b>{heading}</b>{''.join(parts)}</div>"
