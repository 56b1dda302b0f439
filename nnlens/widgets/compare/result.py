"""The numbers behind a comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nnlens.kernels import ActivationDifference, Activations, Occlusion, occlusion_difference


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Two images, or two models, as the view shows them.

    Attributes
    ----------
    names : (str, str)
        What the two sides are called.
    labels : tuple of str
        The classes.
    probabilities : float32 array (2, classes)
    target, layer, unit
        What is selected.
    activations : (Activations, Activations)
        The layer's maps.
    difference : ActivationDifference or None
        The second minus the first; None where the layers have maps of different shapes.
    occlusions : (Occlusion, Occlusion)
    """

    names: tuple[str, str]
    labels: tuple[str, ...]
    probabilities: Float[np.ndarray, "two classes"]
    target: int
    layer: str
    unit: int
    activations: tuple[Activations, Activations]
    difference: ActivationDifference | None
    occlusions: tuple[Occlusion, Occlusion]

    @property
    def occlusion_difference(self) -> np.ndarray:
        """How the target's change under the occluder differs, second minus first: (rows, columns)."""
        return occlusion_difference(*self.occlusions, target=self.target)

    def __repr__(self) -> str:
        first, second = self.probabilities[:, self.target]
        name = self.labels[self.target] if self.labels else f"class {self.target}"
        lines = [f"Comparison({self.names[0]!r} and {self.names[1]!r}: {name} {first:.2f} and {second:.2f}"]
        if self.difference is not None:
            unit = int(self.difference.order[0])
            lines.append(f"{self.layer}: unit {unit} differs most, by {self.difference.rms[unit]:.3g} (rms)")
        return "; ".join(lines) + ")"
