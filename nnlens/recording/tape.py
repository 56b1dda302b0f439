"""What a running pass writes down: calls of modules, operations, and their values as they were then."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

from .choice import Choice
from .operations import kind_of


@dataclass(eq=False)
class Call:
    """One call of a module while it runs: its path, and the call around it."""

    path: str
    module: nn.Module
    parent: Call | None
    number: int = 1  # which call of this module
    operations: int = 0  # operations directly in this call
    calls: int = 0  # module calls directly in this call, parametrisations aside
    watched: bool = False  # this call switched the recorder on


@dataclass(eq=False)
class Held:
    """A value that is copied if something is about to overwrite it."""

    value: Tensor | None  # None: a later pass has taken over its memory


@dataclass(frozen=True)
class Source:
    """Where a tensor among an operation's arguments came from.

    `event` is the place of the operation that made it, −1 − n for the model's n-th input tensor, None for
    a parameter or constant.
    """

    event: int | None
    shape: tuple[int, ...]


@dataclass(eq=False)
class Event:
    """One output of one operation as it happened."""

    op: str
    call: Call
    output: int | None = None  # which of several outputs; None for the only one
    shape: tuple[int, ...] = ()
    dtype: torch.dtype = torch.float32
    held: Held | None = None  # None where `only` did not ask for it
    arguments: tuple[Any, ...] = ()  # as given, with a `Source` for each tensor
    keywords: Mapping[str, Any] = field(default_factory=dict)
    inside: tuple[Any, dict[str, Any]] | None = None  # arguments of recurrent and attention operations, tensors `Held`
    parameters: set[int] = field(default_factory=set)  # ids of the parameters among the arguments
    seconds: float | None = None
    flops: int | None = None


@dataclass(eq=False)
class Tape:
    """What the running pass has written so far. It belongs to one thread."""

    paths: dict[nn.Module, str]
    parameters: dict[int, nn.Parameter]
    root: Call
    choice: Choice
    recycled: list[Held] = field(default_factory=list)  # values of an earlier pass, in its order
    events: list[Event] = field(default_factory=list)
    stack: list[Call] = field(default_factory=list)
    fired: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    produced: dict[str, int] = field(default_factory=dict)  # path of a call → the event of its output
    failed: tuple[Exception, str] | None = None  # the latest operation that raised
    written: list[tuple[nn.Parameter, Tensor]] = field(default_factory=list)  # parameters a forward wrote into
    _let_go: int = 0
    _origin: dict[int, tuple[Any, int]] = field(default_factory=dict)  # id → (the tensor or a weak reference, event)
    _stored: dict[int, list[Held]] = field(default_factory=lambda: defaultdict(list))
    _held: dict[int, Held] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.whole = self.choice.everything
        self.stack.append(self.root)
        self._parameter_storages = {storage_of(tensor): tensor for tensor in self.parameters.values()}

    def receive(self, nest: Any) -> None:
        """The model's own inputs, in the order in which they are found."""
        for place, tensor in enumerate(tensors_in(nest)):
            self._remember(tensor, -1 - place)

    def event_of(self, tensor: Tensor) -> int | None:
        """The event that made this very tensor (−1 − n: the n-th input), None if no recorded one did."""
        found = self._origin.get(id(tensor))
        if found is None:
            return None
        known = found[0] if self.whole else found[0]()
        return found[1] if known is tensor else None

    def _remember(self, tensor: Tensor, event: int) -> None:
        # All is kept anyway: the tensor itself. Little is asked for: nothing must live longer because of us.
        self._origin[id(tensor)] = (tensor if self.whole else ref(tensor), event)

    def hold(self, tensor: Tensor) -> Held:
        held = self._held.get(id(tensor))
        if held is None or held.value is not tensor:
            held = self._held[id(tensor)] = Held(tensor)
            self._stored[storage_of(tensor)].append(held)
        return held

    def stop_listening(self) -> None:
        """What happens from here on is not seen: copy what was held, in case it is overwritten."""
        for held in {id(held): held for held in self._held.values()}.values():
            if held.value is not None:
                held.value = held.value.clone()
        self._held.clear()
        self._stored.clear()

    def make_room(self) -> None:
        """Let go of the earlier pass's values up to here: the next operation finds memory of its size at hand."""
        while self._let_go <= len(self.events) and self._let_go < len(self.recycled):
            self.recycled[self._let_go].value = None
            self._let_go += 1

    def write(
        self, op: str, outputs: list[tuple[int | None, Tensor]], args: Any, kwargs: dict[str, Any]
    ) -> list[Event]:
        call, kind = self.stack[-1], kind_of(op)
        call.operations += 1
        about = Event(op, call)
        if self.whole:
            about.arguments, about.keywords = self._described(args), self._described(kwargs)
            about.parameters = {id(one) for one in tensors_in((args, kwargs)) if id(one) in self.parameters}
        if kind in ("recurrent", "attention") and (self.whole or self.choice.may_want_inside(call.path)):
            about.inside = self._holding(args), self._holding(kwargs)
        wanted = self.whole or self.choice.may_want(call.path, call.number, op, kind)
        written = []
        for place, value in outputs:
            event = replace(about, output=place, shape=tuple(value.shape), dtype=value.dtype)
            event.held = self.hold(value) if wanted else None
            event.inside = about.inside if place == outputs[-1][0] else None
            self._remember(value, len(self.events))
            self.events.append(event)
            written.append(event)
        return written

    def finish(self, call: Call, output: Any) -> None:
        """A module's call has returned: what no operation made, a scripted module's output say, is one."""
        tensors = [tensor for tensor in tensors_in(output) if type(tensor) is not nn.Parameter and plain(tensor)]
        unknown = [tensor for tensor in tensors if self.event_of(tensor) is None]
        if unknown and (self.choice.watched is None or any(outer.watched for outer in self.stack)):
            places = [(place if len(unknown) > 1 else None, tensor) for place, tensor in enumerate(unknown)]
            self.write(type(call.module).__name__, places, (), {})
        if tensors:
            made = self.event_of(tensors[0])
            if made is not None and made >= 0 and call.path:
                path = f"{call.path}:{call.number}"
                self.produced[path] = made
                if call.watched and self.choice.wants_output(path):
                    self.events[made].held = self.hold(tensors[0])

    def before_overwriting(self, tensor: Tensor) -> None:
        storage = storage_of(tensor)
        for held in self._stored.pop(storage, ()):
            if held.value is not None:
                held.value = held.value.clone()
        parameter = self._parameter_storages.pop(storage, None)
        if parameter is not None:
            self.written.append((parameter, parameter.detach().clone()))

    def _described(self, nest: Any) -> Any:
        if isinstance(nest, Tensor):
            return Source(self.event_of(nest), tuple(nest.shape))
        if isinstance(nest, (tuple, list)):
            return tuple(map(self._described, nest))
        if isinstance(nest, dict):
            return {key: self._described(value) for key, value in nest.items()}
        return nest

    def _holding(self, nest: Any) -> Any:
        if isinstance(nest, Tensor):
            return nest if id(nest) in self.parameters else self.hold(nest)
        if isinstance(nest, (tuple, list)):
            return tuple(map(self._holding, nest))
        if isinstance(nest, dict):
            return {key: self._holding(value) for key, value in nest.items()}
        return nest


def storage_of(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata if plain(tensor) else id(tensor)


def plain(tensor: Tensor) -> bool:
    """Whether the tensor is an ordinary dense one, of any dtype: what can be shown."""
    return tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_nested


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
