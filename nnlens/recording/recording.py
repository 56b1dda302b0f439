"""The recording of a pass: its operations by name, their values, and the tree they form."""

from __future__ import annotations

import difflib
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from nnlens.utils.cache import Cache
from nnlens.utils.nests import tensors_in

from .inside import Inner, attention_weights, recurrent_states
from .tape import Event, Held, Source, Tape, storage_of


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of a recorded pass.

    Attributes
    ----------
    name : str
        Unique in the pass and stable from run to run: the module's path where the module is that one operation
        ("features.0"), else path and operation ("features.3.add"), with the call's number where something ran
        more than once ("relu:2"), and the place among several outputs ("max[1]").
    op, label, kind : str
        What was called ("conv2d"); the module's class where the module is that one operation ("ReLU6"), else
        `op`; and its family ("convolution").
    module : str
        The path of the module in whose forward it ran; "" for the model itself.
    shape, dtype
        Of its output.
    inputs : tuple of str
        The operations whose outputs it was given; "input", "input[1]", … for the model's own inputs. Empty in
        a recording of `only` a part.
    parameters : int
        The number of elements of the parameters that it was given.
    arguments, keywords
        What it was called with, a `Source` for each tensor; empty in a recording of `only` a part.
    function : callable or None
        The function of torch that was called; None for a module whose inside cannot be seen.
    same : bool
        It returned its first argument itself, as in-place operations do, and `x.float()` may.
    number : int or None
        Its index in the recording's `calls`.
    seconds, flops : float and int, or None
        Measured by `kernels.summary` only.
    """

    name: str
    op: str
    label: str
    kind: str
    module: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    inputs: tuple[str, ...] = ()
    parameters: int = 0
    arguments: tuple[Any, ...] = field(default=(), repr=False)
    keywords: Mapping[str, Any] = field(default_factory=dict, repr=False)
    function: Callable[..., Any] | None = field(default=None, repr=False)
    number: int | None = field(default=None, repr=False)
    same: bool = field(default=False, repr=False)
    seconds: float | None = None
    flops: int | None = None

    def argument(self, index: int, name: str, default: Any = None) -> Any:
        """An argument by its name, or by its position if it was given without a name."""
        if name in self.keywords:
            return self.keywords[name]
        return self.arguments[index] if index < len(self.arguments) else default

    @cached_property
    def sources(self) -> list[Source]:
        """The tensors among its arguments, in their order."""
        return _sources((self.arguments, tuple(self.keywords.values())))

    @property
    def bytes(self) -> int:
        """The size of its output."""
        numbers = 1
        for length in self.shape:
            numbers *= length
        return numbers * self.dtype.itemsize


@dataclass(frozen=True, eq=False, kw_only=True)
class Recording:
    """The operations of one forward pass, in order; `recording[name]` is the value of one, as first computed.

    A module's path names its output too: `recording["layer1"]` is what the block returned ("layer1:2" the second time).
    Recurrent and attention operations also give their inner values: "lstm.forget_gate_l0", "attn.weights".

    Attributes
    ----------
    operations : tuple of Operation
    output
        What the model returned; it shares its memory with the last values.
    aliases : dict
        Paths of modules → the operation that made their output.
    not_run : tuple of str
        Paths of modules that did not run.
    calls : tuple of str
        The functions of torch that ran, in their order, including those whose results are not tensors.
    returned : tuple of str
        The operations whose values the model returned.
    data_dependent : bool
        Whether Python read a value that depends on the inputs, for example by `float(x.max())` or `if x.any()`.
    """

    operations: tuple[Operation, ...]
    output: Any
    aliases: dict[str, str]
    not_run: tuple[str, ...]
    calls: tuple[str, ...]
    returned: tuple[str, ...]
    data_dependent: bool
    _values: dict[str, Held | Callable[[], Tensor]] = field(repr=False)
    cache: Cache = field(default_factory=Cache, repr=False)

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.operations[-1].shape)) if self.operations else "nothing"
        return f"Recording({len(self)} operations, the last gives {shape})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all recorded operations, in the order of the pass."""
        return tuple(operation.name for operation in self.operations)

    def resolve(self, name: str, argument: str = "layer") -> str:
        """The operation's name for a name or a module's path.

        ValueError, with the nearest names and the name of the `argument`, if there is none.
        """
        if not isinstance(name, str):
            raise TypeError(f"{argument} must be a name (str), got {type(name).__name__}")
        if name in self._values:
            return name
        if name in self.aliases:
            return self.aliases[name]
        if name in self.not_run:
            raise ValueError(f"{argument} {name!r} did not run in this pass, so it has no value")
        calls = [item for item in (*self.names, *self.aliases) if item.startswith(f"{name}:")]
        if calls:
            raise ValueError(f"{argument} {name!r} ran {len(calls)} times: choose one of {calls[0]!r} … {calls[-1]!r}")
        near = difflib.get_close_matches(name, [*self.names, *self.aliases], n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"{argument} must be one of the {len(self.operations)} operations of the pass, got {name!r}{hint}"
        )

    def operation(self, name: str) -> Operation:
        """An operation by its exact name."""
        return self._by_name[self.resolve(name)]

    @cached_property
    def _by_name(self) -> dict[str, Operation]:
        return {operation.name: operation for operation in self.operations}

    def __getitem__(self, name: str) -> Tensor:
        value = self._values[self.resolve(name)]
        if not isinstance(value, Held):
            return value()
        if value.value is None:
            raise ValueError(
                f"the value of {name!r} is gone: a later pass of its Recorder (recycle=True) reused its memory"
            )
        return value.value

    def _ipython_key_completions_(self) -> list[str]:
        """What tab completion lists after `recording["`."""
        return [*self.names, *self.aliases]

    def __contains__(self, name: object) -> bool:
        return name in self._values or name in self.aliases

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __len__(self) -> int:
        return len(self.operations)

    def maker_of(self, returned: Tensor) -> Operation | None:
        """The operation that made a tensor which the model returned, or what it is a view of; None if unknown."""
        made = [(name, held.value) for name in self.returned if isinstance(held := self._values.get(name), Held)]
        same = [name for name, value in made if value is returned]
        if not same and returned.layout is torch.strided:
            memory = storage_of(returned)
            same = [name for name, value in made if value is not None and storage_of(value) == memory]
        return self._by_name[same[-1]] if same else None

    def first_not_finite(self) -> Operation | None:
        """The first operation whose value holds a NaN, or None."""
        for operation in self.operations:
            if bool(torch.isnan(self[operation.name]).any()):
                return operation
        return None

    def let_go(self) -> list[Held]:
        """The values, for a later pass to empty one by one."""
        return [value for value in self._values.values() if isinstance(value, Held)]


