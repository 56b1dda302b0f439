"""What a search of a long text has found, in memory that does not depend on the text's length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nnlens.kernels.units.examples.quantiles import QuantileSketch
from nnlens.scale import Result, Shard

KEPT = 64  # windows of each kind: the highest, the lowest, and a sample of all


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FoundContexts:
    """The best windows of every cell, a sample of all windows, and how the cells' highest values are distributed.

    Attributes
    ----------
    count : int
        How many windows there were.
    highest, lowest : float32 arrays (kept, cells)
        For each cell the highest values, the largest first, and the lowest, the smallest first; of equal ones the
        earlier first.
    high_places, low_places : int64 arrays (kept, cells)
        The places of the text after which the cells have these values.
    sample, sample_places : arrays (kept, cells)
        The highest values of windows that are drawn at random, the same for all cells, and their places.
    sample_order : uint64 array (kept,)
        Random numbers: the windows with the smallest ones are in the sample.
    sketch : QuantileSketch
        Of the highest values of all windows.
    """

    count: int
    highest: Float[np.ndarray, "kept cells"]
    high_places: Int[np.ndarray, "kept cells"]
    lowest: Float[np.ndarray, "kept cells"]
    low_places: Int[np.ndarray, "kept cells"]
    sample: Float[np.ndarray, "kept cells"]
    sample_places: Int[np.ndarray, "kept cells"]
    sample_order: np.ndarray
    sketch: QuantileSketch

    @classmethod
    def of(cls, windows: Sequence[np.ndarray], ends: np.ndarray) -> FoundContexts:
        """Of windows in order.

        Their highest values (windows, cells), after how many characters these are, and the same of the lowest; `ends`
        are the places after the characters.
        """
        highest, high_ends, lowest, low_ends = windows
        highest, lowest = highest.astype(np.float32), lowest.astype(np.float32)
        high_places, low_places = (ends[after - 1].astype(np.int64) for after in (high_ends, low_ends))
        sketch = QuantileSketch(highest.shape[1])
        sketch.add(highest)
        chosen = cls(
            count=len(highest),
            highest=highest,
            high_places=high_places,
            lowest=lowest,
            low_places=low_places,
            sample=highest,
            sample_places=high_places,
            sample_order=_random(high_places.min(1)),
            sketch=sketch,
        )
        return chosen._kept()

    def merged(self, other: FoundContexts) -> FoundContexts:
        """With what was found in a later part of the text."""
        sketch = QuantileSketch.restored(self.sketch.state())
        sketch.merge(other.sketch)
        names = ("highest", "high_places", "lowest", "low_places", "sample", "sample_places", "sample_order")
        both = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names}
        return FoundContexts(count=self.count + other.count, sketch=sketch, **both)._kept()

    def _kept(self) -> FoundContexts:
        high = np.argsort(-self.highest, 0, kind="stable")[:KEPT]
        low = np.argsort(self.lowest, 0, kind="stable")[:KEPT]
        drawn = np.argsort(self.sample_order, kind="stable")[:KEPT]
        return FoundContexts(
            count=self.count,
            highest=np.take_along_axis(self.highest, high, 0),
            high_places=np.take_along_axis(self.high_places, high, 0),
            lowest=np.take_along_axis(self.lowest, low, 0),
            low_places=np.take_along_axis(self.low_places, low, 0),
            sample=self.sample[drawn],
            sample_places=self.sample_places[drawn],
            sample_order=self.sample_order[drawn],
            sketch=self.sketch,
        )

    def state(self) -> Result:
        """Arrays from which `restored` makes it again, to be sent: the distributions in fewer numbers."""
        names = ("highest", "high_places", "lowest", "low_places", "sample", "sample_places", "sample_order")
        sketch = {f"sketch_{name}": value for name, value in self.sketch.compacted().state().items()}
        return {"count": np.array(self.count), **{name: getattr(self, name) for name in names}, **sketch}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> FoundContexts:
        """From the arrays of `state`."""
        prefix = "sketch_"
        sketch = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        own = {name: value for name, value in state.items() if not name.startswith(prefix) and name != "count"}
        return cls(count=int(state["count"]), sketch=QuantileSketch.restored(sketch), **own)


def _random(places: np.ndarray) -> np.ndarray:
    """A random number for each place, always the same (SplitMix64; Steele, Lea & Flood, 2014)."""
    mixed = places.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: np.ndarray = mixed ^ (mixed >> np.uint64(31))
    return result


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Contexts:
    """Where in a long text the cells of a layer are highest and lowest, so far.

    The text is cut into windows of 200 tokens, in each of which a cell has one highest and one lowest value. A *place*
    is a number of characters of a text, or of bytes of files.

    Attributes
    ----------
    layer : str
    read, length : int
        How far the text has been read, and how long it is, as places.
    remaining : float
        About how many seconds the rest takes.
    unsaved : str
        Why the results are not stored, if they are not.
    failed : tuple of (Shard, str)
        Parts of the text without a result, and why.
    """

    layer: str
    found: FoundContexts | None
    read: int
    length: int
    remaining: float = 0.0
    unsaved: str = ""
    failed: tuple[tuple[Shard, str], ...] = ()

    def __len__(self) -> int:
        return 0 if self.found is None else self.found.count

    def __repr__(self) -> str:
        return f"Contexts({self.layer!r}, {len(self)} windows, {self.read} of {self.length} places)"

    def top(self, cell: int, k: int = 8) -> list[tuple[int, float]]:
        """The windows with the highest values of a cell, at most 64: (place, value), the highest first."""
        return [] if self.found is None else _pairs(self.found.high_places[:k, cell], self.found.highest[:k, cell])

    def least(self, cell: int, k: int = 8) -> list[tuple[int, float]]:
        """The windows with the lowest values of a cell, at most 64, the lowest first."""
        return [] if self.found is None else _pairs(self.found.low_places[:k, cell], self.found.lowest[:k, cell])

    def middle(self, cell: int, k: int = 4) -> list[tuple[int, float]]:
        """Windows whose highest values lie in the middle; of a text of more than 64 windows, of a sample of 64."""
        if self.found is None:
            return []
        values, places = self.found.sample[:, cell], self.found.sample_places[:, cell]
        order = np.lexsort((places, -values))
        start = max(0, (len(order) - k) // 2)
        chosen = order[start : start + k]
        return _pairs(places[chosen], values[chosen])

    def above(self, cell: int, threshold: float) -> list[tuple[int, float]]:
        """Windows in which a cell reaches a threshold, in the order of the text.

        All of them where they are fewer than 64; else the 64 highest, and those of the sample.
        """
        if self.found is None:
            return []
        found = self.found
        places = np.concatenate([found.high_places[:, cell], found.sample_places[:, cell]])
        values = np.concatenate([found.highest[:, cell], found.sample[:, cell]])
        reached = values >= threshold
        _places, first = np.unique(places[reached], return_index=True)
        return _pairs(places[reached][first], values[reached][first])

    def count_above(self, cell: int, threshold: float) -> tuple[int, bool]:
        """In how many windows a cell reaches a threshold, and whether that is exact: below 64 it is.

        Else it is estimated, see `QuantileSketch`.
        """
        if self.found is None:
            return 0, True
        reached = int((self.found.highest[:, cell] >= threshold).sum())
        if reached < KEPT or self.found.count <= KEPT:
            return reached, True
        return max(KEPT, round((1 - self.found.sketch.rank(cell, threshold)) * self.found.count)), False


def _pairs(places: np.ndarray, values: np.ndarray) -> list[tuple[int, float]]:
    return [(int(place), float(value)) for place, value in zip(places, values, strict=True)]
