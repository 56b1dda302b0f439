"""What each operation and module of a pass costs, and what its units see."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nnlens.geometry.receptive_field import ReceptiveField, receptive_field
from nnlens.recording import ForwardError, Operation, Recorder, Recording, borrow, device_of
from nnlens.recording.tape import Event
from nnlens.utils.nests import copied, tensors_in


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One line of a summary: an operation, or a module with all that ran inside it.

    Attributes
    ----------
    name, label : str
        The operation's name or the module's path, and what it is.
    depth : int
        The number of modules that contain it.
    shape, dtype
        Of its output; None for a module that gave no tensor.
    parameters : int
        The number of elements of its parameters; in a module each parameter counts once.
    flops : int or None
        Of its matrix products, convolutions, attention and recurrent steps, a multiply-add being two, as
        `torch.utils.flop_counter` counts them; the rest counts 0. None where they could not be counted, for example in
        a scripted module.
    seconds : float
        The median over several passes, with everything recorded.
    bytes : int
        Of its outputs.
    receptive_field : ReceptiveField or None
        What its units see of the image; None for modules and where there is no image.
    children : tuple of Cost
        What ran inside, in its order; empty for an operation.
    not_run : bool
        A module that did not run.
    """

    name: str
    label: str
    depth: int
    shape: tuple[int, ...] | None
    dtype: torch.dtype | None
    parameters: int
    flops: int | None
    seconds: float
    bytes: int
    receptive_field: ReceptiveField | None
    children: tuple[Cost, ...] = field(default=(), repr=False)
    not_run: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Summary:
    """The costs of one pass as a tree; `total` is the whole model. Shows itself as a table.

    `lines(depth)` are the tree's lines in order, modules deeper than `depth` folded into one line. `operations` are
    those of the pass; their values, which take much memory, are not kept (`record` gives them).
    """

    total: Cost
    depth: int | None
    passes: int
    operations: tuple[Operation, ...] = field(repr=False)

    def __repr__(self) -> str:
        return f"Summary({self.total.label}, {len(self.operations)} operations, {self.total.parameters} parameters)"

    def lines(self, depth: int | None = None) -> list[Cost]:
        """The lines of the table, down to this depth of modules."""
        result: list[Cost] = []

        def add(cost: Cost) -> None:
            result.append(cost)
            if depth is None or cost.depth < depth:
                for child in cost.children:
                    add(child)

        add(self.total)
        return result

    def __getitem__(self, name: str) -> Cost:
        for cost in self.lines():
            if cost.name == name:
                return cost
        raise KeyError(f"no operation or module of the pass is called {name!r}")


def summary(model: nn.Module, *inputs: Any, depth: int | None = None, passes: int = 5, **keywords: Any) -> Summary:
    """What each operation of `model(*inputs, **keywords)` costs, by module.

    Parameters
    ----------
    depth : int, optional
        How many levels of modules are shown unfolded; all by default.
    passes : int
        How many passes are timed; one more counts the operations.
    """
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise ValueError(f"depth must be a whole number, 0 or more, or None, got {depth!r}")
    if isinstance(passes, bool) or not isinstance(passes, int) or passes < 1:
        raise ValueError(f"passes must be a whole number, 1 or more, got {passes!r}")
    recorder = Recorder(model)
    recording = recorder.run(inputs, keywords)  # the first pass warms up, and says what is wrong if something is
    clock = _Clock(device_of(recorder.model))
    timed = [recorder.run(inputs, keywords, meter=clock) for _ in range(passes)]
    seconds = [[operation.seconds for operation in item] for item in timed if item.names == recording.names]
    flops = _flops(recorder, inputs, keywords, recording)
    costs = []
    for index, operation in enumerate(recording):
        if operation.kind in ("gate", "state") or operation.op == "attention_weights":
            continue  # computed when asked for, not in the pass
        times = [second[index] or 0.0 for second in seconds]
        costs.append(
            Cost(
                name=operation.name,
                label=operation.label,
                depth=0,
                shape=operation.shape,
                dtype=operation.dtype,
                parameters=operation.parameters,
                flops=flops[index],
                seconds=statistics.median(times) if times else math.nan,
                bytes=operation.bytes,
                receptive_field=receptive_field(recording, operation.name),
            )
        )
    total = _tree(recorder.model, recording, costs)
    return Summary(total=total, depth=depth, passes=passes, operations=recording.operations)


class _Clock:
    """Seconds of each operation, waiting for the device's work before the clock is read."""

    def __init__(self, device: torch.device):
        module = getattr(torch, device.type, None)
        wait: Callable[[], None] | None = getattr(module, "synchronize", None) if device.type != "cpu" else None
        self._wait = wait or (lambda: None)
        self._began = 0.0

    def begin(self) -> None:
        self._wait()
        self._began = perf_counter()

    def end(self, events: list[Event]) -> None:
        self._wait()
        events[0].seconds = perf_counter() - self._began