def assemble(tape: Tape, output: Any) -> Recording:
    """Name the events of a tape, and drop what was only needed during the pass."""
    stems, labels = _stems(tape.events)
    # An operation's outputs are recorded one after the other.
    inside = [
        _inside(event, tape.events[number - (event.output or 0)].held) for number, event in enumerate(tape.events)
    ]
    inner = _numbered(
        [_within(event, part[0]) for event, parts in zip(tape.events, inside, strict=True) for part in parts]
    )
    names, inner_names = _numbered(stems), iter(inner)
    aliases = {}
    for call, index in tape.produced.items():
        path = call.rpartition(":")[0]
        aliases[path if tape.fired[path] == 1 else call] = index
    asked = {index for path, index in aliases.items() if not tape.whole and tape.choice.wants_output(path)}
    operations: list[Operation] = []
    values: dict[str, Held | Callable[[], Tensor]] = {}
    for index, (event, name, label, parts) in enumerate(zip(tape.events, names, labels, inside, strict=True)):
        operation = _operation(event, name, label, names)
        if event.held is not None and (tape.choice.wants(name, operation.kind) or index in asked):
            operations.append(operation)
            values[name] = event.held
        outer = names[index - (event.output or 0)]
        for part, kind, shape, value in parts:
            own = next(inner_names)
            if own not in values and tape.choice.wants(own, kind):
                op = re.sub(r"_l\d+(_reverse)?$", "", part)
                operations.append(
                    Operation(
                        name=own,
                        op=op,
                        label=op.replace("_", " "),
                        kind=kind,
                        module=event.call.path,
                        shape=shape,
                        dtype=event.dtype,
                        inputs=(outer,),
                        parameters=0,
                        arguments=event.given.arguments,
                        keywords=event.given.keywords,
                    )
                )
                values[own] = value
    stored = {path: names[index] for path, index in aliases.items() if names[index] in values and path not in values}
    for path, first in tape.other_names.items():
        if first in stored or first in values:
            stored[path] = stored.get(first, first)
    alive = {""}
    for path in tape.fired:
        while path not in alive:
            alive.add(path)
            path = path.rpartition(".")[0]
    not_run = tuple(path for module, path in tape.paths.items() if path not in alive and _can_run(module))
    unseen = [name for name, value in values.items() if isinstance(value, Held) and value.overwritten]
    if unseen:
        words = "was overwritten by something that nnlens cannot see: its recorded value is from afterwards"
        warnings.warn(f"{unseen[0]!r} {words}", stacklevel=4)
    if not tape.whole and output is not None:
        wrong = tape.choice.unmet((*values, *stored), (item.kind for item in operations), (*names, *inner, *tape.fired))
        if wrong:
            raise ValueError(wrong)
    events = [tape.event_of(tensor) for tensor in tensors_in(output)]
    returned = tuple(dict.fromkeys(names[event] for event in events if event is not None and event >= 0))
    return Recording(
        operations=tuple(operations),
        output=output,
        aliases=stored,
        not_run=not_run,
        calls=tuple(tape.calls),
        returned=returned,
        data_dependent=tape.data_dependent,
        _values=values,
    )


