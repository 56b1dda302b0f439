"""The linear pieces that a straight line between two inputs crosses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from nnlens.recording import Operation, Replacement, borrow, record, substituting
from nnlens.scores.meaning import Pick, pick_output
from nnlens.utils.language import _, grouped

from .border import maxima_of
from .pieces import is_maximum, kind_of, kinks
from .probe import probe_along
from .regions import TooManyRegionsError

_LEAST = 1e-12  # of a piece, as a share of the line
_BATCH = 16


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Line:
    """A network along the line (1 − t) · a + t · b.

    Attributes
    ----------
    at : float64 array (points,)
        t, from 0 to 1: the ends of the pieces, or evenly spread points.
    outputs : float64 array (points, outputs)
        There. Where the pieces are exact, straight lines join them.
    pieces : int
        How many pieces the line crosses: exactly, or at least; 0 for a network that is not piecewise linear.
    exact : bool
    """

    at: Float[np.ndarray, " points"]
    outputs: Float[np.ndarray, "points outputs"]
    pieces: int
    exact: bool

    def describe(self) -> str:
        """In words: "the line crosses 1,234 linear pieces"."""
        if self.pieces == 0:
            return _("the network has no linear pieces")
        if self.exact:
            return _("the line crosses {count} linear pieces", count=grouped(self.pieces))
        return _("the line crosses at least {count} linear pieces", count=grouped(self.pieces))

    def __repr__(self) -> str:
        return f"Line({self.describe()})"


def line_pieces(
    model: nn.Module, a: Shaped[Tensor, "1 ..."], b: Shaped[Tensor, "1 ..."], *, most: int = 2000, output: Pick = None
) -> Line:
    """All linear pieces of a piecewise linear network between two inputs, exact up to rounding, in double precision.

    As `regions`, with intervals in place of polygons.

    Raises
    ------
    TooManyRegionsError
        A `ValueError`: there are more than `most` pieces; `line_samples` gives a lower bound.
    ValueError
        For a network that is not piecewise linear, and inputs of different shapes.
    """
    _check(a, b)
    probe, cutting = probe_along(model, a, (b - a,), output)
    ends = np.array([0.0, 1.0])
    for operation in cutting:
        lines = probe.lines(operation, ((ends[:-1] + ends[1:]) / 2)[:, None])
        find = _zeros if kinks(operation) is not None else _turns
        found = [find(its, low, high) for its, low, high in zip(lines, ends[:-1], ends[1:], strict=True)]
        ends = np.unique(np.concatenate([ends, *found]))
        ends = ends[np.concatenate([[True], np.diff(ends) > _LEAST])]
        ends[-1] = 1.0
        if len(ends) - 1 > most:
            raise TooManyRegionsError(
                f"the line crosses more than {most} linear pieces; choose inputs that are nearer, or a larger number "
                "`most`"
            )
    weights, bias = probe.outputs(((ends[:-1] + ends[1:]) / 2)[:, None])
    starts = weights[..., 0] * ends[:-1, None] + bias
    last = weights[-1:, :, 0] * ends[-1] + bias[-1:]
    return Line(at=ends, outputs=np.concatenate([starts, last]), pieces=len(ends) - 1, exact=True)


def line_samples(
    model: nn.Module,
    a: Shaped[Tensor, "1 ..."],
    b: Shaped[Tensor, "1 ..."],
    *,
    points: int = 65,
    output: Pick = None,
) -> Line:
    """The outputs at evenly spread points of a line, and at least how many pieces it crosses.

    Between two points every unit that is on one side of its kink at the first and on the other at the second has
    switched, and each switch begins a piece. Units that switch there and back are missed.

    Raises
    ------
    ValueError
        For fewer than 2 points, and inputs of different shapes.
    """
    _check(a, b)
    if points < 2:
        raise ValueError(f"points must be at least 2, got {points}")
    recording = record(model, a)
    switches = _Switches()
    watched: dict[int, Replacement] = {}
    for operation in recording:
        if operation.number is not None and (kinks(operation) is not None or is_maximum(operation)):
            watched[operation.number] = switches.counting(operation)
    at = np.linspace(0, 1, points)
    parts = []
    shape = (-1, *[1] * (a.ndim - 1))
    with torch.inference_mode(False), torch.no_grad(), borrow(model):
        for start in range(0, points - 1, _BATCH):
            # Each batch begins with the last point of the one before.
            shares = torch.from_numpy(at[start : start + _BATCH + 1]).to(a).view(shape)
            there = a + shares * (b - a)
            with substituting(model, recording.calls, watched):
                returned = model(there)
            scores = pick_output(returned, output).flatten(1).double().cpu().numpy()
            parts.append(scores if start == 0 else scores[1:])
    pieces = 1 + switches.count if kind_of(recording).exact else 0
    return Line(at=at, outputs=np.concatenate(parts), pieces=pieces, exact=False)


def _check(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or len(a) != 1:
        raise ValueError(f"a and b must be inputs of one shape (1, …), got {tuple(a.shape)} and {tuple(b.shape)}")


def _zeros(lines: Float[np.ndarray, "units 2"], low: float, high: float) -> np.ndarray:
    """Where units switch within an interval."""
    slopes, constants = lines.T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        at = -constants / slopes
    return np.asarray(at[(at > low + _LEAST) & (at < high - _LEAST)])


def _turns(lines: Float[np.ndarray, "windows values 2"], low: float, high: float) -> np.ndarray:
    """Where another value of a window becomes the largest, within an interval."""
    slopes, constants = lines[..., 0], lines[..., 1]
    place = np.full(len(lines), low)
    # At the start the largest; of equal ones the steepest, which is the largest just after.
    heights = slopes * low + constants
    largest = heights.max(1, keepdims=True)
    nearly = heights >= largest - 1e-12 * (1 + np.abs(largest))
    best = np.where(nearly, slopes, -np.inf).argmax(1)
    found = []
    rows = np.arange(len(lines))
    for _step in range(lines.shape[1]):
        gain = slopes - slopes[rows, best][:, None]
        behind = constants[rows, best][:, None] - constants
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            at = np.where(gain > 1e-15, behind / gain, np.inf)
        at[at <= place[:, None]] = np.inf
        following = at.argmin(1)
        turn = at[rows, following]
        going = turn < high - _LEAST
        if not going.any():
            break
        found.append(turn[going & (turn > low + _LEAST)])
        place = np.where(going, turn, np.inf)
        best = np.where(going, following, best)
    return np.concatenate(found) if found else np.zeros(0)


class _Switches:
    """How often units were on another side at the next point of a batch."""

    def __init__(self) -> None:
        self.count = 0

    def counting(self, operation: Operation) -> Replacement:
        """A call that counts and runs the operation."""
        ends = kinks(operation)

        def run(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> object:
            value = args[0] if args else keywords["input"]
            if ends is not None:
                for end in ends:
                    side = value > end
                    self.count += int((side[1:] != side[:-1]).sum())
            else:
                which = maxima_of(operation, value, value)[0].argmax(2)
                self.count += int((which[1:] != which[:-1]).sum())
            return function(*args, **keywords)

        return run
