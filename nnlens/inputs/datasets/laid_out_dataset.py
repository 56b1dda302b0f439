"""Data sets of signals, volumes and vectors, laid out as images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnlens.inputs.input import Input
from nnlens.inputs.laid_out import with_layout, with_value

from .image_dataset import ImageDataset


class LaidOutDataset(ImageDataset):
    """A data set whose items are tensors or arrays that a model takes as they are: see `ImageDataset`.

    Of volumes and videos all slices are taken, so that nothing of another item is held.

    Parameters
    ----------
    data : tensor (n, …), torch Dataset or sequence
        An item is a tensor or an array without the axis of the batch, a pair of it and a label, or a mapping.
    template : Input
        One of the items as the lens opens it.
    with_batch : callable
        Adds the axis of the batch.
    **options
        As for `ImageDataset`.
    """

    def __init__(self, data: Any, template: Input, with_batch: Callable[[Tensor], Tensor], **options: Any):
        super().__init__([*data] if isinstance(data, Tensor) else data, None, **options)
        around = template.around
        assert around is not None
        layout, shape = around.as_image, tuple(around.value.shape)
        if layout.along:
            template = with_layout(template, layout.at(shape, first=0, count=layout.slices(shape)), self.bands)
        self._template, self._with_batch = template, with_batch

    def __getitem__(self, item: int) -> Tensor:
        return self.input(item).x[0]

    def input(self, item: int) -> Input:
        """One item, laid out like the others."""
        if not 0 <= item < len(self):
            raise IndexError(f"item must be 0…{len(self) - 1}, got {item}")
        around = self._template.around
        assert around is not None
        value, _label = self._item(item)
        tensor = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        if not isinstance(tensor, Tensor):
            raise TypeError(f"dataset must hold tensors or arrays, got {type(value).__name__}")
        tensor = self._with_batch(tensor.detach()).to(around.value)
        if tensor.shape != around.value.shape:
            raise ValueError(
                f"dataset must hold items of one shape, {tuple(around.value.shape)} with the batch, got "
                f"{tuple(tensor.shape)}"
            )
        return replace(with_value(self._template, around.path, tensor, self.bands), name=self.name(item))
