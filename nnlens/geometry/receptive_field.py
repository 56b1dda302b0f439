"""Which input pixels a unit can see, by the definition of every operation on its path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from nnlens.recording import Recording
from nnlens.utils.language import _

from .reach import Reach, Reaches
from .reach_rules import reach_of


@dataclass(frozen=True, kw_only=True)
class ReceptiveField:
    """What the units of one operation see of the input, along each of the input's spatial axes.

    Attributes
    ----------
    size, stride, offset : tuples of numbers
        In input pixels, by the path's kernels alone: the unit at index i sees the `size` pixels that begin at
        `offset + i · stride`; those outside the image are padding. None along an axis where it is not such a
        window (all of the input, a ragged pooling, tokens).
    whole : bool
        Every unit sees all of the input.
    exact : bool
        False where the path contains an operation of unknown reach: the units see this much at most.
    """

    size: tuple[int | None, ...]
    stride: tuple[Fraction | None, ...]
    offset: tuple[Fraction | None, ...]
    whole: bool
    exact: bool

    def __str__(self) -> str:
        if self.whole:
            return _("all") if self.exact else _("≤ all")
        if None in self.size:
            return _("varies")
        sizes = list(map(str, self.size))
        return ("" if self.exact else "≤ ") + (sizes[0] if len(set(sizes)) == 1 else " × ".join(sizes))


def receptive_field(recording: Recording, layer: str) -> ReceptiveField | None:
    """The receptive field of the units of `layer`; None where the layer's output does not come from an image.

    The sizes are those of Araujo, Norris & Sim 2019 (distill.pub/2019/computing-receptive-fields), over all paths.
    """
    result = reaches_of(recording).get(recording.resolve(layer))
    if result is None:
        return None
    sizes = _image(recording)
    return ReceptiveField(
        size=tuple(axis.length for axis in result.axes),
        stride=tuple(axis.step for axis in result.axes),
        offset=tuple(axis.first for axis in result.axes),
        whole=all(
            bool((axis.low == 0).all() and (axis.high == size - 1).all())
            for axis, size in zip(result.axes, sizes, strict=True)
        ),
        exact=result.exact,
    )


def seen_by(recording: Recording, layer: str, position: tuple[int, ...]) -> tuple[slice, ...] | None:
    """The pixels that the unit at `position` (its index along each dimension of the layer's output) can see.

    One slice per spatial axis of the input, cut at its borders; None where `receptive_field` gives None.
    """
    operation = recording.operation(layer)
    inside = len(position) == len(operation.shape) and all(
        0 <= index < size for index, size in zip(position, operation.shape, strict=True)
    )
    if not inside:
        raise ValueError(f"position must be an index into the shape {operation.shape}, got {position}")
    result = reaches_of(recording).get(operation.name)
    if result is None:
        return None
    slices = []
    for item in result.axes:
        index = 0 if item.axis is None else position[item.axis]
        low, high = int(item.low[index]), int(item.high[index])
        slices.append(slice(low, high + 1))
    nothing = any(item.stop <= item.start for item in slices)
    return tuple(slice(0, 0) for _ in slices) if nothing else tuple(slices)


def map_fields(recording: Recording, layer: str, places: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """What the rows and the columns of a layer's maps see of an image: int (rows, 2) and (columns, 2), first and last.

    `places` (height, width) holds the flat indices of a map's numbers in the layer's output. None where `seen_by` gives
    None, or the image does not have two axes.
    """
    operation = recording.operation(layer)

    def seen(index: int) -> tuple[slice, ...] | None:
        return seen_by(recording, operation.name, tuple(map(int, np.unravel_index(index, operation.shape))))

    rows = [seen(int(index)) for index in places[:, 0]]
    columns = [seen(int(index)) for index in places[0]]
    if any(item is None or len(item) != 2 for item in (*rows, *columns)):
        return None
    down = np.array([(row[0].start, row[0].stop - 1) for row in rows if row is not None])
    across = np.array([(column[1].start, column[1].stop - 1) for column in columns if column is not None])
    return down, across


def _image(recording: Recording) -> tuple[int, ...]:
    """The spatial sizes of the model's first input; empty if it is not a batch of images, signals or volumes."""
    for operation in recording:
        for source in operation.sources:
            if source.name == "input":
                dimensions = re.search(r"(?:conv|pool|transpose)([123])d", operation.op)
                has_no_batch = dimensions is not None and len(source.shape) == int(dimensions[1]) + 1
                return () if has_no_batch else source.shape[2:]
    return ()


def has_one_row(recording: Recording) -> bool:
    """Whether the model's input is an image of a single row: a signal."""
    return _image(recording)[:1] == (1,)


def reaches_of(recording: Recording) -> dict[str, Reaches]:
    """The reach of every operation whose value comes from the image."""
    reaches: dict[str, Reaches] = recording.cache.once("reaches", make=lambda: _reaches(recording))
    return reaches


def _reaches(recording: Recording) -> dict[str, Reaches]:
    known: dict[str, Reaches] = {}
    places = [np.arange(size) for size in _image(recording)]
    if places:
        axes = [
            Reach(axis=axis, low=item, high=item, step=Fraction(1), first=Fraction(0), length=1)
            for axis, item in enumerate(places, start=2)
        ]
        known["input"] = Reaches(tuple(axes), True)
        for operation in recording:
            result = reach_of(operation, known)
            if result is not None:
                known[operation.name] = result
    return known


def spatial_dimensions(recording: Recording, layer: str) -> tuple[int | None, ...]:
    """The dimension of a layer's output for each spatial axis of the image.

    None for an axis that is no longer separate; empty where the layer does not come from an image.
    """
    result = reaches_of(recording).get(layer)
    return () if result is None else tuple(axis.axis for axis in result.axes)


def token_grids(recording: Recording) -> dict[int, tuple[int, int]]:
    """Number of tokens → the rows and columns of the image's patches, where the recorded pass shows them.

    They are found where two spatial axes became one dimension, row by row; tokens in front that see nothing are extra.
    """
    result: dict[int, tuple[int, int]] = {}
    for reaches in reaches_of(recording).values():
        if len(reaches.axes) != 2 or reaches.axes[0].axis is None or reaches.axes[0].axis != reaches.axes[1].axis:
            continue
        down, across = reaches.axes
        seeing = np.flatnonzero((down.low <= down.high) & (across.low <= across.high))
        if len(seeing) < 4 or seeing[-1] - seeing[0] + 1 != len(seeing) or seeing[-1] != len(down.low) - 1:
            continue
        rows = down.low[seeing]
        columns = int(np.count_nonzero(rows == rows[0]))
        count = len(rows) // columns
        grid = np.broadcast_to(across.low[seeing][:columns], (count, columns)).ravel()
        if 1 < columns < len(rows) and count * columns == len(rows) and np.array_equal(grid, across.low[seeing]):
            result.setdefault(len(down.low), (count, columns))
    return result