class _Counter:
    """Floating-point operations of each operation."""

    def __init__(self, counter: FlopCounterMode):
        self._counter = counter
        self._before = 0

    def begin(self) -> None:
        self._before = self._counter.get_total_flops()

    def end(self, events: list[Event]) -> None:
        for event in events:
            event.flops = 0
        events[0].flops = self._counter.get_total_flops() - self._before


def flops(model: nn.Module, *inputs: Any, **keywords: Any) -> int:
    """Floating-point operations of one pass of the model; see `Cost.flops` for what counts."""
    counter = _counter()
    with borrow(model), torch.no_grad(), warnings.catch_warnings(), counter:
        warnings.simplefilter("ignore")
        model(*copied(tuple(inputs)), **copied(dict(keywords)))
    return int(counter.get_total_flops())


def _counter() -> FlopCounterMode:
    # Two of the CPU's own kernels are unknown to torch's counter, and so are products with a vector.
    more: dict[Any, Callable[..., int]] = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        torch.ops.aten.mkldnn_rnn_layer: _recurrent,
        torch.ops.aten.mv: _vector,
        torch.ops.aten.dot: _vector,
    }
    return FlopCounterMode(display=False, custom_mapping=more)


def _flops(recorder: Recorder, inputs: Any, keywords: Any, recording: Recording) -> list[int | None]:
    counter = _counter()
    try:
        with warnings.catch_warnings(), counter:
            warnings.simplefilter("ignore")
            counted = recorder.run(inputs, keywords, meter=_Counter(counter))
    except ForwardError:
        return [None] * len(recording)  # it runs, but not with a counter
    # Under a counter, what runs in a scripted module is seen, and the module itself has another name.
    result = {(operation.name, operation.shape): operation.flops for operation in counted}
    return [result.get((operation.name, operation.shape)) for operation in recording]


def _attention(query: Any, key: Any, value: Any, *rest: Any, out_shape: Any = None, **more: Any) -> int:
    *batch, queries, width = query
    pairs = math.prod(batch) * queries * key[-2]
    return int(2 * pairs * (width + value[-1]))


def _vector(left: Any, right: Any, out_shape: Any = None, **more: Any) -> int:
    return int(2 * math.prod(left))


def _recurrent(x: Any, weight_ih: Any, weight_hh: Any, *rest: Any, out_shape: Any = None, **more: Any) -> int:
    steps, batch, _ = x
    return int(2 * steps * batch * (math.prod(weight_ih) + math.prod(weight_hh)))


def _output(recording: Recording, path: str) -> tuple[tuple[int, ...] | None, torch.dtype | None]:
    """Shape and dtype of the first tensor that a module returned in its last call."""
    if not path:
        tensor = next(tensors_in(recording.output), None)
        return (None, None) if tensor is None else (tuple(tensor.shape), tensor.dtype)
    last = path
    if path not in recording:
        calls = [aliase for aliase in recording.aliases if aliase.rpartition(":")[0] == path]
        if not calls:
            return None, None
        last = max(calls, key=lambda item: int(item.rpartition(":")[2]))
    operation = recording.operation(last)
    return operation.shape, operation.dtype


def _tree(model: nn.Module, recording: Recording, costs: list[Cost]) -> Cost:
    modules, not_run = dict(model.named_modules()), set(recording.not_run)
    order = {cost.name: index for index, cost in enumerate(costs)}
    own: dict[str, list[Cost]] = {}
    for cost in costs:
        own.setdefault(recording.operation(cost.name).module, []).append(cost)

    def inside(path: str, depth: int) -> tuple[float, Cost]:
        """The place in the pass at which a module began, and its line."""
        module, operations = modules[path], own.get(path, [])
        if len(operations) == 1 and operations[0].name == path and next(module.children(), None) is None:
            return order[path], replace(operations[0], depth=depth)
        placed = [(float(order[cost.name]), replace(cost, depth=depth + 1)) for cost in operations]
        for name, child in module.named_children():
            below = f"{path}.{name}" if path else name
            if modules.get(below) is child:  # a module with two names is shown under the first
                placed.append(inside(below, depth + 1))
        placed.sort(key=lambda pair: pair[0])
        children = tuple(cost for _, cost in placed)
        shape, dtype = _output(recording, path)
        flops = [cost.flops for cost in children]
        total = Cost(
            name=path,
            label=type(module).__name__,
            depth=depth,
            shape=shape,
            dtype=dtype,
            parameters=sum(parameter.numel() for parameter in module.parameters()),
            flops=None if None in flops else sum(count or 0 for count in flops),
            seconds=sum(cost.seconds for cost in children),
            bytes=sum(cost.bytes for cost in children),
            receptive_field=None,
            children=children,
            not_run=path in not_run,
        )
        return min((index for index, _ in placed), default=math.inf), total

    return inside("", 0)[1]
