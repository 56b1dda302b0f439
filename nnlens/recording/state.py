"""Detecting changes of a model: weights, buffers, modules, hooks and attributes are compared before every use."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable
from itertools import chain
from types import BuiltinFunctionType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.inputs.varied import whole_model

from .attributes import PLAIN, TABLES, attribute_tables, contents
from .borrow import lock_of

_STRIDED = torch.strided
_WHOLE = 8192  # bytes: tensors up to this size are always compared as a whole
_PIECE = 256  # bytes: of each of the four pieces that are compared of a larger tensor

_numbers = itertools.count(1)
_known: WeakKeyDictionary[nn.Module, _Snapshot] = WeakKeyDictionary()
# Models that each pass changes in a way that cannot be undone: their changes are ignored.
_restless: WeakSet[nn.Module] = WeakSet()
_epoch = 0


def changed_by_a_pass(model: nn.Module, before: int) -> bool:
    """Whether a pass has changed the model, whose version was `before`; from then on its changes are ignored.

    Otherwise every use of it would find a changed model.
    """
    model = whole_model(model)
    if version_of(model) == before or before == 0:
        return False
    with lock_of(model):
        _restless.add(model)
    return True


def expect_changes() -> None:
    """The user's own code has run: the next check of any model compares all of its weights."""
    global _epoch
    _epoch += 1


def version_of(model: nn.Module, *, full: bool = False) -> int:
    """A number that stays the same exactly as long as what the model computes cannot have changed.

    Compared are the values of parameters, buffers and other tensors and arrays among the attributes; which modules
    there are, with their classes, `forward`, hooks and attributes, down to lists, dictionaries, tuples and the
    attributes of objects among them, a configuration say. Objects with slots and other methods than `forward` are
    not looked into. Flags of training mode do not count, for passes run in eval mode.

    A quick comparison reads small tensors and four pieces of each larger one; it takes about 2 % of a forward pass. A
    full comparison reads all weights (4 GB per second) and is made with `full`, after `expect_changes`, and where
    torch's own counter says that a parameter was written to. A single number of a large tensor that is changed without
    torch's
    knowledge (`.numpy()`, `.data`) is detected by the next full comparison, which precedes each result.

    Several threads may call it; it waits for a thread that has borrowed the model.
    """
    model = whole_model(model)
    with lock_of(model):
        if model in _restless:
            return 0
        snapshot = _known.get(model)
        if snapshot is None or not snapshot.holds(model, full=full):
            before, snapshot = snapshot, _Snapshot(model)
            if before is not None and snapshot.equals(before):
                snapshot.number = before.number
            _known[model] = snapshot
        return snapshot.number


