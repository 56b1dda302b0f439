"""The linear pieces of a network in a plane: each a polygon with the linear function that holds on it."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, prod

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from nnlens.recording import Operation
from nnlens.scores.meaning import Pick
from nnlens.utils.language import _, grouped, number

from .pieces import kinks
from .polygons import Polygon, at_maxima, at_zeros
from .probe import Probe, probe_along

MOST = 5000  # regions


class TooManyRegionsError(ValueError):
    """The box has more linear pieces than were asked for."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Region:
    """One linear piece in the plane.

    Attributes
    ----------
    corners : float64 array (corners, 2)
        Of the polygon, in the plane's coordinates, around it.
    edges : tuple of int
        For the edge from each corner to the next one the operation whose unit switches there, as its place in
        `Regions.operations`; -1 where it is the border of the box.
    weights, bias : float64 arrays (outputs, 2) and (outputs,)
        The outputs there are weights · (u, v) + bias.
    """

    corners: Float[np.ndarray, "corners 2"]
    edges: tuple[int, ...]
    weights: Float[np.ndarray, "outputs 2"]
    bias: Float[np.ndarray, " outputs"]

    @property
    def area(self) -> float:
        """Of the polygon."""
        u, v = self.corners.T
        return float(abs(u @ np.roll(v, -1) - v @ np.roll(u, -1)) / 2)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Regions:
    """The linear pieces of a network within a box of a plane.

    Attributes
    ----------
    regions : tuple of Region
    box : (low, high) of both coordinates
    operations : tuple of str
        The operations whose units switch, in the order of the network.
    units : tuple of int
        How many values each of them has that can switch.
    """

    regions: tuple[Region, ...]
    box: tuple[tuple[float, float], tuple[float, float]]
    operations: tuple[str, ...]
    units: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.regions)

    def __repr__(self) -> str:
        return f"Regions({self.describe()})"

    @property
    def largest(self) -> int:
        """The most pieces that a network with these layers can have in a plane.

        The product over the layers of 1 + n + n (n - 1) / 2, the number of cells of n lines in general position
        (Raghu et al. 2017, arXiv:1606.05336, theorem 1, for two inputs).
        """
        return prod(sum(comb(count, dimension) for dimension in range(3)) for count in self.units)

    @property
    def at_initialisation(self) -> float:
        """About how many pieces a network with as many units has at initialisation: N² / 2.

        Hanin & Rolnick 2019, arXiv:1906.00904: N units and an input of d numbers, Nᵈ / d! pieces.
        """
        return sum(self.units) ** 2 / 2

    def describe(self) -> str:
        """In words: "37 linear pieces; about 32 at initialisation, at most 37"."""
        most = number(f"{float(self.largest):.1e}") if self.largest >= 1e9 else grouped(self.largest)
        return _(
            "{count} linear pieces; in the whole plane about {expected} at initialisation, at most {largest}",
            count=grouped(len(self)),
            expected=grouped(round(self.at_initialisation)),
            largest=most,
        )


def regions(
    model: nn.Module,
    origin: Shaped[Tensor, "1 ..."],
    across: Shaped[Tensor, "1 ..."],
    down: Shaped[Tensor, "1 ..."],
    *,
    box: tuple[tuple[float, float], tuple[float, float]] = ((-1.0, 1.0), (-1.0, 1.0)),
    output: Pick = None,
    most: int = MOST,
) -> Regions:
    """All linear pieces of a piecewise linear network in a box of the plane origin + u · across + v · down.

    The operations with kinks are taken in their order. On a piece that those before leave whole, the values that an
    operation reads are linear in u and v, so that one pass with tangents at one of its points gives the lines at which
    its units switch; they cut the piece. Nothing is sampled: the pieces are exact up to rounding. The points of all
    pieces are one batch, so that the model must take one. In double precision.

    Parameters
    ----------
    origin, across, down : tensors (1, …)
        Of a network with two inputs: zeros, (1, 0) and (0, 1).
    box : ((low, high), (low, high))
        Of u and of v.
    most : int
        How many pieces there may be.

    Raises
    ------
    TooManyRegionsError
        A `ValueError`: the box has more than `most` pieces.
    ValueError
        For a network that is not piecewise linear, tensors of other shapes, and an empty box.
    """
    if any(not low < high for low, high in box):
        raise ValueError(f"box must be ((low, high), (low, high)), got {box}")
    probe, cutting = _probe(model, origin, across, down, output)
    (left, right), (top, bottom) = box
    # Lines that are the same meet within rounding, which grows with the coordinates.
    least = 1e-11 * max(abs(left), abs(right), abs(top), abs(bottom))
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    cells = [Polygon(corners, [-1] * 4)]
    units = []
    for place, operation in enumerate(cutting):
        lines = probe.lines(operation, np.array([cell.middle for cell in cells]))
        units.append(int(np.prod(lines.shape[1:-1])) if kinks(operation) is not None else lines.shape[1])
        cut = at_zeros if kinks(operation) is not None else at_maxima
        made: list[Polygon] = []
        for cell, its in zip(cells, lines, strict=True):
            made += cut(cell, its, place, least, most)
            if len(made) > most:
                raise TooManyRegionsError(
                    f"the box {box} has more than {most} linear pieces; choose a smaller box, or a larger number `most`"
                )
        cells = made
    weights, bias = probe.outputs(np.array([cell.middle for cell in cells]))
    return Regions(
        regions=tuple(
            Region(corners=np.array(cell.corners), edges=tuple(cell.edges), weights=slopes, bias=constants)
            for cell, slopes, constants in zip(cells, weights, bias, strict=True)
        ),
        box=box,
        operations=tuple(each.name for each in cutting),
        units=tuple(units),
    )


def near_box(
    model: nn.Module,
    origin: Shaped[Tensor, "1 ..."],
    across: Shaped[Tensor, "1 ..."],
    down: Shaped[Tensor, "1 ..."],
    *,
    centre: tuple[float, float] = (0.0, 0.0),
    lines: int = 40,
    output: Pick = None,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """A square around a point of the plane that the lines of about so many units cross.

    A network with many units has too many pieces in a plane through images to be drawn; this is the part that can be.
    The lines are those of the piece that holds the point, drawn out beyond it.
    """
    probe, cutting = _probe(model, origin, across, down, output)
    found = []
    for operation in cutting:
        made = probe.lines(operation, np.array([centre]))[0]
        if kinks(operation) is None:
            heights = made @ [*centre, 1.0]
            first = np.take_along_axis(made, heights.argmax(-1)[:, None, None], 1)
            made = (first - made).reshape(-1, 3)
        length = np.hypot(made[:, 0], made[:, 1])
        varying = length > 1e-11 * (1 + length.max(initial=0))
        found.append(np.abs(made[varying] @ [*centre, 1.0]) / length[varying])
    distances = np.unique(np.concatenate(found).round(14)) if found else np.zeros(0)
    distances = distances[distances > 0]
    half = float(distances[min(lines, len(distances)) - 1]) if len(distances) else 1.0
    return (centre[0] - half, centre[0] + half), (centre[1] - half, centre[1] + half)


def _probe(
    model: nn.Module, origin: Tensor, across: Tensor, down: Tensor, output: Pick
) -> tuple[Probe, list[Operation]]:
    """What reads the lines in the plane, and the operations whose units switch."""
    if across.shape != origin.shape or down.shape != origin.shape or len(origin) != 1:
        shapes = [tuple(item.shape) for item in (origin, across, down)]
        raise ValueError(f"origin, across and down must be of one shape (1, …), got {shapes}")
    return probe_along(model, origin, (across, down), output)
