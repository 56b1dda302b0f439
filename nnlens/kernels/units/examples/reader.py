"""Reading the inputs of a data set, batch by batch, and noting those that cannot be read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from nnlens.utils.errors import reason

MOST = 64  # inputs in a batch
PATIENCE = 0.5  # seconds that reading a batch takes at most: others wait for it


@runtime_checkable
class Inputs(Protocol):
    """A data set as the model's ready inputs: `len(inputs)`, and `inputs[i]` a tensor (c, …) or (1, c, …)."""

    def __len__(self) -> int: ...
    def __getitem__(self, item: int, /) -> Tensor: ...


class Reader:
    """Reads inputs as batches, and remembers those that could not be read."""

    def __init__(self, inputs: Inputs | Sequence[Tensor], device: torch.device, dtypes: tuple[torch.dtype, ...]):
        self.inputs, self.device, self.dtypes = inputs, device, dtypes
        self.shape: tuple[int, ...] | None = None

    def read(self, item: int) -> Tensor:
        """One input (1, c, …), on the model's device; ValueError if its shape differs from that of the first one."""
        value = self.inputs[item]
        if not isinstance(value, Tensor):
            raise TypeError(f"inputs must be tensors, got {type(value).__name__} as number {item}")
        value = value.detach()
        if self.shape is not None and value.shape != self.shape and value.shape[:1] == (1,):
            value = value[0]
        if self.shape is None:
            self.shape = tuple(value.shape[1:] if value.ndim > 3 and value.shape[0] == 1 else value.shape)
        if tuple(value.shape[-len(self.shape) :]) != self.shape or value.numel() != int(np.prod(self.shape)):
            raise ValueError(f"inputs must all have the shape {self.shape}, got {tuple(value.shape)} as number {item}")
        dtype = value.dtype if value.dtype in self.dtypes else self.dtypes[0]
        return value.reshape(1, *self.shape).to(self.device, dtype)

    def first(self) -> Tensor:
        """The first input that can be read."""
        problem: Exception | None = None
        for item in range(min(len(self.inputs), MOST)):
            try:
                return self.read(item)
            except Exception as error:
                problem = problem or error
        raise ValueError(f"inputs must be readable, but none of the first {MOST} is: {problem}") from problem

    def read_some(
        self, asked: Sequence[int], *, patience: float = PATIENCE
    ) -> tuple[np.ndarray, list[Tensor], dict[int, str]]:
        """As many of the first inputs as can be read in `patience` seconds, and why some could not be read."""
        items, rows, problems, begin = [], [], dict[int, str](), time.monotonic()
        for item in asked:
            try:
                rows.append(self.read(item))
            except Exception as error:  # one broken file must not cost the others
                problems[item] = reason(error)
            else:
                items.append(item)
            if time.monotonic() - begin > patience:
                break
        return np.array(items, np.int64), rows, problems
