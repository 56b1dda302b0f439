"""Which cells follow a property of the text, on text that did not choose them, beside what chance reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

BLOCK = 200  # tokens: the text is cut into such blocks, which belong to the one half or to the other
SHIFTS = 20


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CellRanking:
    """The cells in the order in which they follow a property, by one half of the text.

    Attributes
    ----------
    measure : "AUC" or "correlation"
        Of a property that is true or false, the area under the receiver operating characteristic (0.5 by chance; a cell
        that is low where the property holds counts as 1 − AUC); else the magnitude of Pearson's correlation.
    order : int array (cells,)
        The best first, by `chosen`.
    chosen, held_out : float array (cells,)
        The measure on the half that orders the cells, and on the other half, with the same sign.
    sign : int array (cells,)
        1 where a cell is high where the property holds, −1 where it is low.
    chance_chosen, chance : float array (shifts,)
        The same of the best cell for shuffled properties: the property moved along the text by a random distance, which
        keeps its own structure but not its place.
    """

    measure: str
    order: Integer[np.ndarray, " cells"]
    chosen: Float[np.ndarray, " cells"]
    held_out: Float[np.ndarray, " cells"]
    sign: Integer[np.ndarray, " cells"]
    chance_chosen: Float[np.ndarray, " shifts"]
    chance: Float[np.ndarray, " shifts"]

    def __len__(self) -> int:
        return len(self.order)

    def __repr__(self) -> str:
        best = int(self.order[0])
        return (
            f"CellRanking(cell {best}: {self.measure} {self.held_out[best]:.2f} on the held-out half; chance at most "
            f"{self.best_by_chance:.2f})"
        )

    @property
    def best_by_chance(self) -> float:
        """The largest of `chance`; NaN where none was computed."""
        return best_by_chance([self])

    def beats_chance(self, cell: int) -> bool:
        """Whether a cell follows the property better than the best cell did for any shuffled one."""
        return bool(self.held_out[cell] > self.best_by_chance)


def rank_cells(
    values: Float[np.ndarray, "tokens cells"],
    wanted: Float[np.ndarray, " tokens"],
    *,
    shifts: int = SHIFTS,
    seed: int = 0,
    block: int = BLOCK,
) -> CellRanking:
    """Rank cells by how well they follow a property.

    The text is cut into blocks of 200 tokens, of which every other one chooses the cells and the rest tests them.
    A text that is shorter than four blocks is cut into four.

    Parameters
    ----------
    values : float array (tokens, cells)
    wanted : float array (tokens,)
        The property: true or false (0 and 1 only), or a number.
    shifts : int
        How many shuffled properties are ranked to see what chance reaches.
    block : int
        How many tokens a block has: fewer than a part of the text in which a property holds that it has once only.

    Raises
    ------
    ValueError
        For arrays of other shapes, values that are not finite, a text of fewer than 4 tokens, and a property that is
        the same everywhere in one of the halves.
    """
    values, wanted = np.asarray(values, np.float64), np.asarray(wanted, np.float64)
    if values.ndim != 2 or wanted.shape != values.shape[:1]:
        raise ValueError(
            f"values must be (tokens, cells) and wanted (tokens,), got the shapes {values.shape} and {wanted.shape}"
        )
    if not np.isfinite(values).all() or not np.isfinite(wanted).all():
        raise ValueError("values and wanted must be finite")
    count = len(values)
    if count < 4:
        raise ValueError(f"the text must have at least 4 tokens, got {count}")
    # Of a short text the blocks are shorter: there are at least four.
    first = np.arange(count) // min(block, -(-count // 4)) % 2 == 0
    binary = bool(np.isin(wanted, (0, 1)).all())
    for half, name in ((first, "that chooses"), (~first, "that is held out")):
        if wanted[half].min() == wanted[half].max():
            raise ValueError(f"the property must hold somewhere, and not everywhere, in the half of the text {name}")
    rng, properties = np.random.default_rng(seed), [wanted]
    for _shift in range(shifts):
        # Far enough that the property does not meet its own place again.
        moved = np.roll(wanted, int(rng.integers(count // 4, count - count // 4 + 1)))
        if all(moved[half].min() < moved[half].max() for half in (first, ~first)):
            properties.append(moved)
    measure, middle = (_aucs, 0.5) if binary else (_correlations, 0.0)
    columns = np.stack(properties, 1)
    one, other = measure(values[first], columns[first]), measure(values[~first], columns[~first])
    sign = np.where(one < middle, -1, 1)
    one, other = middle + sign * (one - middle), middle + sign * (other - middle)
    chosen, held_out = one[:, 0], other[:, 0]
    best = one[:, 1:].argmax(0) if len(one) else np.zeros(0, int)
    across = np.arange(1, len(properties))
    return CellRanking(
        measure="AUC" if binary else "correlation",
        order=np.argsort(-chosen, kind="stable"),
        chosen=chosen,
        held_out=held_out,
        sign=sign[:, 0],
        chance_chosen=one[best, across],
        chance=other[best, across],
    )


def best_by_chance(rankings: Sequence[CellRanking]) -> float:
    """What the best cell of several layers, chosen on the one half, reaches on the other for shuffled properties.

    The largest over the shuffled properties; NaN where there are none. The rankings are of one text and property.
    """
    chosen = np.stack([ranking.chance_chosen for ranking in rankings])
    held_out = np.stack([ranking.chance for ranking in rankings])
    if not held_out.size:
        return float("nan")
    return float(np.take_along_axis(held_out, chosen.argmax(0)[None], 0).max())


def _aucs(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The probability that a cell is higher where a property holds, (cells, properties); ties count half.

    From the sums of ranks (Mann & Whitney 1947), so that the values are sorted once for all properties.
    """
    ranks = np.empty(values.shape[::-1])
    for cell, column in enumerate(np.ascontiguousarray(values.T, np.float32)):
        order = np.argsort(column, kind="stable")
        first = np.flatnonzero(np.diff(column[order], prepend=-np.inf))
        last = np.append(first[1:], len(column))
        ranks[cell, order] = np.repeat((first + last + 1) / 2, last - first)
    yes = wanted.sum(0)
    sums: np.ndarray = ranks @ wanted - yes * (yes + 1) / 2
    sums /= yes * (len(wanted) - yes)
    return sums


def _correlations(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each cell with each property; 0 for a cell that does not vary."""
    centred, target = values - values.mean(0), wanted - wanted.mean(0)
    spread = np.sqrt((centred**2).sum(0)[:, None] * (target**2).sum(0))
    result: np.ndarray = np.where(spread > 0, centred.T @ target / np.where(spread > 0, spread, 1), 0)
    return result