def _can_run(module: nn.Module) -> bool:
    """Containers such as a ParameterList have no forward."""
    return isinstance(module, torch.jit.ScriptModule) or type(module).forward is not nn.Module.forward


def _stems(events: list[Event]) -> tuple[list[str], list[str]]:
    """Each event's name without the call's number, and its label."""
    stems, labels = [], []
    for event in events:
        call = event.call
        whole = call.operations == 1 and call.calls == 0 and call.path  # the module is this one operation
        stem = call.path if whole else _within(event, event.op)
        stems.append(f"{stem}[{event.output}]" if event.output else stem)
        labels.append(type(call.module).__name__ if whole else event.op)
    return stems, labels


def _within(event: Event, name: str) -> str:
    return f"{event.call.path}.{name}" if event.call.path else name


def _numbered(stems: list[str]) -> list[str]:
    """Unique names: "relu" once, "relu:1", "relu:2" where it ran more often."""
    total, seen, names = Counter(stems), Counter[str](), []
    for stem in stems:
        seen[stem] += 1
        names.append(f"{stem}:{seen[stem]}" if total[stem] > 1 else stem)
    return names


def _inside(event: Event, output: Held | None) -> list[Inner]:
    """What a recurrent or attention operation computes inside, each with the way to compute it again.

    `output` is the operation's first one.
    """
    if event.inside is None:
        return []
    derive: Any = attention_weights
    if event.kind == "recurrent":
        derive = partial(recurrent_states, output=output)
    try:
        return list(derive(event.op, *event.inside))
    except (IndexError, KeyError, TypeError, ValueError):
        return []  # called with unknown arguments: only the operation itself is recorded


def _operation(event: Event, name: str, label: str, names: list[str]) -> Operation:
    source_value = event.given
    for source in source_value.sources:
        index = source.event or 0
        source.name = names[index] if index >= 0 else "input" if index == -1 else f"input[{-1 - index}]"
    return Operation(
        name=name,
        op=event.op,
        label=label,
        kind=event.kind,
        module=event.call.path,
        shape=event.shape,
        dtype=event.dtype,
        inputs=tuple(dict.fromkeys(source.name for source in source_value.sources if source.name)),
        parameters=sum(source_value.parameters.values()),
        arguments=source_value.arguments,
        keywords=source_value.keywords,
        function=event.function,
        number=event.number,
        same=event.same,
        seconds=event.seconds,
        flops=event.flops,
    )


def _sources(nest: Any) -> list[Source]:
    if isinstance(nest, Source):
        return [nest]
    return [source for item in nest for source in _sources(item)] if isinstance(nest, tuple) else []
