"""The class of every place, of a model that gives a score for each; a place or a region is made the target."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import traitlets as t
from PIL import Image, ImageDraw
from typing_extensions import NotRequired, TypedDict

from nnlens.kernels import class_map
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload

from .made import made_by

_SHOWN = 12  # classes in the legend


class ClassMap(TypedDict):
    """The most probable class of each place, and where the target is read."""

    rows: int
    columns: int
    classes: list[int]  # the most frequent first
    shares: list[float]
    data: bytes  # uint16, rows × columns
    box: list[int] | None  # of the target: first and last row and column; null for all places
    region: bytes | None  # of a target that is no box: uint8, rows × columns, 1 inside


class AskedPlace(TypedDict):
    """A request to read the target at a place or in a region."""

    box: list[int] | None  # top, left, bottom, right, all inside; null for all places
    outline: NotRequired[list[tuple[float, float]]]  # rows and columns of a line around a region, instead of a box


class ClassMapTraits(t.HasTraits):
    """The traits of `ClassMapPart`."""

    class_map = payload(ClassMap, "the class of every place, of a model that gives a score for each")
    asked_place = payload(AskedPlace, "a request to read the target at a place or in a region", echo=False)


class ClassMapPart(Part):
    """The map of classes of the sample; another place is another sample of the same pass."""

    traits: ClassMapTraits

    def start(self) -> None:
        self.observe("asked_place", self._ask)

    def updates(self) -> dict[str, Any]:
        sample = self.sample
        if not self.view.is_outdated("class_map", sample):
            return {}
        meaning = sample.meaning
        # A picture that the model makes has colours, and no classes.
        if meaning is None or meaning.axes != 2 or made_by(sample) is not None:
            return {"class_map": None}
        classes = class_map(sample.recording.output, meaning)
        found, counts = np.unique(classes, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_SHOWN]
        made: ClassMap = {
            "rows": classes.shape[0],
            "columns": classes.shape[1],
            "classes": [int(found[place]) for place in order],
            "shares": [float(counts[place] / classes.size) for place in order],
            "data": classes.astype(np.uint16).tobytes(),
            "box": _box(meaning.position),
            "region": _region(meaning.position),
        }
        return {"class_map": made}

    def _ask(self, change: Any) -> None:
        asked = self.traits.asked_place
        if not asked:
            return

        def steps() -> Generator[None, None, None]:
            try:
                self._read_at(asked.get("box"), asked.get("outline"))
            finally:
                self.traits.asked_place = None
            yield

        self.view.submit("image", lambda: self.view.reported(_("another place"), steps()))

    def _read_at(self, box: Any, outline: Any = None) -> None:
        """Read the target at a place, over a region, or over all places; its class is the most frequent one there."""
        sample = self.sample
        classes = class_map(sample.recording.output, sample.scored())
        position: Any = None
        inside = classes
        if outline is not None:
            position = inside_of(outline, *classes.shape)
            inside = classes[position]
        elif box is not None:
            rows, columns = classes.shape
            try:
                top, left, bottom, right = (int(edge) for edge in box)
            except (TypeError, ValueError):
                raise ValueError(f"asked_place must be a box (top, left, bottom, right), got {box!r}") from None
            if not (0 <= top <= bottom < rows and 0 <= left <= right < columns):
                raise ValueError(
                    f"asked_place must be a box (top, left, bottom, right) inside of {rows} × {columns} places, got "
                    f"{list(box)}"
                )
            inside = classes[top : bottom + 1, left : right + 1]
            position = (top, left)
            if inside.size > 1:
                position = np.zeros(classes.shape, bool)
                position[top : bottom + 1, left : right + 1] = True
        self.selection.show(self.session.samples.of(sample.input, position=position))
        self.selection.target = int(np.bincount(inside.ravel()).argmax())

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"asked_place": None}


def inside_of(outline: Any, rows: int, columns: int) -> np.ndarray:
    """The places inside a line around a region, bool (rows, columns); at least those on the line."""
    try:
        points = [(float(column), float(row)) for row, column in outline]
        sure = all(math.isfinite(number) for point in points for number in point)
    except (TypeError, ValueError):
        sure = False
    if not sure:
        raise ValueError(f"outline must be pairs of a row and a column, got {outline!r}")
    if not points:
        raise ValueError("outline must hold at least one place, got none")
    picture = Image.new("L", (columns, rows))
    pen = ImageDraw.Draw(picture)
    places = [(int(column), int(row)) for column, row in points]
    if len(places) > 2:
        pen.polygon(places, fill=1, outline=1)
    else:
        pen.line(places * 2, fill=1)
    mask = np.asarray(picture, bool)
    if not mask.any():
        raise ValueError(f"outline must lie inside of {rows} × {columns} places")
    return mask


def _region(position: Any) -> bytes | None:
    """The places of a target that is a region, but no box."""
    if not isinstance(position, np.ndarray):
        return None
    top, left, bottom, right = _box(position) or [0, 0, 0, 0]
    whole = int(position.sum()) == (bottom - top + 1) * (right - left + 1)
    return None if whole else position.astype(np.uint8).tobytes()


def _box(position: Any) -> list[int] | None:
    """The first and last row and column of a target's place or region."""
    if position is None:
        return None
    if not isinstance(position, np.ndarray):
        row, column = position
        return [row, column, row, column]
    rows, columns = (np.flatnonzero(position.any(axis)) for axis in (1, 0))
    return [int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1])]
