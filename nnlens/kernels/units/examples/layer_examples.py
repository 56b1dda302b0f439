"""The results of one pass over a data set for a layer: each unit's best inputs, and the distribution of its maxima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from .quantiles import QuantileSketch

Kind = Literal["top", "median", "bottom"]
KEPT = 16  # how many of the highest and of the lowest inputs of each unit
SAMPLED = 512  # inputs of which all units' maxima are kept, for those in the middle


@dataclass(frozen=True, kw_only=True)
class Example:
    """One input as an example of a unit.

    `item` is its index in the data set, `value` the unit's maximum on it and `place` that maximum's (row, column) on
    the map; `rank` is the share of inputs whose maximum is lower.
    """

    item: int
    value: float
    position: tuple[int, int]
    rank: float


class _Ranking:
    """For each unit the inputs with the largest values, in descending order; ties go to the earlier input."""

    def __init__(self, units: int):
        self.values = np.full((units, KEPT), -np.inf, np.float32)
        self.items = np.full((units, KEPT), -1, np.int64)
        self.places = np.full((units, KEPT), -1, np.int32)

    def update(self, values: np.ndarray, items: np.ndarray, maps: Tensor) -> None:
        """Add (n, units) values; `maps` (n, units, places) are only read where a value is large enough."""
        rows, units = np.nonzero(values > self.values[:, -1])
        if not len(rows):
            return
        index = torch.from_numpy(rows), torch.from_numpy(units)
        places = maps[index[0].to(maps.device), index[1].to(maps.device)].argmax(1).cpu().numpy()
        touched = np.unique(units)
        most = int(np.bincount(units).max())
        # After the present examples, each unit's candidates in the order of the inputs: a stable sort keeps that order.
        new = np.full((len(touched), most), -np.inf, np.float32), np.zeros((len(touched), most), np.int64)
        result = np.zeros((len(touched), most), np.int32)
        order = np.lexsort((rows, units))
        start = np.searchsorted(units[order], touched)
        row = np.searchsorted(touched, units[order])
        column = np.arange(len(order)) - start[row]
        new[0][row, column] = values[rows[order], units[order]]
        new[1][row, column] = items[rows[order]]
        result[row, column] = places[order]
        both = np.concatenate([self.values[touched], new[0]], 1)
        best = np.argsort(-both, 1, kind="stable")[:, :KEPT]
        self.values[touched] = np.take_along_axis(both, best, 1)
        self.items[touched] = np.take_along_axis(np.concatenate([self.items[touched], new[1]], 1), best, 1)
        self.places[touched] = np.take_along_axis(np.concatenate([self.places[touched], result], 1), best, 1)

    def merge(self, other: _Ranking) -> None:
        """Add the inputs of another one, all of which come later in the data set."""
        both = np.concatenate([self.values, other.values], 1)
        best = np.argsort(-both, 1, kind="stable")[:, :KEPT]
        self.values = np.take_along_axis(both, best, 1)
        self.items = np.take_along_axis(np.concatenate([self.items, other.items], 1), best, 1)
        self.places = np.take_along_axis(np.concatenate([self.places, other.places], 1), best, 1)


def _scattered(items: np.ndarray) -> np.ndarray:
    """A number for each item that looks random and is always the same (splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        mixed = (items.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scattered: np.ndarray = mixed ^ (mixed >> np.uint64(31))
    return scattered


class LayerExamples:
    """The units of one layer over a data set, so far.

    Attributes
    ----------
    layer : str
    units, height, width : int
        How many units, and the size of their maps.
    done, seen : int
        How many inputs of the data set have been processed, and how many of them could be read.
    mean, zeros, active : float64 arrays (units,)
        Over all inputs: the mean of the unit's values, the share of them that are exactly 0, and the share of inputs
        on which its maximum is above 0.
    skipped : dict of int to str
        Inputs that could not be read, and why.
    not_finite : int
        How many of the maxima are NaN or infinite: these count as −∞, and means that are not finite as 0.
    """

    def __init__(self, layer: str, units: int, height: int, width: int):
        self.layer, self.units, self.height, self.width = layer, units, height, width
        self.done = self.seen = self.not_finite = 0
        self.skipped: dict[int, str] = {}
        self._sums = np.zeros((3, units))  # of means, of shares of zeros, of inputs on which it is active
        self._top, self._least = _Ranking(units), _Ranking(units)
        self._sketch = QuantileSketch(units)
        # The inputs with the smallest hashes: a random sample that does not depend on the order and the batches.
        self._sampled = np.empty(0, np.int64)
        self._sample_values = np.empty((0, units), np.float32)
        self._sample_places = np.empty((0, units), np.int32)

    def __repr__(self) -> str:
        return f"LayerExamples({self.layer!r}, {self.units} units, {self.seen} inputs)"

    @property
    def mean(self) -> np.ndarray:
        """The mean activation of each unit."""
        result: np.ndarray = self._sums[0] / max(1, self.seen)
        return result

    @property
    def zeros(self) -> np.ndarray:
        """The share of each unit's values that are 0."""
        result: np.ndarray = self._sums[1] / max(1, self.seen)
        return result

    @property
    def active(self) -> np.ndarray:
        """The share of the inputs on which each unit is active."""
        result: np.ndarray = self._sums[2] / max(1, self.seen)
        return result

    def quantiles(self, unit: int, shares: list[float] | np.ndarray) -> np.ndarray:
        """The values below which these shares (0…1) of the unit's maxima lie, to 0.5 % of the inputs."""
        result: np.ndarray = self._sketch.quantiles(list(shares))[self._check(unit)]
        return result

    def rank(self, unit: int, value: float) -> float:
        """The share (0…1) of inputs whose maximum of the unit is lower than `value`, to 0.5 %."""
        return self._sketch.rank(self._check(unit), value)

    def examples(self, unit: int, kind: Kind = "top", count: int = 9) -> list[Example]:
        """The inputs with the unit's largest maxima, with the smallest, or those nearest to their median.

        "top" and "bottom" are exact, ties in the order of the inputs, 16 at most; "median" is chosen among 512
        inputs, a random sample, largest first.
        """
        unit = self._check(unit)
        if kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
        if kind == "median":
            values = self._sample_values[:, unit]
            middle = float(self.quantiles(unit, [0.5])[0])
            distance = np.abs(values - middle)
            nearest = np.lexsort((self._sampled, distance))[:count]
            nearest = nearest[np.argsort(-values[nearest], kind="stable")]
            chosen = [(self._sampled[entry], values[entry], self._sample_places[entry, unit]) for entry in nearest]
        else:
            ranking, sign = (self._top, 1) if kind == "top" else (self._least, -1)
            rows = zip(ranking.items[unit], ranking.values[unit], ranking.places[unit], strict=True)
            chosen = [(item, sign * value, position) for item, value, position in rows if item >= 0][:count]
        return [
            Example(
                item=int(item),
                value=float(value),
                position=divmod(int(position), self.width),
                rank=self.rank(unit, float(value)),
            )
            for item, value, position in chosen
        ]

    def _check(self, unit: int) -> int:
        if isinstance(unit, bool) or not isinstance(unit, (int, np.integer)):
            raise TypeError(f"unit must be a whole number, got {unit!r}")
        if not 0 <= unit < self.units:
            raise ValueError(f"unit must be 0…{self.units - 1} in layer {self.layer!r}, got {unit}")
        return unit

    def update(self, maps: Tensor, items: np.ndarray) -> None:
        """Add the maps (n, units, height, width) of the inputs `items`."""
        if not len(items):
            return
        maps = maps.contiguous()  # maxima over channels that come last are slow
        maxima = maps.amax((2, 3)).float().cpu().numpy()
        finite = np.isfinite(maxima)
        if not finite.all():
            self.not_finite += int((~finite).sum())
            maxima = np.where(finite, maxima, -np.inf).astype(np.float32)
        places = maps.shape[2] * maps.shape[3]
        means = maps.float().mean((2, 3)).cpu().numpy().astype(np.float64)
        # The sum of signs without their signs: many times as fast as counting, and exact to 2²⁴ numbers.
        others = maps.sign().abs_().float().sum((0, 2, 3)).cpu().numpy()
        self._sums[0] += np.nan_to_num(means, posinf=0, neginf=0).sum(0)
        self._sums[1] += len(items) - others / places
        self._sums[2] += (maxima > 0).sum(0)
        flat = maps.flatten(2)
        self._top.update(maxima, items, flat)
        self._least.update(-maxima, items, flat)
        self._sketch.add(maxima)
        self._sample(maxima, items, flat)
        self.seen += len(items)

    def _sample(self, maxima: np.ndarray, items: np.ndarray, flat: Tensor) -> None:
        every = np.concatenate([self._sampled, items])
        stored = np.argsort(_scattered(every), kind="stable")[:SAMPLED]
        new = stored[stored >= len(self._sampled)] - len(self._sampled)
        if not len(new):
            return
        old = stored[stored < len(self._sampled)]
        places = flat[torch.from_numpy(new).to(flat.device)].argmax(2).int().cpu().numpy()
        self._sampled = np.concatenate([self._sampled[old], items[new]])
        self._sample_values = np.concatenate([self._sample_values[old], maxima[new]])
        self._sample_places = np.concatenate([self._sample_places[old], places])

    def merge(self, other: LayerExamples) -> None:
        """Add another part of the data set, which comes later in it."""
        alike = (other.layer, other.units, other.height, other.width)
        if alike != (self.layer, self.units, self.height, self.width):
            raise ValueError(f"other must be of the same layer and size, got {other}")
        self.done = max(self.done, other.done)
        self.seen += other.seen
        self.not_finite += other.not_finite
        self.skipped |= other.skipped
        self._sums = self._sums + other._sums
        self._top.merge(other._top)
        self._least.merge(other._least)
        self._sketch.merge(other._sketch)
        every = np.concatenate([self._sampled, other._sampled])
        stored = np.argsort(_scattered(every), kind="stable")[:SAMPLED]
        self._sampled = every[stored]
        self._sample_values = np.concatenate([self._sample_values, other._sample_values])[stored]
        self._sample_places = np.concatenate([self._sample_places, other._sample_places])[stored]

    def compact(self, total: int) -> None:
        """Leave out what a merge into the results of `total` inputs would not need, before these are sent or stored."""
        self._sketch = self._sketch.compacted()
        if total > 2 * SAMPLED:
            # Twice as many of the whole data set as its sample holds, on average: some of them may be unreadable.
            kept = _scattered(self._sampled) < np.uint64(2 * SAMPLED * (2**64 // total))
            self._sampled, self._sample_values = self._sampled[kept], self._sample_values[kept]
            self._sample_places = self._sample_places[kept]

    def state(self) -> dict[str, np.ndarray]:
        """All of it as arrays, for a file."""
        numbers = [self.units, self.height, self.width, self.done, self.seen, self.not_finite]
        rankings = {
            f"{name}_{field}": getattr(ranking, field)
            for name, ranking in (("top", self._top), ("bottom", self._least))
            for field in ("values", "items", "places")
        }
        sketch = {f"sketch_{name}": value for name, value in self._sketch.state().items()}
        return {
            "layer": np.array(self.layer),
            "numbers": np.array(numbers),
            "skipped": np.array(list(self.skipped), int),
            "why": np.array(list(self.skipped.values()), str),
            "sums": self._sums,
            "sampled": self._sampled,
            "sample_values": self._sample_values,
            "sample_places": self._sample_places,
            **rankings,
            **sketch,
        }

    @classmethod
    def restored(cls, state: dict[str, np.ndarray]) -> LayerExamples:
        """The examples restored from what `state` returned."""
        units, height, width, done, seen, not_finite = map(int, state["numbers"])
        made = cls(str(state["layer"]), units, height, width)
        made.done, made.seen, made.not_finite = done, seen, not_finite
        made.skipped = dict(zip(state["skipped"].tolist(), state["why"].tolist(), strict=True))
        made._sums = state["sums"]
        made._sampled, made._sample_values = state["sampled"], state["sample_values"]
        made._sample_places = state["sample_places"]
        for name, ranking in (("top", made._top), ("bottom", made._least)):
            for field in ("values", "items", "places"):
                setattr(ranking, field, state[f"{name}_{field}"])
        made._sketch = QuantileSketch.restored(
            {name.removeprefix("sketch_"): value for name, value in state.items() if name.startswith("sketch_")}
        )
        return made
