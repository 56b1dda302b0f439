"""The view of how small changes grow, and how far it is to another answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnlens.kernels.chaos import Adversarial, Growth
from nnlens.kernels.functions import SurrogateFits
from nnlens.widgets.base.options import SensitivityOptions
from nnlens.widgets.base.view import View

from .border import BorderPart, BorderTraits
from .growth import GrowthPart, GrowthTraits
from .surrogates import SurrogatesPart, SurrogatesTraits


@dataclass(frozen=True)
class SensitivityResult:
    """The numbers of a sensitivity view.

    Attributes
    ----------
    growth : Growth
        Of eight random directions, and of the gradient's as the last.
    adversarial : Adversarial
        The nearest image of another class that DeepFool found.
    surrogates : SurrogateFits or None
        Where they were fitted.
    """

    growth: Growth
    adversarial: Adversarial
    surrogates: SurrogateFits | None


class SensitivityWidget(View, GrowthTraits, BorderTraits, SurrogatesTraits):
    """How small changes of an image grow. `.result` has the numbers, a `SensitivityResult`."""

    module: ClassVar = "sensitivity"
    part_types: ClassVar = (GrowthPart, BorderPart, SurrogatesPart)
    panes: ClassVar = ("photo", "bars", "growth", "stretch", "border", "adversarial", "surrogates", "code")
    controls: ClassVar = (*View.controls, "weight_scale", "amplified", "fit")
    option_type: ClassVar = SensitivityOptions

    @property
    def result(self) -> SensitivityResult:
        """The numbers; what is missing is computed now, but for surrogates that were not asked for."""
        self.update(full=True)
        target = self.selection.target
        return SensitivityResult(
            self.part(GrowthPart).result(),
            self.part(BorderPart).result(),
            self.selection.sample.cache.get("surrogates", target),
        )

    def fit_surrogates(self) -> SurrogateFits:
        """Fit simple models to the network around the image, and show where they fail."""
        self.update(full=True)
        return self.part(SurrogatesPart).result()

    def title(self) -> str:
        """A short title."""
        return "how small changes grow"
