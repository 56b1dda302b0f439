"""The path of the weights during training, in the plane that shows most of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .directions import Weights


@dataclass(frozen=True, kw_only=True)
class WeightPath:
    """Checkpoints in the plane of their first two principal components.

    Attributes
    ----------
    places : array (checkpoints, 2)
        Coordinates along `directions`; the last checkpoint is at (0, 0).
    explained : array (2,)
        The share of the checkpoints' variance along each direction.
    directions : tuple of dict of str to tensor
        Two orthogonal directions of length 1, as `landscape` takes them.
    """

    places: np.ndarray
    explained: np.ndarray
    directions: tuple[dict[str, Tensor], ...]


@torch.no_grad()
def weight_path(checkpoints: Sequence[Weights], *, names: Collection[str] | None = None) -> WeightPath:
    """The principal components of the checkpoints of a training (Li et al., 2018, section 7).

    They are found from the scalar products between the checkpoints, so that two checkpoints at a time are enough in
    memory beside the result.

    Parameters
    ----------
    checkpoints : sequence of mappings of str to tensor
        State dicts in the order of the training, at least three. Only tensors of floating numbers count.
    names : collection of str, optional
        Those that count; give the names of the parameters where there are normalisations, whose running statistics may
        be most of the change.

    Raises
    ------
    ValueError
        For fewer than three checkpoints, and for some whose tensors differ in name or shape, or are not finite.
    """
    if len(checkpoints) < 3:
        raise ValueError(f"checkpoints must be at least three, got {len(checkpoints)}")
    last = checkpoints[-1]
    names = [name for name, value in last.items() if value.is_floating_point() and (names is None or name in names)]
    shapes = {name: last[name].shape for name in names}
    for number, state in enumerate(checkpoints):
        if any(name not in state or state[name].shape != shapes[name] for name in names):
            raise ValueError(f"checkpoints must have the same tensors, but number {number} differs from the last")

        if not all(bool(state[name].isfinite().all()) for name in names):
            raise ValueError(f"checkpoints must have finite weights, but number {number} has others")

    def away(place: int) -> Tensor:
        state = checkpoints[place]
        return torch.cat([(state[name].double() - last[name].double()).reshape(-1).cpu() for name in names])

    count = len(checkpoints)
    gram = np.zeros((count, count))
    for row in range(count - 1):  # the last one is 0
        first = away(row)
        for column in range(row, count - 1):
            gram[row, column] = gram[column, row] = float(first @ away(column))
    # Variance around the mean, coordinates from the last checkpoint: the path ends at the origin.
    centring = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(centring @ gram @ centring)
    order = np.argsort(-values)[:2]
    total = max(float(values.clip(0).sum()), 1e-300)
    directions, places = [], np.zeros((count, 2))
    for axis, which in enumerate(order):
        if values[which] <= 1e-12 * total:  # the path is straight: any other direction is as good
            directions.append({name: torch.zeros_like(last[name]) for name in names})
            continue
        shares = centring @ vectors[:, which] / np.sqrt(values[which])
        places[:, axis] = gram @ shares
        direction = {
            name: sum(
                (
                    float(shares[place]) * (checkpoints[place][name].double() - last[name].double())
                    for place in range(count)
                ),
                torch.zeros_like(last[name], dtype=torch.float64),
            ).to(last[name])
            for name in names
        }
        directions.append(direction)
    return WeightPath(places=places, explained=np.maximum(values[order], 0) / total, directions=tuple(directions))
