"""All statistics of a layer's filters: magnitudes, angles, skewness, spectrum, dead and duplicate filters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Integer

from .gabor import Gabor, fit_gabor, noise_fit
from .moments import Moments, moments, shape_of_rows
from .orientation import Orientation, orientation
from .similarity import chain, cosines, dead_filters, duplicates
from .spectrum import Spectrum, spectrum
from .weight import Weight

ORDERS = ("index", "norm", "orientation", "frequency", "similarity")
_MOST_COMPARED = 4096  # filters of which each is compared with each


@dataclass(frozen=True, eq=False, repr=False)
class FilterStatistics:
    """What the numbers of a layer's filters are like; each property is computed when it is first asked for.

    Attributes
    ----------
    weight : Weight
    """

    weight: Weight

    def __post_init__(self) -> None:
        self.weight.matrix()  # raises for numbers that are not finite

    def __repr__(self) -> str:
        return f"FilterStatistics({self.weight.name!r}, {self.moments!r}, {self.spectrum!r})"

    @cached_property
    def rows(self) -> Float[np.ndarray, "filters reads"]:
        """The filters as rows."""
        result: np.ndarray = self.weight.matrix().cpu().numpy()
        return result

    def forget_rows(self) -> None:
        """Free the memory of `rows`, which are made again when they are asked for."""
        vars(self).pop("rows", None)

    @cached_property
    def moments(self) -> Moments:
        """Of all weights of the layer."""
        return moments(self.rows)

    @cached_property
    def norms(self) -> Float[np.ndarray, " filters"]:
        """The Euclidean norm of each filter."""
        result: np.ndarray = np.linalg.norm(self.rows, axis=1)
        return result

    @cached_property
    def skewness(self) -> Float[np.ndarray, " filters"]:
        """Of each filter's weights."""
        return shape_of_rows(self.rows)[0]

    @cached_property
    def kurtosis(self) -> Float[np.ndarray, " filters"]:
        """The excess kurtosis of each filter's weights."""
        return shape_of_rows(self.rows)[1]

    @cached_property
    def orientation(self) -> Orientation | None:
        """The dominant wave of each filter, NaN for dead ones; None where the kernel is no picture of 2 × 2 pixels."""
        kernel = self.weight.kernel
        if len(kernel) != 2 or min(kernel) < 2:
            return None
        found = orientation(self.weight.values)
        return replace(
            found,
            angle=np.where(self.dead, np.nan, found.angle),
            frequency=np.where(self.dead, np.nan, found.frequency),
        )

    @cached_property
    def gabor(self) -> Gabor | None:
        """A Gabor function fitted to each filter's pattern; None for kernels of fewer than 25 pixels."""
        if self.orientation is None or np.prod(self.weight.kernel) < 25:
            return None
        return fit_gabor(self.orientation.planes)

    @property
    def gabor_of_noise(self) -> Gabor | None:
        """The same for noise of the kernel's size."""
        return None if self.gabor is None else noise_fit(*self.weight.kernel)

    @cached_property
    def spectrum(self) -> Spectrum:
        """The singular values of the filters as a matrix."""
        return spectrum(self.weight.matrix())

    @cached_property
    def _compared(self) -> tuple[np.ndarray, tuple[tuple[int, ...], ...]] | None:
        """The order of similarity, and the duplicates; None for more than 4,096 filters, or filters of one number."""
        count, reads = self.rows.shape
        if count > _MOST_COMPARED or reads == 1:
            return None
        similar = cosines(self.rows.astype(np.float32))
        return chain(similar, int(self.norms.argmax())), duplicates(similar)

    @cached_property
    def dead(self) -> Bool[np.ndarray, " filters"]:
        """Filters whose norm is at most a hundredth of the layer's median."""
        return dead_filters(self.norms)

    @property
    def duplicates(self) -> tuple[tuple[int, ...], ...]:
        """Groups of filters whose cosines are at least 0.95; none are looked for among more than 4,096 filters."""
        return () if self._compared is None else self._compared[1]

    @property
    def redundant(self) -> int:
        """How many filters could be computed from another one: all but one of each group of duplicates."""
        return sum(len(group) - 1 for group in self.duplicates)

    def order(self, by: str) -> Integer[np.ndarray, " filters"]:
        """The filters in an order: by "index", "norm", "orientation", "frequency" or "similarity".

        The largest norm comes first, the smallest angle and frequency. What a layer has no numbers for stays in the
        order of the index.
        """
        if by not in ORDERS:
            raise ValueError(f"by must be one of {', '.join(ORDERS)}, got {by!r}")
        index = np.arange(len(self.norms))
        if by == "norm":
            return np.argsort(-self.norms, kind="stable")
        if by == "similarity":
            return index if self._compared is None else self._compared[0]
        if by in ("orientation", "frequency") and self.orientation is not None:
            values = self.orientation.angle if by == "orientation" else self.orientation.frequency
            return np.argsort(values, kind="stable")
        return index