class _Snapshot:
    """The state of a model at one moment, in a form that is quickly compared."""

    def __init__(self, model: nn.Module):
        self.number, self.epoch = next(_numbers), _epoch
        self.classes = list(dict.fromkeys(map(type, model.modules())))
        self.forwards = [getattr(index, "forward", None) for index in self.classes]
        tables = _tables(model)
        self.settings = _settings(tables)
        self._take_attributes(tables, model)
        values = list(contents(tables))
        scripted = (item for module in model.modules() if isinstance(module, torch.jit.ScriptModule)
                    for item in (*module.parameters(), *module.buffers()))  # fmt: skip
        tensors = {id(item): item for item in (*values, *scripted) if isinstance(item, Tensor)}
        self.tensors = list(tensors.values())
        self.placed = [tensor for tensor in self.tensors if tensor.layout is _STRIDED and not tensor.is_nested]
        self.loose = [tensor for tensor in self.tensors if tensor.layout is not _STRIDED or tensor.is_nested]
        self.places = self._places()
        self.parameters = [
            tensor for tensor in self.tensors if isinstance(tensor, nn.Parameter) and not tensor.is_inference()
        ]
        self.versions = [parameter._version for parameter in self.parameters]
        with torch.inference_mode(False), torch.no_grad():
            rows = list(map(_row, self.tensors))
            self.bits = [tensor if row is None else _bits(row) for tensor, row in zip(self.tensors, rows, strict=True)]
            parts = zip(self.bits, rows, strict=True)
            some = [part for item, row in parts if row is not None for part in _some(item)]
            self.some: list[Any] = [part.data for part in some if isinstance(part, np.ndarray)]
            self.elsewhere = [part for part in some if not isinstance(part, np.ndarray)]  # not on the CPU
            self.sampled, self.checksums = self._sample(), list(map(_checksum, self.bits))
        self.array_sums = list(map(_array_sum, self.arrays))

    def _take_attributes(self, tables: list[Any], model: nn.Module) -> None:
        values = list(contents(tables))
        self.arrays = [value for value in values if type(value) is np.ndarray]
        self.ids, self.lengths = list(map(id, values)), [len(table) for table in tables if table]
        self.tensor_ids = {id(value) for value in values if isinstance(value, Tensor)}
        # If the tables are stored, they are compared without walking through the model. If they contain more than
        # weights, children and settings (a hook, for example), they may refer to the model, which would never be freed:
        # then each comparison walks through the model.
        self.tables: list[Any] | None = None
        if not any(map(_may_lead_back, values)) and not any(value is model for value in values):
            # Views, which show what is added to a table later. Most tables, such as those of hooks, are empty.
            self.tables = [table.values() if isinstance(table, dict) else table for table in tables if table]
            self.empty = [table for table in tables if not table]
        # An object's id is valid as long as the object lives.
        self.alive = values if self.tables is not None else [item for item in values if isinstance(item, PLAIN)]
        loose = () if self.tables is not None else values
        self.others = [ref(item) for item in loose if not isinstance(item, PLAIN) and _takes_reference(item)]

    def _same_attributes(self, model: nn.Module) -> bool:
        """Whether all attributes are the same objects as before."""
        if any(other() is None for other in self.others):
            return False
        tables = self.tables
        if tables is None:
            tables = [table.values() if isinstance(table, dict) else table for table in _tables(model) if table]
        elif any(self.empty):
            return False
        return list(map(len, tables)) == self.lengths and list(map(id, chain.from_iterable(tables))) == self.ids

    def holds(self, model: nn.Module, *, full: bool) -> bool:
        """Whether the model is still as it was."""
        if [getattr(index, "forward", None) for index in self.classes] != self.forwards:
            return False
        if not self._same_attributes(model):
            # Usually a training flag, or an attribute that was set to the value it had.
            tables, before = _tables(model), self.tensor_ids
            if _settings(tables) != self.settings:
                return False
            self._take_attributes(tables, model)
            if self.tensor_ids != before:
                return False
        if self._places() != self.places or list(map(_array_sum, self.arrays)) != self.array_sums:
            return False
        versions = [parameter._version for parameter in self.parameters]
        with torch.inference_mode(False), torch.no_grad():
            if self._sample() != self.sampled:
                return False
            if full or versions != self.versions or self.epoch != _epoch:
                self.epoch = _epoch
                if list(dict.fromkeys(map(type, model.modules()))) != self.classes:
                    return False
                if list(map(_checksum, self.bits)) != self.checksums:
                    return False
        self.versions = versions
        return True

    def equals(self, other: _Snapshot) -> bool:
        """Whether two snapshots are equal, even if objects were replaced with equal ones."""
        mine = self.classes, self.forwards, self.settings, self.checksums, self.array_sums
        return mine == (other.classes, other.forwards, other.settings, other.checksums, other.array_sums)

    def _sample(self) -> list[Any]:
        return [*map(zlib.crc32, self.some), *map(_checksum, self.elsewhere)]

    def _places(self) -> list[int]:
        """The tensors' addresses, which change by `parameter.data = …`; for sparse ones a count of writes."""
        writes = (0 if item.is_inference() else item._version for item in self.loose)
        return [*(item.data_ptr() for item in self.placed), *writes]


def _takes_reference(value: Any) -> bool:
    return getattr(type(value), "__weakrefoffset__", 0) != 0


