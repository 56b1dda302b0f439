"""A tiny network with the operations that a person would count in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

ZOO: dict[str, Specimen] = {}


class Specimen(NamedTuple):
    """How to build a network, what to give it, and the names that its recording must have, in order."""

    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Any, ...]]
    names: str
    keywords: Callable[[], dict[str, Any]] = dict


def image(*shape: int) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.randn(*(shape or (1, 3, 8, 8))),)


def specimen(names: str, inputs: Any = None, keywords: Any = dict) -> Callable[[type[nn.Module]], type[nn.Module]]:
    def add(cls: type[nn.Module]) -> type[nn.Module]:
        ZOO[cls.__name__] = Specimen(cls, inputs or image(), names, keywords)
        return cls

    return add
