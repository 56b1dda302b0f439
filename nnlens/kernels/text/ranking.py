"""Which cells follow a property of the text, on text that did not choose them, beside what chance reaches."""

from __future__ import annotations

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
    chance : float array (shifts,)
        The measure on the other half of the best cell for shuffled properties: the property moved along the text
        by a random distance, which keeps its own structure but not its place.
    """

    measure: str
    order: Integer[np.ndarray, " cells"]
    chosen: Float[np.ndarray, " cells"]
    held_out: Float[np.ndarray, " cells"]
    sign: Integer[np.ndarray, " cells"]
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
        return float(self.chance.max()) if len(self.chance) else float("nan")

    def beats_chance(self, cell: int) -> bool:
        """Whether a cell follows the property better than the best cell did for any shuffled one."""
        return bool(self.held_out[cell] > self.best_by_chance)


def rank_cells(
    values: Float[np.ndarray, "tokens cells"],
    wanted: Float[np.ndarray, " tokens"],
    *,
    shifts: int = SHIFTS,
    seed: int = 0,
) -> CellRanking:
    """Rank cells by how well they follow a property.

    The text is cut into blocks of 200 tokens, of which every other one chooses the cells and the rest tests them.

    Parameters
    ----------
    values : float array (tokens, cells)
    wanted : float array (tokens,)
        The property: true or false (0 and 1 only), or a number.
    shifts : int
        How many shuffled properties are ranked to see what chance reaches.

    Raises
    ------
    ValueError
        For arrays of other shapes, values that are not finite, a text shorter than two blocks, and a property that is
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
    first = np.arange(count) // min(BLOCK, -(-count // 4)) % 2 == 0
    binary = bool(np.isin(wanted, (0, 1)).all())
    for half, name in ((first, "first"), (~first, "held-out")):
        if wanted[half].min() == wanted[half].max():
            raise ValueError(f"the property must differ within the {name} half of the text: choose a longer text")
    measure = _aucs if binary else _correlations
    middle = 0.5 if binary else 0.0

    def halves(property_: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        one, other = measure(values[first], property_[first]), measure(values[~first], property_[~first])
        sign = np.where(one < middle, -1, 1)
        return middle + sign * (one - middle), middle + sign * (other - middle), sign

    chosen, held_out, sign = halves(wanted)
    rng, chance = np.random.default_rng(seed), []
    for _shift in range(shifts):
        # Far enough that the property does not meet its own place again.
        moved = np.roll(wanted, int(rng.integers(count // 4, count - count // 4 + 1)))
        if any(moved[half].min() == moved[half].max() for half in (first, ~first)):
            continue
        by_one, by_other, _sign = halves(moved)
        chance.append(by_other[by_one.argmax()])
    return CellRanking(
        measure="AUC" if binary else "correlation",
        order=np.argsort(-chosen, kind="stable"),
        chosen=chosen,
        held_out=held_out,
        sign=sign,
        chance=np.array(chance),
    )


def _aucs(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The probability that a cell is higher where the property holds; ties count half (Mann & Whitney)."""
    yes, no = values[wanted == 1], np.sort(values[wanted == 0], axis=0)
    result = np.empty(values.shape[1])
    for cell in range(values.shape[1]):
        below = np.searchsorted(no[:, cell], yes[:, cell], "left")
        up_to = np.searchsorted(no[:, cell], yes[:, cell], "right")
        result[cell] = (below + up_to).mean() / 2 / len(no)
    return result


def _correlations(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each cell with the property; 0 for a cell that does not vary."""
    centred, target = values - values.mean(0), wanted - wanted.mean()
    spread = np.sqrt((centred**2).sum(0) * (target**2).sum())
    result: np.ndarray = np.where(spread > 0, target @ centred / np.where(spread > 0, spread, 1), 0)
    return result
