"""What a running pass writes down: calls of modules, operations, and their values as they were then."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

from .choice import Choice
from .operations import kind_of


@dataclass(eq=False, slots=True)
class Call:
    """One call of a module."""

    path: str
    module: nn.Module
    number: int = 1  # which call of this module
    operations: int = 0  # operations directly in this call
    calls: int = 0  # module calls directly in this call, parametrisations aside
    watched: bool = False  # this call switched the recorder on


@dataclass(eq=False, slots=True)
class Held:
    """A value that is copied if something is about to overwrite it."""

    value: Tensor | None  # None: a later pass has taken over its memory
    version: int = -1

    def __post_init__(self) -> None:
        self.version = _version(self.value)

    def copy(self) -> None:
        if self.value is not None:
            self.value = self.value.clone()
            self.version = _version(self.value)

    @property
    def overwritten(self) -> bool:
        """Whether something has written into it that was not seen coming."""
        return _version(self.value) != self.version


@dataclass(eq=False, slots=True)
class Source:
    """Where a tensor among an operation's arguments came from.

    `name` is that of the operation that made it, or of the model's input ("input", "input[1]", …); None for
    a parameter or constant, which is then the `value`.
    `event` counts the same while the pass runs: −1 − n for the n-th input. `shared`: it is
    not that operation's output, but shares the memory that the operation wrote into.
    """

    event: int | None
    shape: tuple[int, ...]
    name: str | None = None
    shared: bool = False
    value: Tensor | None = None


@dataclass(eq=False, slots=True)
class Event:
    """One output of one operation as it happened."""

    op: str
    kind: str
    call: Call
    output: int | None  # which of several outputs; None for the only one
    shape: tuple[int, ...]
    dtype: torch.dtype
    held: Held | None  # None where `only` did not ask for it
    given: Given
    function: Callable[..., Any] | None = None
    number: int | None = None
    same: bool = False  # it gave back the very tensor that it was given first
    inside: tuple[Any, dict[str, Any]] | None = None  # arguments of recurrent and attention operations, tensors `Held`
    seconds: float | None = None
    flops: int | None = None


@dataclass(eq=False, slots=True)
class Given:
    """What an operation was called with, a `Source` for each tensor; nothing in a recording of a part."""

    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    parameters: dict[int, int] = field(default_factory=dict)  # id → how many numbers, of the parameters among them


@dataclass(eq=False)
class Tape:
    """What the running pass has written so far. It belongs to one thread."""

    paths: dict[nn.Module, str]
    other_names: dict[str, str]  # second names of shared modules → the first
    root: Call
    choice: Choice
    recycled: list[Held] = field(default_factory=list)  # values of an earlier pass, in its order
    events: list[Event] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)  # the functions that ran, recorded or not
    escaped: bool = False  # Python has looked at a value that depends on the inputs
    stack: list[Call] = field(default_factory=list)
    fired: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    produced: dict[str, int] = field(default_factory=dict)  # path of a call → the event of its output
    failed: tuple[Exception, str] | None = None  # the latest operation that raised
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
        for place, tensor in enumerate(tensors_in(nest)):
            self._origin[id(tensor)] = (tensor if self.whole else ref(tensor), -1 - place)
            if self.whole:
                self.hold(tensor)

    def event_of(self, tensor: Tensor) -> int | None:
        """The event that made this very tensor (−1 − n: the n-th input), None if no recorded one did."""
        found = self._origin.get(id(tensor))
        if found is None:
            return None
        known = found[0] if self.whole else found[0]()
        return found[1] if known is tensor else None

    def hold(self, tensor: Tensor) -> Held:
        if tensor.is_quantized:
            return Held(tensor.dequantize())  # numbers that can be shown and computed with
        held = self._held.get(id(tensor))
        if held is None or held.value is not tensor:
            held = self._held[id(tensor)] = Held(tensor)
            self._stored[storage_of(tensor)].append(held)
        return held

    def make_room(self) -> None:
        """Let go of the earlier pass's values up to here: the next operation finds memory of its size at hand."""
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
        call = self.stack[-1]
        number = None if function is None else len(self.calls) - 1
        call.operations += 1
        given = Given()
        if self.whole:
            given.arguments = self._describe(args, given)
            if kwargs:
                given.keywords = dict(zip(kwargs, self._describe(kwargs.values(), given), strict=True))
        inside = None
        if kind in ("recurrent", "attention") and (self.whole or self.choice.may_want_inside(call.path)):
            inside = self._holding(args), self._holding(kwargs)
        wanted = self.whole or self.choice.may_want(call.path, call.number, op, kind)
        given_first = args[0] if args else kwargs.get("input")
        first = len(self.events)
        for place, value in outputs:
            held = self.hold(value) if wanted else None
            event = Event(op, kind, call, place, tuple(value.shape), value.dtype, held, given, function, number)
            event.same = value is given_first
            # All is kept anyway: the tensor itself. Little is asked for: nothing must live longer because of us.
            self._origin[id(value)] = (value if self.whole else ref(value), len(self.events))
            self.events.append(event)
        # What shares the memory that was written into is made by this operation, too.
        for tensor in self._overwritten:
            if not any(tensor is value for _, value in outputs):
                self._origin[id(tensor)] = (tensor, first)
                self._shared[id(tensor)] = tensor
        self._overwritten.clear()
        self.events[-1].inside = inside
        return self.events[first:]

    def _describe(self, items: Iterable[Any], given: Given) -> tuple[Any, ...]:
        """Arguments with a `Source` for each tensor. Called for every operation: as few steps as can be."""
        described: list[Any] = []
        for item in items:
            kind = type(item)
            if kind is Tensor or isinstance(item, Tensor):
                source = Source(self.event_of(item), shape_of(item), shared=self._shared.get(id(item)) is item)
                if source.event is not None:
                    given.sources.append(source)
                else:
                    source.value = item
                    if isinstance(item, nn.Parameter):
                        given.parameters[id(item)] = item.numel()
                described.append(source)
            elif kind is tuple or kind is list:
                numbers = all(type(one) is int for one in item)
                described.append(tuple(item) if numbers else self._describe(item, given))
            else:
                described.append(item)
        return tuple(described)

    def finish(self, call: Call, inputs: Any, output: Any) -> None:
        """A module's call has returned: what no operation made, a scripted module's output say, is one."""
        tensors = [output] if isinstance(output, Tensor) else list(tensors_in(output))
        # What a scripted module was given and gives back, it may have written into.
        opaque = isinstance(call.module, torch.jit.ScriptModule)
        events = [None if opaque else self.event_of(tensor) for tensor in tensors]
        if None in events:
            unknown = [
                tensor
                for tensor, event in zip(tensors, events, strict=True)
                if event is None and type(tensor) is not nn.Parameter and showable(tensor)
            ]
            if unknown:
                places = [(place if len(unknown) > 1 else None, tensor) for place, tensor in enumerate(unknown)]
                name = type(call.module).__name__
                self.write(name, kind_of(name.lower()), places, inputs, {})
        made = self.event_of(tensors[0]) if tensors else None
        if made is not None and made >= 0 and call.path:
            path = f"{call.path}:{call.number}"
            self.produced[path] = made
            if not self.whole and self.choice.wants_output(path):
                self.events[made].held = self.hold(tensors[0])

    def before_overwriting(self, nest: Any) -> None:
        """Something is about to write into these tensors: copy what is held of their memory."""
        with torch._C.DisableTorchFunction():  # no mode, the user's own neither, is to see what we do
            for tensor in tensors_in(nest):
                self._copy_held(tensor)
                if self._parameter_storages is None:
                    self._parameter_storages = defaultdict(list)
                    for one in self.root.module.parameters():
                        self._parameter_storages[storage_of(one)].append(one)
                for one in self._parameter_storages.pop(storage_of(tensor), ()):
                    self.written.append((one, one.data, one.detach().clone()))

    def _copy_held(self, tensor: Tensor) -> None:
        for held in self._stored.pop(storage_of(tensor), ()):
            if self.whole and held.value is not None:
                self._overwritten.append(held.value)
            held.copy()

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
    return tensor.untyped_storage()._cdata if plain(tensor) else id(tensor)


def shape_of(tensor: Tensor) -> tuple[int, ...]:
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
    """Whether the tensor's values can be shown: those of quantised ones can, as what they stand for."""
    return plain(tensor) or (tensor.is_quantized and tensor.layout is _STRIDED)


def _version(tensor: Tensor | None) -> int:
    return -1 if tensor is None or tensor.is_inference() else tensor._version


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
        for one in dataclasses.fields(nest):
            yield from tensors_in(getattr(nest, one.name, None))
