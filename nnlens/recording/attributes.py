"""The Python attributes of a model, and everything that they contain."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from operator import is_
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

TABLES = {dict, OrderedDict, defaultdict, list, deque, set}
PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, type, ModuleType)


def contents(tables: Iterable[Any]) -> Iterator[Any]:
    """What lists, dictionaries and the like contain: of a dictionary its values."""
    return chain.from_iterable([table.values() if isinstance(table, dict) else table for table in tables if table])


class Attributes:
    """The attributes of a model's modules, and all that they contain, found by walking through the model once.

    Attributes
    ----------
    own : list of dict
        The attributes of each module. The modules are not stored: one of them is the model itself.
    scripted : list of torch.jit.ScriptModule
        The modules of TorchScript, whose attributes cannot be read.
    every : list
        The attributes of each module, then the lists, dictionaries and so on inside them, each once.
    tables, before, empty : list
        Those of them that can be changed: the ones that contain something, what that was, and the ones that are empty.
    values, ids : list
        What all of them contain, and the ids of that.
    parameters, buffers : list of torch.Tensor
        Of all modules, each once; the buffers with other tensors among the values.
    arrays, generators : list
        NumPy's arrays and torch's generators among the values.
    kept : bool
        Whether nothing in them leads back to the model, so that storing them does not keep it alive.
    """

    def __init__(self, model: nn.Module):
        modules = list(model.modules())
        self.scripted = [item for item in modules if isinstance(item, torch.jit.ScriptModule)]
        if self.scripted:
            modules = [item for item in modules if not isinstance(item, torch.jit.ScriptModule)]
        self.own = list(map(vars, modules))
        self.every = _tables(modules)
        tables = [table for table in self.every if type(table) is not tuple]
        self.tables, self.empty = [table for table in tables if table], [table for table in tables if not table]
        self.before = [table.copy() for table in self.tables]
        # Views, which show what is added to a table later. Most tables, such as those of hooks, are empty.
        self._views = [table.values() if isinstance(table, dict) else table for table in self.every if table]
        self.values = list(chain.from_iterable(self._views))
        self.ids = list(map(id, self.values))
        kinds = set(map(type, self.values))  # rare ones are looked for only where there are any
        parameters = [item for module in modules for item in module._parameters.values() if item is not None]
        self.parameters: list[Tensor] = list({id(item): item for item in parameters}.values())
        tensors = [item for module in modules for item in module._buffers.values() if item is not None]
        tensors += [value for value in self.values if type(value) is Tensor] if Tensor in kinds else []
        self.buffers = list({id(item): item for item in tensors}.values())
        self.arrays = [value for value in self.values if type(value) is np.ndarray] if np.ndarray in kinds else []
        rare = kinds & {torch.Generator}
        self.generators: list[torch.Generator] = [value for value in self.values if type(value) in rare] if rare else []
        # What tables and tuples contain is among the values.
        odd = {kind for kind in kinds - TABLES - {tuple} if not issubclass(kind, _LEADS_NOWHERE)}
        leads_back = odd and any(_may_lead_back(value) for value in self.values if type(value) in odd)
        self.kept = not leads_back and id(model) not in self.ids and all(item is not model for item in self.scripted)

    def same(self) -> bool:
        """Whether all tables contain the same objects as when they were found."""
        return not any(self.empty) and list(map(id, chain.from_iterable(self._views))) == self.ids

    def same_names(self) -> bool:
        """Whether the objects also have the same names."""
        return all(map(is_, chain.from_iterable(self.tables), chain.from_iterable(self.before)))


_found: WeakKeyDictionary[nn.Module, Attributes] = WeakKeyDictionary()


def attributes_of(model: nn.Module) -> Attributes:
    """The model's attributes; the walk through the model is only made where something has changed since the last one.

    The caller holds the model's lock.
    """
    found = _found.get(model)
    if found is None or not found.same():
        found = Attributes(model)
        if found.kept:
            _found[model] = found
        else:
            _found.pop(model, None)
    return found


def _tables(modules: list[nn.Module]) -> list[Any]:
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


_LEADS_NOWHERE = (*PLAIN, Tensor, nn.Module, np.ndarray, BuiltinFunctionType, type)


def _may_lead_back(value: Any) -> bool:
    """Whether a value may refer to the model that it is an attribute of."""
    if isinstance(value, _LEADS_NOWHERE) or type(value) in TABLES:
        return False
    if isinstance(value, tuple):
        return any(map(_may_lead_back, value))
    return not (isinstance(value, FunctionType) and value.__closure__ is None)
