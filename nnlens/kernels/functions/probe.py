"""What the values inside a network are as linear functions of the coordinates of a line or plane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.passes.tangents import tangent_pass
from nnlens.recording import Operation, Recording, record
from nnlens.recording.substitute import Reached
from nnlens.scores.meaning import Pick, pick_output

from .border import maxima_of
from .local_map import doubled
from .pieces import exact_kind, is_maximum, kinks

_NUMBERS = 2_000_000  # of the largest value of a batch


class Probe:
    """Passes with tangents along one or two directions, at many points of the line or plane that they span."""

    def __init__(self, model: nn.Module, recording: Recording, base: Tensor, ways: tuple[Tensor, ...], output: Pick):
        self.model, self.recording = model, recording
        self.base, self.ways = base, ways
        made = recording.maker_of(pick_output(recording.output, output))
        if made is None:
            raise ValueError("the scores must be what one recorded operation returns")
        self.last = made.name
        largest = max(int(np.prod(each.shape)) for each in recording)
        self.batch = max(8, min(512, _NUMBERS // largest))

    def lines(self, operation: Operation, points: Float[np.ndarray, "n ways"]) -> Float[np.ndarray, "n ... ways+1"]:
        """The coefficients of each value that an operation reads, at each point: in a plane a, b, c of a·u + b·v + c.

        Of an operation with kinks, (n, units, ways + 1): how far each value is above each kink. Of a maximum,
        (n, windows, values of a window, ways + 1).
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

        return self._coefficients(points, operation.inputs[0], read)

    def outputs(
        self, points: Float[np.ndarray, "n ways"]
    ) -> tuple[Float[np.ndarray, "n outputs ways"], Float[np.ndarray, "n outputs"]]:
        """The weights and the bias of the network's outputs as functions of the coordinates, at each point."""
        made = self._coefficients(points, self.last, lambda value, change: (value.flatten(1), change.flatten(1)))
        return made[..., :-1], made[..., -1]

    def _coefficients(
        self,
        points: np.ndarray,
        source: str,
        read: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    ) -> np.ndarray:
        parts = []
        for start in range(0, len(points), self.batch):
            places = torch.from_numpy(points[start : start + self.batch]).to(self.base)
            value, changes = self._pass(places, source)
            slopes = []
            for change in changes:
                above, slope = read(value, change)
                slopes.append(slope)
            line = torch.stack(slopes, -1)
            shape = (len(places), *[1] * (above.ndim - 1), len(self.ways))
            offset = above - (line * places.view(shape)).sum(-1)
            parts.append(torch.cat([line, offset[..., None]], -1).cpu().numpy())
        return np.concatenate(parts)

    def _pass(self, places: Tensor, source: str) -> tuple[Tensor, Tensor]:
        """The values of an operation (n, …), and their changes along the directions (ways, n, …)."""
        shape = (-1, *[1] * (self.base.ndim - 1))
        x = self.base + sum(places[:, axis].view(shape) * way for axis, way in enumerate(self.ways))
        ways = torch.cat(self.ways)
        if source == "input":
            return x, ways[:, None].expand(len(ways), *x.shape)
        found: list[tuple[Tensor, Tensor]] = []

        def tell(name: str, value: Tensor, changes: Tensor) -> None:
            if name == source:
                found.append((value.clone(), changes.clone()))
                raise Reached

        tangent_pass(self.model, self.recording, x, ways, tell)
        return found[0]


def probe_along(
    model: nn.Module, origin: Tensor, ways: tuple[Tensor, ...], output: Pick
) -> tuple[Probe, list[Operation]]:
    """What reads the values of a copy in double precision, and the operations whose units switch.

    Raises `NotPiecewiseLinearError` for a network that has no linear pieces.
    """
    exact, base = doubled(model), origin.detach().double()
    recording = record(exact, base)
    exact_kind(recording)
    probe = Probe(exact, recording, base, tuple(way.detach().double() for way in ways), output)
    return probe, [each for each in recording if kinks(each) is not None or is_maximum(each)]
