"""The code of a model as text: two models of the same weights may compute different things."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodDescriptorType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.utils.tensors import as_bytes

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_NAMED = (BuiltinFunctionType, FunctionType, MethodDescriptorType, MethodType)  # of torch, or not in Python


def code_words(classes: Iterable[type]) -> list[str]:
    """The code of the methods of modules' classes, without those of torch, which its version tells."""
    seen: dict[FunctionType, None] = {}
    for cls in dict.fromkeys(classes):
        own = [base for base in cls.__mro__ if issubclass(base, nn.Module) and not _is_of_torch(base)]
        for value in [value for base in own for _name, value in sorted(vars(base).items())]:
            for function in _functions(value):
                _collect(function, seen)
    return [_words(function) for function in seen]


def function_words(value: Any) -> str:
    """A function as text that is the same in every process; "" for anything else."""
    if isinstance(value, partial):
        return f"partial {function_words(value.func)} {_constant(value.args)} {_constant(value.keywords)}"
    seen: dict[FunctionType, None] = {}
    for function in _functions(value):
        _collect(function, seen)
    if seen:
        return " ".join(map(_words, seen))
    named = isinstance(value, (*_NAMED, type))
    return f"{getattr(value, '__module__', '')}.{value.__qualname__}" if named else ""


def words_of(value: Any) -> str:
    """A setting as text that is the same in every process: functions by their code, data classes by their fields."""
    if is_dataclass(value) and not isinstance(value, type):
        own = [(field.name, words_of(getattr(value, field.name))) for field in fields(value)]
        return f"{type(value).__name__} {own}"
    if isinstance(value, (np.ndarray, Tensor)):
        return f"{tuple(value.shape)} {as_bytes(torch.as_tensor(value)).hex()}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__} {[words_of(item) for item in value]}"
    return function_words(value) or (repr(value) if isinstance(value, _PLAIN) else type(value).__name__)


def _functions(value: Any) -> Iterator[FunctionType]:
    """The functions of what a class or a module holds under a name."""
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, (staticmethod, classmethod, MethodType)):
        yield from _functions(value.__func__)
    elif isinstance(value, property):
        yield from (part for part in (value.fget, value.fset) if isinstance(part, FunctionType))


def _collect(function: FunctionType, seen: dict[FunctionType, None]) -> None:
    """A function with those that it calls by the names of its module, and that it encloses."""
    if function in seen or _is_of_torch(function):
        return
    seen[function] = None
    called = [function.__globals__.get(name) for name in _names(function.__code__)]
    enclosed = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    for other in [*called, *enclosed]:
        if isinstance(other, FunctionType) and (other in enclosed or other.__module__ == function.__module__):
            _collect(other, seen)


def _words(function: FunctionType) -> str:
    closure = [_constant(cell.cell_contents) for cell in function.__closure__ or () if _is_filled(cell)]
    code = _code(function.__code__)
    # Of the module's variables those that are constants by their names: others may differ between processes.
    named = [name for name in _names(function.__code__) if name.isupper()]
    constants = [_constant(function.__globals__.get(name)) for name in named]
    defaults = f"{_constant(function.__defaults__)} {_constant(function.__kwdefaults__)}"
    return f"{function.__name__} {code} {defaults} {closure} {constants}"


def _names(code: CodeType) -> list[str]:
    inner = [name for one in code.co_consts if isinstance(one, CodeType) for name in _names(one)]
    return [*code.co_names, *inner]


def _code(code: CodeType) -> str:
    return f"{code.co_code.hex()} {code.co_names} {[_constant(value) for value in code.co_consts]}"


def _constant(value: Any) -> str:
    """A constant as text; only its type where its text may differ from one process to the next."""
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__} {[_constant(item) for item in value]}"
    if isinstance(value, (set, frozenset)):
        return f"set {sorted(map(_constant, value))}"
    if isinstance(value, dict):
        return f"dict {[(_constant(key), _constant(item)) for key, item in value.items()]}"
    return type(value).__name__  # the names of functions around it get lost on the way to another process


def _is_of_torch(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] == "torch"


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
