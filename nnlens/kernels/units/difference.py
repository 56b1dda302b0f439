"""What two inputs, or two models, differ in: the maps of a layer, unit by unit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Integer

from .activations import Activations


@dataclass(frozen=True, eq=False, kw_only=True)
class ActivationDifference:
    """The second minus the first, of one layer.

    Attributes
    ----------
    maps : Activations
        The differences as maps, with their statistics: positive where the second is larger.
    rms : float32 array (units,)
        The root mean square of each unit's differences, over its finite values.
    """

    maps: Activations
    rms: Float[np.ndarray, " units"]

    @property
    def order(self) -> Integer[np.ndarray, " units"]:
        """The units, those that differ most first."""
        return np.argsort(-self.rms, kind="stable")


def activation_difference(first: Activations, second: Activations) -> ActivationDifference:
    """The differences of a layer's maps, second minus first.

    Raises ValueError where the maps are not of the same shape.
    """
    if first.values.shape != second.values.shape:
        one, other = (" × ".join(map(str, maps.values.shape)) for maps in (first, second))
        raise ValueError(f"the layers must have maps of the same shape, got {one} and {other}")
    with np.errstate(invalid="ignore"):
        values = (second.values - first.values).astype(np.float32)
    flat = values.reshape(len(values), -1)
    known = np.where(np.isfinite(flat), flat, 0)
    peak = np.abs(known).argmax(1)
    zeros = (flat == 0).mean(1)
    width = values.shape[2]
    maps = replace(
        second,
        values=values,
        minimum=known.min(1),
        maximum=known.max(1),
        mean=known.mean(1, dtype=np.float32),
        zeros=zeros.astype(np.float32),
        peak=np.stack([peak // width, peak % width], 1),
        dead=zeros == 1,
        not_finite=int(flat.size - np.isfinite(flat).sum()),
    )
    return ActivationDifference(maps=maps, rms=np.sqrt((known**2).mean(1)).astype(np.float32))
