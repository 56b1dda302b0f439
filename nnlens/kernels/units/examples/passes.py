"""The values of some layers for batches of inputs, as maps of their units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.geometry.axes import places_of
from nnlens.passes.batches import in_batches
from nnlens.passes.partial_pass import PartialPass
from nnlens.passes.prepared import Prepared
from nnlens.recording import Recording, borrow

from .layer_examples import LayerExamples
from .reader import MOST

LARGEST = 4_000_000  # numbers in a tensor: larger ones are mapped afresh each time, which is slow


class LayerPasses:
    """Passes of a model that give the values of some layers.

    Parameters
    ----------
    recording : Recording
        A whole pass on one input.
    layers : sequence of str
        Names of operations.
    prepared : Prepared, optional

    Attributes
    ----------
    batch_size : int
        How many inputs suit the size of the operations.
    """

    def __init__(self, model: nn.Module, recording: Recording, layers: Sequence[str], prepared: Prepared | None):
        self.model, self.layers = model, layers
        self._forward = PartialPass(model, recording, layers, prepared=prepared)
        self._arranged = {layer: _Arranged(recording, layer) for layer in layers}
        largest = max(int(np.prod(operation.shape)) for operation in recording)
        self.batch_size = max(1, min(MOST, LARGEST // largest))

    @property
    def how(self) -> str:
        """In words, how the passes are run, if not in the fast way."""
        return self._forward.how

    def __call__(self, rows: list[Tensor]) -> dict[str, Tensor]:
        """Layer → (n, units, height, width) for inputs (1, …), in smaller batches where memory runs out."""

        def run(first: int, stop: int) -> dict[str, Tensor]:
            with borrow(self.model):
                return self._forward(torch.cat(rows[first:stop]))[0]

        if not rows:
            return {}
        parts = [part for _, _, part in in_batches(len(rows), run, size=len(rows))]
        joined = {
            name: torch.cat([part[name] for part in parts]) if len(parts) > 1 else parts[0][name] for name in parts[0]
        }
        return {name: self._arranged[name](joined[name].detach(), len(rows)) for name in self.layers}


def empty_layers(recording: Recording, layers: Sequence[str]) -> dict[str, LayerExamples]:
    """Name of the operation → results over no input yet."""
    found = {}
    for name in dict.fromkeys(layers):
        found[name] = LayerExamples(name, *places_of(recording, recording.operation(name)).shape)
    return found


class _Arranged:
    """A layer's value for a batch as (n, units, height, width)."""

    def __init__(self, recording: Recording, name: str):
        operation = recording.operation(name)
        self.name, self.numbers = name, int(np.prod(operation.shape))
        places = places_of(recording, operation)
        self.shape = places.shape
        in_order = places.size == self.numbers and np.array_equal(places.ravel(), np.arange(places.size))
        self.index = None if in_order else torch.from_numpy(places.ravel())

    def __call__(self, value: Tensor, count: int) -> Tensor:
        if value.shape[:1] != (count,) or value.numel() != count * self.numbers:
            raise ValueError(
                f"layer {self.name!r} must give one value per input to be searched; for {count} "
                f"inputs it gave the shape {tuple(value.shape)}"
            )
        if self.index is None:
            return value if value.shape[1:] == self.shape else value.reshape(count, *self.shape)
        return value.reshape(count, -1)[:, self.index.to(value.device)].view(count, *self.shape)
