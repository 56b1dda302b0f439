"""Which input pixels a unit can see, by the definition of every operation on its path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from nnlens.recording import Recording

from .reach import Reach, Reaches
from .reach_rules import reach_of


@dataclass(frozen=True)
class ReceptiveField:
    """What the units of one operation see of the input, along each of the input's spatial axes.

    Attributes
    ----------
    size, stride, offset : tuples of numbers
        In input pixels, by the path's kernels alone: the unit at index i sees the `size` pixels that begin at
        `offset + i · stride`; those outside the image are padding. None along an axis where the field is no such
        window (all of the input, a ragged pooling, tokens).
    whole : bool
        Every unit sees all of the input.
    exact : bool
        False where the path holds an operation whose reach is not known: the units see this much at most.
    """

    size: tuple[int | None, ...]
    stride: tuple[Fraction | None, ...]
    offset: tuple[Fraction | None, ...]
    whole: bool
    exact: bool

    def __str__(self) -> str:
        if self.whole:
            return "all" if self.exact else "≤ all"
        if None in self.size:
            return "varies"
        sizes = list(map(str, self.size))
        return ("" if self.exact else "≤ ") + (sizes[0] if len(set(sizes)) == 1 else " × ".join(sizes))


def receptive_field(recording: Recording, layer: str) -> ReceptiveField | None:
    """The receptive field of the units of `layer`; None where what the layer gives does not come from an image.

    The sizes are those of Araujo, Norris & Sim 2019 (distill.pub/2019/computing-receptive-fields), over all paths.
    """
    found = reaches_of(recording).get(recording.resolve(layer))
    if found is None:
        return None
    sizes = _image(recording)
    return ReceptiveField(
        tuple(one.length for one in found.axes),
        tuple(one.step for one in found.axes),
        tuple(one.first for one in found.axes),
        all(
            bool((one.low == 0).all() and (one.high == size - 1).all())
            for one, size in zip(found.axes, sizes, strict=True)
        ),
        found.exact,
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
    found = reaches_of(recording).get(operation.name)
    if found is None:
        return None
    slices = []
    for one in found.axes:
        place = 0 if one.axis is None else position[one.axis]
        low, high = int(one.low[place]), int(one.high[place])
        slices.append(slice(low, high + 1))
    nothing = any(one.stop <= one.start for one in slices)
    return tuple(slice(0, 0) for _ in slices) if nothing else tuple(slices)


def map_fields(recording: Recording, layer: str, places: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """What the rows and the columns of a layer's maps see of an image: int (rows, 2) and (columns, 2), first and last.

    `places` (height, width) says where the numbers of a map lie in the layer's output, flat. None where `seen_by` gives
    None, or the image has not two axes.
    """
    operation = recording.operation(layer)

    def seen(place: int) -> tuple[slice, ...] | None:
        return seen_by(recording, operation.name, tuple(map(int, np.unravel_index(place, operation.shape))))

    rows = [seen(int(place)) for place in places[:, 0]]
    columns = [seen(int(place)) for place in places[0]]
    if any(one is None or len(one) != 2 for one in (*rows, *columns)):
        return None
    down = np.array([(one[0].start, one[0].stop - 1) for one in rows if one is not None])
    across = np.array([(one[1].start, one[1].stop - 1) for one in columns if one is not None])
    return down, across


def _image(recording: Recording) -> tuple[int, ...]:
    """The spatial sizes of the model's first input; empty if it is no batch of images, lines or volumes."""
    for operation in recording:
        for source in operation.sources:
            if source.name == "input":
                dimensions = re.search(r"(?:conv|pool|transpose)([123])d", operation.op)
                alone = dimensions is not None and len(source.shape) == int(dimensions[1]) + 1  # it has no batch
                return () if alone else source.shape[2:]
    return ()


def reaches_of(recording: Recording) -> dict[str, Reaches]:
    """The reach of every operation whose value comes from the image."""
    reaches: dict[str, Reaches] = recording.cache.once("reaches", make=lambda: _reaches(recording))
    return reaches


def _reaches(recording: Recording) -> dict[str, Reaches]:
    known: dict[str, Reaches] = {}
    places = [np.arange(size) for size in _image(recording)]
    if places:
        axes = [Reach(axis, one, one, Fraction(1), Fraction(0), 1) for axis, one in enumerate(places, start=2)]
        known["input"] = Reaches(tuple(axes), True)
        for operation in recording:
            found = reach_of(operation, known)
            if found is not None:
                known[operation.name] = found
    return known


def spatial_dimensions(recording: Recording, layer: str) -> tuple[int | None, ...]:
    """Along which dimension of a layer's output each spatial axis of the image lies; None where it is mixed away.

    Empty where the layer does not come from an image.
    """
    found = reaches_of(recording).get(layer)
    return () if found is None else tuple(one.axis for one in found.axes)


def token_grids(recording: Recording) -> dict[int, tuple[int, int]]:
    """How many tokens → the rows and columns of the image's patches that they are, where the pass tells.

    Read off where two spatial axes became one dimension, row by row; tokens in front that see nothing are extra.
    """
    found: dict[int, tuple[int, int]] = {}
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
            found.setdefault(len(down.low), (count, columns))
    return found
