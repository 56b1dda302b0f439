"""All that hangs on a model as plain Python: attributes, and what these contain, down to configurations."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

TABLES = {dict, OrderedDict, defaultdict, list, deque, set}
PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, type, ModuleType)


def contents(tables: Iterable[Any]) -> Iterator[Any]:
    """What lists, dictionaries and the like contain: of a dictionary its values."""
    return chain.from_iterable([one.values() if isinstance(one, dict) else one for one in tables if one])


def attribute_tables(modules: list[nn.Module]) -> list[Any]:
    """The attributes of modules, and all tables inside them, each once.

    Inside are lists, dictionaries and sets, the attributes of objects (a configuration, a namespace) and of modules
    that are not registered as children, tuples with more than numbers and words, and what all of these contain.
    """
    found: list[Any] = list(map(vars, modules))
    seen = set(map(id, modules))
    level = found
    # Level by level, in as few steps as can be: there are thousands of values, and hardly one leads anywhere.
    while True:
        values = list(contents(level))
        kinds = {kind for kind in set(map(type, values)) if kind in TABLES or kind is tuple or _has_attributes(kind)}
        level = []
        for value in [one for one in values if type(one) in kinds]:
            if id(value) in seen:
                continue
            kind = type(value)
            if kind in TABLES:
                level.append(value)
                if not value:
                    continue
            elif kind is tuple:
                if all(isinstance(one, PLAIN) for one in value):
                    continue
                level.append(value)
            else:
                level.append(vars(value))
            seen.add(id(value))
        if not level:
            return found
        found = found + level


@lru_cache(maxsize=1024)
def _has_attributes(kind: type) -> bool:
    """Whether an object of this class is one with plain attributes, a Hugging Face config say, or a module."""
    if issubclass(kind, (Tensor, np.ndarray, torch.Generator, torch.jit.ScriptModule, *PLAIN, *_FUNCTIONS)):
        return False
    if issubclass(kind, nn.Module):
        return True
    if issubclass(kind, (tuple, list, set, frozenset, dict)) or kind.__module__.startswith("torch."):
        return False
    return getattr(kind, "__dictoffset__", 0) != 0
