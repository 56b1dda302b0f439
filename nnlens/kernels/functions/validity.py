"""How far the first-order map of a network can be trusted, measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from nnlens.recording import borrow
from nnlens.scores.meaning import Pick, pick_output
from nnlens.utils.language import _, number

from .local_map import LocalMap, doubled

_STEPS = 25
_SPAN = 6.0  # powers of ten


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Validity:
    """The error of a local map at growing distances.

    Attributes
    ----------
    distances : float64 array (steps,)
    errors : float64 array (directions, steps)
        ‖f(x′) − map(x′)‖ ÷ ‖f(x′) − f(x)‖ at x′ = x + distance · direction: 0 where the map is exact, 1 where it
        explains nothing.
    limit : float
    radii : float64 array (directions,)
        The largest distance up to which the error stays within `limit`; infinite where it always does.
    """

    distances: Float[np.ndarray, " steps"]
    errors: Float[np.ndarray, "directions steps"]
    limit: float
    radii: Float[np.ndarray, " directions"]

    def describe(self) -> str:
        """In words: "off by 10 % of the change at distance 0.8 (0.2 to 1.4 in 16 directions)"."""
        ordered = sorted(self.radii.tolist())
        if math.isinf(ordered[0]):
            return _("within {limit} % of the change as far as was tried", limit=round(100 * self.limit))
        low, middle, high = (
            number(f"{value:.2g}") if math.isfinite(value) else "∞"
            for value in (ordered[0], ordered[len(ordered) // 2], ordered[-1])
        )
        return _(
            "off by {limit} % of the change at distance {middle} ({low} to {high} in {count} directions)",
            limit=round(100 * self.limit),
            middle=middle,
            low=low,
            high=high,
            count=len(self.radii),
        )

    def __repr__(self) -> str:
        return f"Validity({self.describe()})"


def validity(
    model: nn.Module,
    x: Shaped[Tensor, "1 ..."],
    piece: LocalMap,
    directions: Shaped[Tensor, "k ..."],
    *,
    limit: float = 0.1,
    most: float | None = None,
    output: Pick = None,
) -> Validity:
    """Compare a local map with the network along some directions, at 25 distances, in double precision.

    Parameters
    ----------
    directions : tensor (k, …)
        Their lengths do not count.
    limit : float
        The error that is allowed, as a share of the change of the outputs.
    most : float, optional
        The largest distance; by default the length of x.

    Raises
    ------
    ValueError
        For directions of another shape or of length 0, and a limit or distance that is not above 0.
    """
    if directions.shape[1:] != x.shape[1:] or not bool(directions.flatten(1).any(1).all()):
        raise ValueError(
            f"directions must be (k, …) like x, {tuple(x.shape)}, and none of them 0, got {tuple(directions.shape)}"
        )
    reach = (float(x.double().norm()) or 1.0) if most is None else float(most)
    if not (limit > 0 and 0 < reach < math.inf):
        raise ValueError(f"limit and most must be above 0, got {limit} and {most}")
    point = x.detach().double()
    ways = F.normalize(directions.to(point).flatten(1)).view_as(directions)
    distances = reach * np.logspace(-_SPAN, 0, _STEPS)
    exact = doubled(model)
    rows = []
    chosen = list(piece.outputs)
    with torch.inference_mode(False), torch.no_grad(), borrow(exact):
        for way in ways:
            steps = torch.from_numpy(distances).to(point).view(-1, *[1] * (point.ndim - 1))
            there = point + steps * way
            given = pick_output(exact(there), output).flatten(1)[:, chosen].cpu().numpy()
            change = np.linalg.norm(given - piece.value, axis=1)
            error = np.linalg.norm(given - piece.at(there), axis=1)
            # Rounding is no error of the map.
            error[error < 1e-13 * (1 + np.abs(piece.value).max())] = 0.0
            rows.append(np.divide(error, change, out=np.zeros_like(error), where=change > 0))
    errors = np.stack(rows)
    return Validity(
        distances=distances,
        errors=errors,
        limit=limit,
        radii=np.array([_radius(distances, row, limit) for row in errors]),
    )


def _radius(distances: np.ndarray, errors: np.ndarray, limit: float) -> float:
    """Where the error first passes the limit, on a straight line in the logarithms between two steps."""
    beyond = np.flatnonzero(errors > limit)
    if not len(beyond):
        return math.inf
    at = int(beyond[0])
    if at == 0:
        return float(distances[0])
    low, high = np.log(distances[at - 1]), np.log(distances[at])
    before, after = max(errors[at - 1], 1e-12), errors[at]
    share = (math.log(limit) - math.log(before)) / (math.log(after) - math.log(before))
    return float(np.exp(low + share * (high - low)))
