"""What a result depends on in a model: weights, buffers, modules, hooks and attributes, compared before every use."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
import torch
from torch import Tensor, nn

from .borrow import lock_of, tables_in

_STRIDED = torch.strided
_WHOLE = 8192  # bytes: tensors up to this size are always compared as a whole
_PIECE = 256  # bytes: of each of the four pieces that are compared of a larger tensor

_numbers = itertools.count(1)
_known: WeakKeyDictionary[nn.Module, _Snapshot] = WeakKeyDictionary()
_epoch = 0


def expect_changes() -> None:
    """The user's own code has run: the next look at any model compares all of its weights."""
    global _epoch
    _epoch += 1


def version_of(model: nn.Module, *, full: bool = False) -> int:
    """A number that stays the same exactly as long as what the model computes cannot have changed.

    Compared are the values of parameters, buffers and other tensors and arrays among the attributes; which modules
    there are, with their classes, hooks and attributes, down to lists, dictionaries and the attributes of
    configuration objects. Flags of training mode do not count, for passes run in eval mode.

    A quick look compares small tensors and four pieces of each larger one; it takes 1 to 2 % of a forward pass. A
    whole look reads all weights (4 GB a second) and is made with `full`, after `expect_changes`, and where torch's own
    counter says that a parameter was written to. So one number of a large tensor that is changed behind torch's back
    (`.numpy()`, `.data`) is noticed by the next whole look: each result begins with one.

    Two threads may ask; a thread that has borrowed the model is waited for.
    """
    with lock_of(model):
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
        self.forwards = [getattr(one, "forward", None) for one in self.classes]
        tables = _tables(model)
        self.settings = _settings(tables)
        self._take_attributes(tables, model)
        values = list(chain.from_iterable(self.contents))
        scripted = (one for module in model.modules() if isinstance(module, torch.jit.ScriptModule)
                    for one in (*module.parameters(), *module.buffers()))  # fmt: skip
        tensors = {id(one): one for one in (*values, *scripted) if isinstance(one, Tensor)}
        self.tensors = list(tensors.values())
        self.arrays = [value for value in values if type(value) is np.ndarray]
        self.places = list(map(_place, self.tensors))
        self.parameters = [one for one in self.tensors if isinstance(one, nn.Parameter) and not one.is_inference()]
        self.versions = [one._version for one in self.parameters]
        with torch.inference_mode(False), torch.no_grad():
            rows = list(map(_row, self.tensors))
            self.bits = [one if row is None else _bits(row) for one, row in zip(self.tensors, rows, strict=True)]
            self.some = [
                part for one, row in zip(self.bits, rows, strict=True) if row is not None for part in _some(one)
            ]
            self.sampled, self.checksums = self._sample(), list(map(_checksum, self.bits))
        self.array_sums = list(map(_array_sum, self.arrays))

    def _take_attributes(self, tables: list[Any], model: nn.Module) -> None:
        # Views: what is added to a table later is seen in them. Most tables, hooks say, are empty.
        self.empty = [table for table in tables if not table]
        self.contents = [table.values() if isinstance(table, dict) else table for table in tables if table]
        values = list(chain.from_iterable(self.contents))
        self.ids = list(map(id, values))
        # An object's id is good as long as the object lives. A strong reference to the model itself would keep it.
        self.alive = [value for value in values if isinstance(value, _HELD) and value is not model]
        self.others = [ref(value) for value in values if not isinstance(value, _HELD) and _takes_reference(value)]

    def holds(self, model: nn.Module, *, full: bool) -> bool:
        """Whether the model is still as it was."""
        if [getattr(one, "forward", None) for one in self.classes] != self.forwards:
            return False
        same = not any(self.empty) and list(map(id, chain.from_iterable(self.contents))) == self.ids
        if not same or any(one() is None for one in self.others):
            # Mostly a flag of training mode, or an attribute that was set to what it was.
            tables = _tables(model)
            if _settings(tables) != self.settings:
                return False
            self._take_attributes(tables, model)
            if not {id(one) for one in self.tensors} >= set(self._tensor_ids()):
                return False
        if list(map(_place, self.tensors)) != self.places or list(map(_array_sum, self.arrays)) != self.array_sums:
            return False
        versions = [one._version for one in self.parameters]
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
        """Whether two snapshots are of one state, though its objects may have been exchanged for equal ones."""
        mine = self.classes, self.forwards, self.settings, self.checksums, self.array_sums
        return mine == (other.classes, other.forwards, other.settings, other.checksums, other.array_sums)

    def _tensor_ids(self) -> Iterable[int]:
        return (id(value) for value in chain.from_iterable(self.contents) if isinstance(value, Tensor))

    def _sample(self) -> list[Any]:
        return list(map(_checksum, self.some))


