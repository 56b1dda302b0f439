"""One operation of a recorded pass once more, on recorded values or on others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nnlens.recording import Operation, Recording, Source
from nnlens.recording.operations import function_of


def replay(operation: Operation, recording: Recording, x: Tensor, instead: dict[str, Tensor]) -> Tensor:
    """The operation's output on its recorded arguments, or on those given instead.

    Parameters
    ----------
    x : Tensor
        The model's input, which a recording does not keep.
    instead : dict
        Values in place of those of operations, by name.

    Raises
    ------
    TypeError
        For an operation inside a module whose parts are not recorded.
    """
    if operation.function is None:
        raise TypeError("its parts are not recorded")

    def filled(item: Any) -> Any:
        if isinstance(item, Source):
            value = instead.get(item.name or "")
            if value is None:
                value = recorded_value(recording, x, item).detach()
                # Tensors that are not weights may be written into: running statistics belong to the model.
                value = value if isinstance(item.value, nn.Parameter) else value.clone()
            return value
        return tuple(map(filled, item)) if isinstance(item, tuple) else item

    args, keywords = filled(operation.arguments), {name: filled(item) for name, item in operation.keywords.items()}
    if function_of(operation.function).overwritten(args, keywords):
        args = (args[0] * 1, *args[1:]) if args else args
    devices = [x.device] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        result = operation.function(*args, **keywords)
    if isinstance(result, (tuple, list)):
        position = int(operation.name.rpartition("[")[2][:-1]) if operation.name.endswith("]") else 0
        result = result[position]
    return result if isinstance(result, Tensor) else args[0]


def recorded_value(recording: Recording, x: Tensor, source: Source) -> Tensor:
    """The tensor that an operation was given."""
    if source.name is None:
        assert source.value is not None
        return source.value
    return x if source.name == "input" else recording[source.name]


def from_input(recording: Recording) -> set[str]:
    """The names of the values that come from the model's inputs, and not from its weights alone."""
    seeing = {"input"}
    for operation in recording:
        if any(name in seeing or name.startswith("input[") for name in operation.inputs):
            seeing.add(operation.name)
    return seeing
