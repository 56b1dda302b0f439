"""Which dimensions of a recorded value are the rows and the columns of the image, and which are its channels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Form:
    """How a value of one input becomes a map (n, rows, columns, channels) and back.

    Everything but the batch, the rows and the columns counts as channels: of a volume that is sliced also its depth.

    Attributes
    ----------
    shape : tuple of int
    rows : int or None
        The dimension of the rows; None where the image has only one, which the value does not show.
    columns : int
    """

    shape: tuple[int, ...]
    rows: int | None
    columns: int

    @property
    def rest(self) -> tuple[int, ...]:
        """The dimensions that count as channels; of a volume its channels are the last, as convolutions are fastest."""
        rest = [dim for dim in range(1, len(self.shape)) if dim not in (self.rows, self.columns)]
        if len(rest) > 1 and self.first:
            rest.append(rest.pop(0))
        return tuple(rest)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of these dimensions."""
        return tuple(self.shape[dim] for dim in self.rest)

    @property
    def channels(self) -> int:
        """How many numbers there are at each place."""
        return math.prod(self.sizes)

    @property
    def first(self) -> bool:
        """Whether the channels are the first dimension after the batch, as convolutions have them."""
        return self.columns > 1 and self.rows != 1

    @property
    def spatial(self) -> int:
        """Over how many dimensions the windows of a convolution of this value move."""
        return len(self.shape) - 2

    @property
    def last(self) -> bool:
        """Whether there is one dimension of channels, the last one."""
        return self.rest == (len(self.shape) - 1,)

    def split(self, value: int | tuple[int, ...], neutral: int = 1) -> tuple[int, tuple[int, int]]:
        """The argument of an operation with windows: its number for the depth, and those for rows and columns.

        `neutral` is the number for a dimension that a signal or an image lacks.
        """
        values = value if isinstance(value, tuple) else (value,)
        values = values * self.spatial if len(values) == 1 else values
        deep = next((number for dim, number in enumerate(values, 2) if dim not in (self.rows, self.columns)), neutral)
        return deep, (neutral if self.rows is None else values[self.rows - 2], values[self.columns - 2])

    @property
    def _order(self) -> tuple[int, ...]:
        places = (self.columns,) if self.rows is None else (self.rows, self.columns)
        return (0, *places, *self.rest)

    def map(self, value: Tensor) -> Tensor:
        """A value as (n, rows, columns, channels)."""
        value = value.permute(self._order)
        value = value.unsqueeze(1) if self.rows is None else value
        return value if len(self.rest) == 1 else value.flatten(3) if self.rest else value.unsqueeze(3)

    def value(self, map_: Tensor) -> Tensor:
        """A map (n, rows, columns, channels), of all places or of some, as the operations take it."""
        count, down, across = map_.shape[:3]
        places = (across,) if self.rows is None else (down, across)
        if len(self.rest) != 1 or self.rows is None:
            map_ = map_.reshape(count, *places, *self.sizes)
        order = self._order
        return map_.permute([order.index(dim) for dim in range(len(order))])

    def same_places(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor that is broadcast to this form is the same at every place."""
        full = (1,) * (len(self.shape) - len(shape)) + shape
        return full[self.columns] == 1 and (self.rows is None or full[self.rows] == 1)
