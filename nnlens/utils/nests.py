"""Nests: tensors inside tuples, lists, mappings and dataclasses, as models take and return them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, MutableMapping
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
    return mapped(nest, _copy)


def _copy(tensor: Tensor) -> Tensor:
    copy = tensor.detach().clone()
    return copy.requires_grad_() if tensor.requires_grad and not copy.is_inference() else copy


def mapped(nest: Any, change: Callable[[Tensor], Any]) -> Any:
    """`nest` with each of its tensors changed."""
    if isinstance(nest, Tensor):
        return change(nest)
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*(mapped(item, change) for item in nest))
    if type(nest) in (tuple, list):
        return type(nest)(mapped(item, change) for item in nest)
    if isinstance(nest, MutableMapping):
        pairs = shallow(nest)
        for key, value in nest.items():
            pairs[key] = mapped(value, change)
        return pairs
    if dataclasses.is_dataclass(nest) and not isinstance(nest, type):
        same = shallow(nest)
        for field in dataclasses.fields(nest):
            if hasattr(nest, field.name):
                object.__setattr__(same, field.name, mapped(getattr(nest, field.name), change))
        return same
    return nest


def paths_in(nest: Any) -> Iterator[tuple[tuple[int | str, ...], Tensor]]:
    """The tensors inside tuples, lists and mappings, each with the way to it."""
    if isinstance(nest, Tensor):
        yield (), nest
    elif isinstance(nest, (tuple, list, Mapping)):
        for key, item in nest.items() if isinstance(nest, Mapping) else enumerate(nest):
            yield from (((key, *path), tensor) for path, tensor in paths_in(item))


def at_path(nest: Any, path: tuple[int | str, ...]) -> Any:
    """What is at the end of a way that `paths_in` gave."""
    for key in path:
        nest = nest[key]
    return nest


def replaced(nest: Any, path: tuple[int | str, ...], value: Any) -> Any:
    """`nest` with another value at the end of a way; what is not on the way is shared."""
    if not path:
        return value
    key, *rest = path
    own = replaced(nest[key], tuple(rest), value)
    if isinstance(nest, MutableMapping):
        pairs = shallow(nest)
        pairs[key] = own
        return pairs
    items = [own if place == key else item for place, item in enumerate(nest)]
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*items)
    return type(nest)(items)
