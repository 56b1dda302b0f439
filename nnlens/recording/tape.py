"""The tape of a running pass: calls of modules, operations, and their values at that time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

from nnlens.utils.nests import tensors_in

from .choice import Choice
from .operations import kind_of


@dataclass(eq=False, slots=True, kw_only=True)
class ModuleCall:
    """One call of a module."""

    path: str
    module: nn.Module
    number: int = 1  # which call of this module
    operations: int = 0  # operations directly in this call
    calls: int = 0  # module calls directly in this call, not counting parametrisations
    watched: bool = False  # this call turned the recorder on


@dataclass(eq=False, slots=True)
class Held:
    """A value that is copied when something is about to overwrite it."""

    value: Tensor | None  # None: a later pass reuses its memory
    version: int = -1

    def __post_init__(self) -> None:
        self.version = _version(self.value)

    def copy(self) -> None:
        """Copy the value, because its memory is about to be overwritten."""
        if self.value is not None:
            self.value = self.value.clone()
            self.version = _version(self.value)

    @property
    def overwritten(self) -> bool:
        """Whether it was overwritten unexpectedly."""
        return _version(self.value) != self.version


@dataclass(eq=False, slots=True, kw_only=True)
class Source:
    """Where a tensor among an operation's arguments came from.

    `name` is that of the operation that made it, or of the model's input ("input", "input[1]", …); None for
    a parameter or constant, which is then the `value`.
    `event` says the same by number while the pass runs: −1 − n for the n-th input. `shared`: it is
    not that operation's output, but shares the memory that the operation wrote into.
    """

    event: int | None
    shape: tuple[int, ...]
    name: str | None = None
    shared: bool = False
    value: Tensor | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Event:
    """One output of one operation as it happened."""

    op: str
    kind: str
    call: ModuleCall
    output: int | None  # which of several outputs; None for the only one
    shape: tuple[int, ...]
    dtype: torch.dtype
    held: Held | None  # None where `only` did not ask for it
    given: Given
    function: Callable[..., Any] | None = None
    number: int | None = None
    same: bool = False  # it returned its first argument itself
    inside: tuple[Any, dict[str, Any]] | None = None  # arguments of recurrent and attention operations, tensors `Held`
    seconds: float | None = None
    flops: int | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Given:
    """What an operation was called with, a `Source` for each tensor; nothing in a recording of a part."""

    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    parameters: dict[int, int] = field(default_factory=dict)  # id → how many numbers, of the parameters among them


@dataclass(eq=False, kw_only=True)
class Tape:
    """The tape of the running pass so far. It belongs to one thread."""

    paths: dict[nn.Module, str]
    other_names: dict[str, str]  # second names of shared modules → the first
    root: ModuleCall
    choice: Choice
    recycled: list[Held] = field(default_factory=list)  # values of an earlier pass, in its order
    events: list[Event] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)  # the functions that ran, recorded or not
    data_dependent: bool = False  # Python has read a value that depends on the inputs
    stack: list[ModuleCall] = field(default_factory=list)
    fired: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    produced: dict[str, int] = field(default_factory=dict)  # path of a call → the event of its output
    failed: tuple[Exception, str] | None = None  # the latest operation that raised
    copies: bool = False  # whether values are copied as soon as the part that is recorded has run
    copied: bool = False  # whether something outside of that part was about to overwrite one
    # Parameters that a forward wrote into: each with its own memory, and what was in there.
    written: list[tuple[nn.Parameter, Tensor, Tensor]] = field(default_factory=list)
    _let_go: int = 0
    _origin: dict[int, tuple[Any, int]] = field(default_factory=dict)  # id → (the tensor or a weak reference, event)
    _stored: dict[int, list[Held]] = field(default_factory=lambda: defaultdict(list))
    _held: dict[int, Held] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.whole = self.choice.everything
        self.stack.append(self.root)
        self._parameter_storages: dict[int, list[nn.Parameter]] | None = None
        self._overwritten: list[Tensor] = []
        self._shared: dict[int, Tensor] = {}

    def receive(self, nest: Any) -> None:
        """The model's own inputs, in the order in which they are found."""
        for index, tensor in enumerate(tensors_in(nest)):
            self._origin[id(tensor)] = (tensor if self.whole else ref(tensor), -1 - index)
            if self.whole:
                self.hold(tensor)

    def event_of(self, tensor: Tensor) -> int | None:
        """The event that made this very tensor (−1 − n: the n-th input), None if no recorded one did."""
        result = self._origin.get(id(tensor))
        if result is None:
            return None
        known = result[0] if self.whole else result[0]()
        return result[1] if known is tensor else None

    def hold(self, tensor: Tensor) -> Held:
        """Keep a value; the same tensor is kept once."""
        if tensor.is_quantized:
            return Held(tensor.dequantize())  # numbers that can be shown and computed with
        held = self._held.get(id(tensor))
        if held is None or held.value is not tensor:
            held = self._held[id(tensor)] = Held(tensor)
            self._stored[storage_of(tensor)].append(held)
        return held

    def make_room(self) -> None:
        """Free the earlier pass's values up to here, so that the next operation can reuse memory of its size."""
        while self._let_go <= len(self.events) and self._let_go < len(self.recycled):
            self.recycled[self._let_go].value = None
            self._let_go += 1

    def write(
        self,
        op: str,
        kind: str,
        outputs: list[tuple[int | None, Tensor]],
        args: Any,
        kwargs: dict[str, Any],
        function: Callable[..., Any] | None = None,
    ) -> list[Event]:
        """Append the events of one operation: one for each output."""
        call = self.stack[-1]
        number = None if function is None else len(self.calls) - 1
        call.operations += 1
        argument = Given()
        if self.whole:
            argument.arguments = self._describe(args, argument)
            if kwargs:
                argument.keywords = dict(zip(kwargs, self._describe(kwargs.values(), argument), strict=True))
        inside = None
        if kind in ("recurrent", "attention") and (self.whole or self.choice.may_want_inside(call.path)):
            inside = self._holding(args), self._holding(kwargs)
        wanted = self.whole or self.choice.may_want(call.path, call.number, op, kind)
        given_first = args[0] if args else kwargs.get("input")
        first = len(self.events)
        for index, value in outputs:
            held = self.hold(value) if wanted else None
            event = Event(
                op=op,
                kind=kind,
                call=call,
                output=index,
                shape=tuple(value.shape),
                dtype=value.dtype,
                held=held,
                given=argument,
                function=function,
                number=number,
            )
            event.same = value is given_first
            # If everything is kept, the tensor itself; if little is kept, a weak reference, so that nothing lives
            # longer.
            self._origin[id(value)] = (value if self.whole else ref(value), len(self.events))
            self.events.append(event)
        # Tensors that share the memory that was written into count as made by this operation, too.
        for tensor in self._overwritten:
            if not any(tensor is value for _, value in outputs):
                self._origin[id(tensor)] = (tensor, first)
                self._shared[id(tensor)] = tensor
        self._overwritten.clear()
        self.events[-1].inside = inside
        return self.events[first:]

    def _describe(self, items: Iterable[Any], argument: Given) -> tuple[Any, ...]:
        """Arguments with a `Source` for each tensor. Called for every operation: as few steps as possible."""
        described: list[Any] = []
        for item in items:
            kind = type(item)
            if kind is Tensor or isinstance(item, Tensor):
                source = Source(
                    event=self.event_of(item), shape=shape_of(item), shared=self._shared.get(id(item)) is item
                )
                if source.event is not None:
                    argument.sources.append(source)
                else:
                    source.value = item
                    if isinstance(item, nn.Parameter):
                        argument.parameters[id(item)] = item.numel()
                described.append(source)
            elif kind is tuple or kind is list:
                numbers = all(type(entry) is int for entry in item)
                described.append(tuple(item) if numbers else self._describe(item, argument))
            else:
                described.append(item)
        return tuple(described)

    def finish(self, call: ModuleCall, inputs: Any, output: Any) -> None:
        """A module's call has returned: an output made by no recorded operation (a scripted module) counts as one."""
        tensors = [output] if isinstance(output, Tensor) else list(tensors_in(output))
        # A scripted module may have written into its inputs and outputs.
        opaque = isinstance(call.module, torch.jit.ScriptModule)
        events = [None if opaque else self.event_of(tensor) for tensor in tensors]
        if None in events:
            unknown = [
                tensor
                for tensor, event in zip(tensors, events, strict=True)
                if event is None and type(tensor) is not nn.Parameter and showable(tensor)
            ]
            if unknown:
                places = [(index if len(unknown) > 1 else None, tensor) for index, tensor in enumerate(unknown)]
                name = type(call.module).__name__
                self.write(name, kind_of(name.lower()), places, inputs, {})
        made = self.event_of(tensors[0]) if tensors else None
        if made is not None and made >= 0 and call.path:
            path = f"{call.path}:{call.number}"
            self.produced[path] = made
            if not self.whole and self.choice.wants_output(path):
                self.events[made].held = self.hold(tensors[0])

    def before_overwriting(self, nest: Any) -> bool:
        """Something is about to write into these tensors: copy what is held of their memory; whether there was any."""
        copied = False
        with torch._C.DisableTorchFunction():  # no torch function mode, including the user's, must see this
            for tensor in tensors_in(nest):
                copied = self._copy_held(tensor) or copied
                if self._parameter_storages is None:
                    self._parameter_storages = defaultdict(list)
                    for entry in self.root.module.parameters():
                        self._parameter_storages[storage_of(entry)].append(entry)
                for entry in self._parameter_storages.pop(storage_of(tensor), ()):
                    self.written.append((entry, entry.data, entry.detach().clone()))
        return copied

    def _copy_held(self, tensor: Tensor) -> bool:
        found = self._stored.pop(storage_of(tensor), ())
        for held in found:
            if self.whole and held.value is not None:
                self._overwritten.append(held.value)
            held.copy()
        return bool(found)

    def copy_all(self) -> None:
        """Copy what is held, because something is going to overwrite it."""
        with torch._C.DisableTorchFunction():
            for held in self._held.values():
                held.copy()
        self._held.clear()
        self._stored.clear()

    @property
    def overwritten(self) -> bool:
        """Whether a value that is held was overwritten."""
        return any(held.overwritten for held in self._held.values())

    @property
    def uncertain(self) -> bool:
        """Whether that cannot be told of one: torch counts no changes of what inference mode has made."""
        return any(held.version < 0 for held in self._held.values())

    def give_back(self) -> None:
        """Parameters that were written into get their values back."""
        with torch.no_grad():
            for parameter, data, value in self.written:
                self._copy_held(parameter)
                parameter.data = data
                parameter.copy_(value)

    def _holding(self, nest: Any) -> Any:
        if isinstance(nest, Tensor):
            return nest if type(nest) is nn.Parameter else self.hold(nest)
        if isinstance(nest, (tuple, list)):
            return tuple(map(self._holding, nest))
        if isinstance(nest, dict):
            return {key: self._holding(value) for key, value in nest.items()}
        return nest


def storage_of(tensor: Tensor) -> int:
    """The address of a tensor's memory."""
    return tensor.untyped_storage()._cdata if plain(tensor) else id(tensor)


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """A tensor's shape as a tuple."""
    try:
        return tuple(tensor.shape)
    except RuntimeError:  # tensors of tensors have none
        return ()


_STRIDED = torch.strided
_is_wrapped = torch._C._functorch.is_functorch_wrapped_tensor


def plain(tensor: Tensor) -> bool:
    """Whether the tensor is an ordinary dense one, of any dtype."""
    return tensor.layout is _STRIDED and not tensor.is_quantized and not tensor.is_nested and not _is_wrapped(tensor)


def showable(tensor: Tensor) -> bool:
    """Whether the tensor's values can be shown; quantised ones are dequantised."""
    return plain(tensor) or (tensor.is_quantized and tensor.layout is _STRIDED)


def _version(tensor: Tensor | None) -> int:
    return -1 if tensor is None or tensor.is_inference() else tensor._version
