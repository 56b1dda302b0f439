"""Which pixels of the image each position of a tensor sees, axis by axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

FAR = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False, kw_only=True)
class Reach:
    """Along one axis of the image: the pixels low … high that each place along a tensor's dimension sees.

    `axis` is that dimension; None where all places see the same, and the arrays hold one number. low > high: nothing
    is seen. `step`, `first` and `length` describe the same as a window, without the image's borders: place i sees
    the pixels first + i · step and `length` − 1 more. None if it is not such a window.
    """

    axis: int | None
    low: np.ndarray
    high: np.ndarray
    step: Fraction | None = None
    first: Fraction | None = None
    length: int | None = None

    def all(self) -> Reach:
        """What all places see together."""
        return Reach(axis=None, low=self.low.min(keepdims=True), high=self.high.max(keepdims=True))

    def at(self, axis: int | None) -> Reach:
        """The same reach along another axis."""
        return replace(self, axis=axis)

    def taking(self, index: np.ndarray) -> Reach:
        """The places at `index`, in that order; no longer a window of the image."""
        return Reach(axis=self.axis, low=self.low[index], high=self.high[index])

    def through(self, windows: Iterable[np.ndarray]) -> Reach:
        """What positions see if each of them looks at some of these; no longer a window of the image."""
        low, high = [], []
        for window in windows:
            window = window[(window >= 0) & (window < len(self.low))]
            low.append(self.low[window].min() if len(window) else FAR)
            high.append(self.high[window].max() if len(window) else -1)
        return Reach(axis=self.axis, low=np.array(low), high=np.array(high))

    def window(self, count: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> Reach:
        """What `count` positions see if they look at these through a kernel."""
        taps = np.arange(kernel) * dilation - padding
        index = taps + np.arange(count)[:, None] * stride
        inside = (index >= 0) & (index < len(self.low))
        index = index.clip(0, len(self.low) - 1)
        low = np.where(inside, self.low[index], FAR).min(1)
        result = Reach(axis=self.axis, low=low, high=np.where(inside, self.high[index], -1).max(1))
        if self.step is None or self.first is None or self.length is None:
            return result
        length = self.length + (kernel - 1) * dilation * self.step
        if length.denominator != 1:
            return result
        return replace(result, step=self.step * stride, first=self.first - padding * self.step, length=int(length))

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it can be the reach of a tensor of this shape."""
        if self.axis is None:
            return len(self.low) == 1
        return 0 <= self.axis < len(shape) and len(self.low) == shape[self.axis]

    def spread(self, by: int, shape: tuple[int, ...]) -> Reach:
        """After broadcasting to `shape`, which put `by` dimensions in front."""
        if self.axis is None:
            return self
        axis = self.axis + by
        return self.all() if len(self.low) == 1 != shape[axis] else self.at(axis)


@dataclass(frozen=True)
class Reaches:
    """What a tensor sees of the image, axis by axis; not `exact` where it is only known to be no more than this."""

    axes: tuple[Reach, ...]
    exact: bool

    def map(self, change: Callable[[Reach], Reach]) -> Reaches:
        """The same with each axis changed."""
        return Reaches(tuple(map(change, self.axes)), self.exact)

    def all(self, *, exact: bool = True) -> Reaches:
        """Each position sees what any of them sees."""
        return Reaches(tuple(axis.all() for axis in self.axes), self.exact and exact)

    def mixing(self, dims: Sequence[int]) -> Reaches:
        """What positions see if each of them looks at all positions along `dims`."""
        return self.map(lambda reach: reach.all() if reach.axis in dims else reach)

    def at_most(self) -> Reaches:
        """The same as an upper bound."""
        return Reaches(self.axes, False)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it has the lengths of this shape."""
        return all(axis.fits(shape) for axis in self.axes)


def merged(reaches: Sequence[Reaches]) -> Reaches:
    """What is seen by a sum of tensors, whose reaches are already aligned with the sum's dimensions."""
    axes, exact = [], all(reach.exact for reach in reaches)
    for several in zip(*(reach.axes for reach in reaches), strict=True):
        along = {item.axis for item in several} - {None}
        if len(along) > 1:  # no box per position along a single dimension can describe it
            several, exact = tuple(item.all() for item in several), False
        low, high = several[0].low, several[0].high
        for item in several[1:]:
            low, high = np.minimum(low, item.low), np.maximum(high, item.high)
        whole = Reach(axis=along.pop() if len(along) == 1 else None, low=low, high=high)
        steps = {item.step for item in several}
        if len(steps) == 1 and None not in steps:
            first = min(item.first for item in several if item.first is not None)
            ends = [item.first + item.length for item in several if item.first is not None and item.length is not None]
            whole = replace(whole, step=several[0].step, first=first, length=math.ceil(max(ends) - first))
        axes.append(whole)
    return Reaches(tuple(axes), exact)
