"""The recording of a pass: its operations by name, their values, and the tree they form."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .operations import kind_of

if TYPE_CHECKING:
    from .record import Tape


@dataclass(frozen=True)
class Operation:
    """One operation of a recorded pass.

    `name` is unique in the pass and stable from run to run: the module's path where the module is that one
    operation ("features.0"), else path and operation ("features.3.add"), with the call's number where
    something ran more than once ("relu:2"). `label` says what ran: the module's class where the module is
    that one operation ("ReLU6"), else the operation ("add").
    """

    name: str
    op: str
    label: str
    kind: str
    module: str
    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, eq=False)
class Recording:
    """All operations of one forward pass, in order; `recording[name]` is the value of one.

    A module's path names its output too: `recording["layer1"]` is what the block gave back.
    """

    operations: tuple[Operation, ...]
    values: tuple[Tensor, ...]
    output: Any
    aliases: dict[str, str]
    silent: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(operation.name for operation in self.operations)

    def resolve(self, name: str) -> str:
        """The operation's name for a name or a module's path; ValueError with the nearest names if unknown."""
        if not isinstance(name, str):
            raise TypeError(f"layer must be a name (str), got {type(name).__name__}")
        if name in self._index:
            return name
        if name in self.aliases:
            return self.aliases[name]
        if name in self.silent:
            raise ValueError(f"layer {name!r} did not run in this pass, so there is nothing to show")
        near = difflib.get_close_matches(name, [*self.names, *self.aliases], n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(f"layer must be one of the {len(self.operations)} operations of the pass, got {name!r}{hint}")

    def operation(self, name: str) -> Operation:
        return self.operations[self._index[self.resolve(name)]]

    def __getitem__(self, name: str) -> Tensor:
        return self.values[self._index[self.resolve(name)]]

    def __contains__(self, name: object) -> bool:
        return name in self._index or name in self.aliases

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __len__(self) -> int:
        return len(self.operations)

    @property
    def _index(self) -> dict[str, int]:
        cached = self.__dict__.get("_index_cache")
        if cached is None:
            cached = {operation.name: place for place, operation in enumerate(self.operations)}
            object.__setattr__(self, "_index_cache", cached)
        return cached

    def first_not_finite(self) -> Operation | None:
        """The first operation whose value holds a NaN, or None."""
        for operation, value in zip(self.operations, self.values, strict=True):
            if bool(torch.isnan(value).any()):
                return operation
        return None


def assemble(tape: Tape, output: Any) -> Recording:
    """Name the events of a tape and drop what only the running pass needed."""
    stems, labels = [], []
    for event in tape.events:
        call = event.call
        whole = call.ops == 1 and call.calls == 0 and call.path  # the module is this one operation
        stem = call.path if whole else f"{call.path}.{event.op}" if call.path else event.op
        stems.append(f"{stem}[{event.output}]" if event.output else stem)
        labels.append(type(call.module).__name__ if whole else event.op)
    total, seen, operations = Counter(stems), Counter[str](), []
    for event, stem, label in zip(tape.events, stems, labels, strict=True):
        seen[stem] += 1
        name = f"{stem}:{seen[stem]}" if total[stem] > 1 else stem
        shape, dtype = tuple(event.value.shape), event.value.dtype
        operations.append(Operation(name, event.op, label, kind_of(event.op), event.call.path, shape, dtype))
    by_value = {id(event.value): operation.name for event, operation in zip(tape.events, operations, strict=True)}
    taken = {operation.name for operation in operations}
    aliases = {
        path: by_value[id(value)]
        for path, value in tape.produced.items()
        if path not in taken and id(value) in by_value
    }
    alive = {path[:end] for path in tape.fired for end in range(len(path) + 1) if path[end : end + 1] in (".", "")}
    silent = tuple(path for path in tape.paths.values() if path not in alive)
    values = tuple(event.value for event in tape.events)
    return Recording(tuple(operations), values, output, aliases, silent)
