"""What the values inside a network are as linear functions of a plane's two coordinates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.autograd.forward_ad as forward
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.recording import Operation, Recording, Replacement, borrow, substituting
from nnlens.recording.substitute import Reached
from nnlens.scores.meaning import Pick, pick_output

from .border import maxima_of
from .pieces import kinks

_BATCH = 256  # points at once


class Probe:
    """Passes with tangents (forward-mode differentiation) along two directions at many points of a plane."""

    def __init__(self, model: nn.Module, recording: Recording, base: Tensor, ways: tuple[Tensor, Tensor], output: Pick):
        self.model, self.recording, self.output = model, recording, output
        self.base, self.ways = base, ways

    def lines(self, operation: Operation, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n ... 3"]:
        """The coefficients (a, b, c) of a · u + b · v + c for each value that an operation reads, at each point.

        Of an operation with kinks, (n, units, 3): how far each value is above each kink. Of a maximum, (n, windows,
        values of a window, 3).
        """
        ends = kinks(operation)

        def read(value: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
            if ends is None:
                columns = maxima_of(operation, value, change)
                one, other = (item.transpose(2, 3).flatten(1, 2) for item in columns)
                return one, other
            count = len(value)
            above = torch.cat([(value - end).reshape(count, -1) for end in ends], 1)
            return above, change.reshape(count, -1).repeat(1, len(ends))

        return self._coefficients(points, operation, read)

    def outputs(
        self, points: Float[np.ndarray, "n 2"]
    ) -> tuple[Float[np.ndarray, "n outputs 2"], Float[np.ndarray, "n outputs"]]:
        """The weights and the bias of the network's outputs as functions of u and v, at each point."""
        made = self._coefficients(points, None, lambda value, change: (value.flatten(1), change.flatten(1)))
        return made[..., :2], made[..., 2]

    def _coefficients(
        self,
        points: np.ndarray,
        operation: Operation | None,
        read: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    ) -> np.ndarray:
        parts = []
        for start in range(0, len(points), _BATCH):
            places = torch.from_numpy(points[start : start + _BATCH]).to(self.base)
            value, change = read(*self._pass(places, operation))
            value, *slopes = value[: len(places)], *change.chunk(2)
            line = torch.stack(slopes, -1)
            shape = (len(places), *[1] * (value.ndim - 1), 2)
            offset = value - (line * places.view(shape)).sum(-1)
            parts.append(torch.cat([line, offset[..., None]], -1).cpu().numpy())
        return np.concatenate(parts)

    def _pass(self, places: Tensor, operation: Operation | None) -> tuple[Tensor, Tensor]:
        """A value and its changes: of what an operation reads, or of the scores. One batch holds both directions."""
        shape = (-1, *[1] * (self.base.ndim - 1))
        x = self.base + sum(places[:, axis].view(shape) * way for axis, way in enumerate(self.ways))
        along = torch.cat([way.expand_as(x) for way in self.ways])
        with torch.inference_mode(False), torch.no_grad(), borrow(self.model), forward.dual_level():
            given = forward.make_dual(torch.cat([x, x]), along)
            if operation is None:
                return _parts(pick_output(self.model(given), self.output))
            seen: list[tuple[Tensor, Tensor]] = []

            def run(_function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> object:
                seen.append(_parts(args[0] if args else keywords["input"]))
                raise Reached

            watched: dict[int, Replacement] = {operation.number: run} if operation.number is not None else {}
            with substituting(self.model, self.recording.calls, watched):
                self.model(given)
            return seen[0]


def _parts(value: Tensor) -> tuple[Tensor, Tensor]:
    primal, tangent = forward.unpack_dual(value)
    return primal, torch.zeros_like(primal) if tangent is None else tangent