_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, type)
_NESTS = (tuple, list, set, frozenset)
_HELD = (*_PLAIN, *_NESTS, dict, Tensor, nn.Module, np.ndarray, FunctionType, type)


def _takes_reference(value: Any) -> bool:
    return getattr(type(value), "__weakrefoffset__", 0) != 0


def _tables(model: nn.Module) -> list[Any]:
    """The attributes of all modules, the lists and dictionaries in them, and the attributes of configurations."""
    own: list[Any] = [vars(one) for one in model.modules() if not isinstance(one, torch.jit.ScriptModule)]
    values = list(chain.from_iterable(one.values() for one in own))
    kinds = set(map(type, values))
    # Which classes hold attributes of their own is asked once for each class, not for each of thousands of values.
    objects = {kind for kind in kinds if _is_configuration(kind)}
    inside = {id(one): vars(one) for one in values if type(one) in objects} if objects else {}
    return [*own, *tables_in(values), *inside.values()]


@lru_cache(maxsize=1024)
def _is_configuration(kind: type) -> bool:
    """Whether an attribute of this class is an object with plain attributes, a Hugging Face config say."""
    if issubclass(kind, (Tensor, nn.Module, np.ndarray, torch.Generator, *_PLAIN, *_FUNCTIONS, *_NESTS, dict)):
        return False
    return getattr(kind, "__dictoffset__", 0) != 0 and not kind.__module__.startswith("torch.")


def _settings(tables: Iterable[Any]) -> list[Any]:
    """What the attributes are, by value where they are plain; tensors are compared by their contents elsewhere."""
    found: list[Any] = []
    for table in tables:
        if isinstance(table, dict):
            found.append([(key, _setting(value)) for key, value in table.items() if key != "training"])
        else:
            items = [_setting(value) for value in table]
            found.append(sorted(items, key=repr) if isinstance(table, (set, frozenset)) else items)
    return found


def _setting(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return type(value), repr(value) if isinstance(value, float) else value  # NaN is equal to itself
    if isinstance(value, Tensor):
        return "tensor", tuple(value.shape) if value.layout is _STRIDED else id(value), value.dtype
    if isinstance(value, tuple):
        return tuple(_setting(item) for item in value)
    if isinstance(value, np.ndarray):
        return "array", value.shape, value.dtype
    if isinstance(value, (list, dict, set, frozenset)):
        return type(value), len(value)  # a table of its own
    return type(value), id(value)


def _row(tensor: Tensor) -> Tensor | None:
    """A tensor's numbers in a row as they lie in its memory; None where they have gaps or cannot be read."""
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


def _place(tensor: Tensor) -> int:
    """Where a tensor's numbers lie: another place after `parameter.data = …`."""
    if tensor.layout is not _STRIDED or tensor.is_nested:
        return 0 if tensor.is_inference() else tensor._version
    return tensor.data_ptr()


def _bits(row: Tensor) -> Any:
    """The bytes of a row of numbers, in place: an array on the CPU."""
    bits = row.resolve_conj().resolve_neg().view(torch.uint8)
    return bits.numpy() if bits.device.type == "cpu" else bits


def _some(bits: Any) -> list[Any]:
    """Parts of a tensor's bytes: all of a small one, four pieces of a large one."""
    if len(bits) <= _WHOLE:
        return [bits]
    return [bits[start : start + _PIECE] for start in range(0, len(bits), max(_PIECE, len(bits) // 4))][:4]


def _checksum(given: Any) -> Any:
    """A number that is another one for other contents; of bytes, or of a tensor whose bytes cannot be had in place."""
    if isinstance(given, np.ndarray):
        return zlib.crc32(given.data)
    if given.dtype == torch.uint8 and given.ndim == 1 and given.device.type not in ("cpu", "meta"):
        # Not worth a copy to the CPU: two sums, one of them by place.
        whole = given[: len(given) // 4096 * 4096].view(torch.int64).view(-1, 512)
        places = torch.arange(512, device=given.device) * 2 + 1
        rest = given[len(given) // 4096 * 4096 :].cpu().numpy()
        return int(whole.sum()), int((whole.sum(0) * places).sum()), zlib.crc32(rest)
    if given.numel() == 0 or given.device.type == "meta":
        return tuple(given.shape)
    if given.is_sparse:
        given = given.coalesce().values()
    elif given.is_quantized:
        given = given.int_repr()
    elif given.layout is not _STRIDED or given.is_nested or type(given) not in (Tensor, nn.Parameter):
        return id(given), 0 if given.is_inference() else given._version
    return zlib.crc32(_bits(given.detach().reshape(-1).cpu()))


def _array_sum(array: np.ndarray) -> Any:
    return (
        id(array) if array.dtype == object else zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    )
