"""Tensors as bytes."""

from __future__ import annotations

import torch
from torch import Tensor


def as_bytes(tensor: Tensor) -> bytes:
    """The numbers of a tensor."""
    return bytes(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
