"""Nests: tensors inside tuples, lists, mappings and dataclasses, as models take and return them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, MutableMapping
from copy import copy as shallow
from typing import Any

from torch import Tensor


def tensors_in(nest: Any) -> Iterator[Tensor]:
    """The tensors inside tuples, lists, mappings and dataclasses, in their order."""
    if isinstance(nest, Tensor):
        yield nest
    elif isinstance(nest, (tuple, list)):
        for item in nest:
            yield from tensors_in(item)
    elif isinstance(nest, Mapping):
        for item in nest.values():
            yield from tensors_in(item)
    elif dataclasses.is_dataclass(nest) and not isinstance(nest, type):
        for entry in dataclasses.fields(nest):
            yield from tensors_in(getattr(nest, entry.name, None))


def copied(nest: Any) -> Any:
    """`nest` with its tensors copied: a forward may write into what it is given."""
    if isinstance(nest, Tensor):
        copy = nest.detach().clone()
        return copy.requires_grad_() if nest.requires_grad and not copy.is_inference() else copy
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*map(copied, nest))
    if type(nest) in (tuple, list):
        return type(nest)(map(copied, nest))
    if isinstance(nest, MutableMapping):
        pairs = shallow(nest)
        for key, value in nest.items():
            pairs[key] = copied(value)
        return pairs
    if dataclasses.is_dataclass(nest) and not isinstance(nest, type):
        same = shallow(nest)
        for field in dataclasses.fields(nest):
            if hasattr(nest, field.name):
                object.__setattr__(same, field.name, copied(getattr(nest, field.name)))
        return same
    return nest
