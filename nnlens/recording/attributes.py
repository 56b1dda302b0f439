"""The Python attributes of a model, and everything that they contain."""

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
    return chain.from_iterable([table.values() if isinstance(table, dict) else table for table in tables if table])


def attribute_tables(modules: list[nn.Module]) -> list[Any]:
    """The attributes of modules, and all tables inside them, each once.

    Inside are lists, dictionaries and sets, the attributes of objects (a configuration, a namespace) and of modules
    that are not registered as children, tuples with more than numbers and strings, and what all of these contain.
    """
    result: list[Any] = list(map(vars, modules))
    seen = set(map(id, modules))
    level = result
    # Level by level, in as few steps as possible: of thousands of values hardly any contains others.
    while True:
        values = list(contents(level))
        kinds = {kind for kind in set(map(type, values)) if kind in TABLES or kind is tuple or _has_attributes(kind)}
        level = []
        for value in [item for item in values if type(item) in kinds]:
            if id(value) in seen:
                continue
            kind = type(value)
            if kind in TABLES:
                level.append(value)
                if not value:
                    continue
            elif kind is tuple:
                if all(isinstance(item, PLAIN) for item in value):
                    continue
                level.append(value)
            else:
                level.append(vars(value))
            seen.add(id(value))
        if not level:
            return result
        result = result + level


@lru_cache(maxsize=1024)
def _has_attributes(kind: type) -> bool:
    """Whether an object of this class has plain attributes (such as a Hugging Face config), or is a module."""
    if issubclass(kind, (Tensor, np.ndarray, torch.Generator, torch.jit.ScriptModule, *PLAIN, *_FUNCTIONS)):
        return False
    if issubclass(kind, nn.Module):
        return True
    if issubclass(kind, (tuple, list, set, frozenset, dict)) or kind.__module__.startswith("torch."):
        return False
    return getattr(kind, "__dictoffset__", 0) != 0