def _may_lead_back(value: Any) -> bool:
    """Whether a value may refer to the model that it is an attribute of."""
    if isinstance(value, (*PLAIN, Tensor, nn.Module, np.ndarray, BuiltinFunctionType, type)) or type(value) in TABLES:
        return False
    if isinstance(value, tuple):
        return any(map(_may_lead_back, value))
    return not (isinstance(value, FunctionType) and value.__closure__ is None)


def _tables(model: nn.Module) -> list[Any]:
    return attribute_tables([module for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)])


def _settings(tables: Iterable[Any]) -> list[Any]:
    """The attributes, by value if they are plain; the contents of tensors are compared elsewhere."""
    result: list[Any] = []
    for table in tables:
        if isinstance(table, dict):
            result.append([(key, _setting(value)) for key, value in table.items() if key != "training"])
        else:
            items = [_setting(value) for value in table]
            result.append(sorted(items, key=repr) if isinstance(table, set) else items)
    return result


def _setting(value: Any) -> Any:
    if isinstance(value, PLAIN):
        return type(value), repr(value) if isinstance(value, float) else value  # NaN is equal to itself
    if isinstance(value, Tensor):
        return "tensor", tuple(value.shape) if value.layout is _STRIDED else id(value), value.dtype
    if isinstance(value, tuple):
        return tuple(_setting(item) for item in value)
    if isinstance(value, np.ndarray):
        return "array", value.shape, value.dtype
    if type(value) in TABLES:
        return type(value), len(value)  # a table of its own
    return type(value), id(value)


def _row(tensor: Tensor) -> Tensor | None:
    """A tensor's memory as a flat tensor; None where it has gaps or cannot be read."""
    readable = type(tensor) in (Tensor, nn.Parameter) and tensor.layout is _STRIDED and tensor.device.type != "meta"
    if (
        not readable
        or tensor.is_nested
        or tensor.is_quantized
        or torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    ):
        return None
    strides = tensor.stride()
    in_order = tensor.detach().permute(sorted(range(tensor.ndim), key=lambda axis: -strides[axis]))
    return in_order.view(-1) if in_order.is_contiguous() else None


def _bits(row: Tensor) -> Any:
    """The bytes of a row of numbers, in place: an array on the CPU."""
    bits = row.resolve_conj().resolve_neg().view(torch.uint8)
    return bits.numpy() if bits.device.type == "cpu" else bits


def _some(bits: Any) -> list[Any]:
    """Parts of a tensor's bytes: all of a small one, four pieces of a large one."""
    if len(bits) <= _WHOLE:
        return [bits]
    return [bits[start : start + _PIECE] for start in range(0, len(bits), max(_PIECE, len(bits) // 4))][:4]


def _checksum(argument: Any) -> Any:
    """A number that differs for different contents: of bytes, or of a tensor whose bytes are not directly readable."""
    if isinstance(argument, np.ndarray):
        return zlib.crc32(argument.data)
    if argument.dtype == torch.uint8 and argument.ndim == 1 and argument.device.type not in ("cpu", "meta"):
        # Two sums, one of them weighted by position, instead of a copy to the CPU.
        whole = argument[: len(argument) // 4096 * 4096].view(torch.int64).view(-1, 512)
        places = torch.arange(512, device=argument.device) * 2 + 1
        rest = argument[len(argument) // 4096 * 4096 :].cpu().numpy()
        return int(whole.sum()), int((whole.sum(0) * places).sum()), zlib.crc32(rest)
    if argument.numel() == 0 or argument.device.type == "meta":
        return tuple(argument.shape)
    if argument.is_sparse:
        argument = argument.coalesce().values()
    elif argument.is_quantized:
        argument = argument.int_repr()
    elif argument.layout is not _STRIDED or argument.is_nested or type(argument) not in (Tensor, nn.Parameter):
        return id(argument), 0 if argument.is_inference() else argument._version
    return zlib.crc32(_bits(argument.detach().reshape(-1).cpu()))


def _array_sum(array: np.ndarray) -> Any:
    return (
        id(array) if array.dtype == object else zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    )
