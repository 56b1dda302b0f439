"""Arguments of convolutions, and the layout in memory for which they are fastest."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nnlens.recording import Operation, Replacement


def pair(value: Any) -> tuple[int, int]:
    """A number for each of two axes; a single number, "same" and "valid" are repeated."""
    return (value[0], value[-1]) if isinstance(value, tuple) else (value, value)


def is_plain(arguments: dict[str, Any]) -> bool:
    """Whether a convolution has stride 1, no dilation, one group, and padding in numbers."""
    steps = pair(arguments["stride"]) == (1, 1) == pair(arguments["dilation"])
    return steps and arguments["groups"] == 1 and not isinstance(arguments["padding"], str)


def channels_last(x: Tensor) -> Tensor:
    """Channels last, with which most convolutions are faster; a single channel has nothing to gain."""
    if x.shape[1] == 1 or x.ndim not in (4, 5):
        return x.contiguous()
    return x.contiguous(memory_format=torch.channels_last if x.ndim == 4 else torch.channels_last_3d)


def first(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The replacement of an operation that was folded into another one."""
    return args[0] if args else keywords["input"]


def convolution_arguments(operation: Operation) -> dict[str, Any]:
    """conv2d's arguments by name."""
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    argument = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    return argument | dict(zip(names, operation.arguments, strict=False)) | dict(operation.keywords)


def convolution_of(op: str, weight: Tensor, bias: Tensor | None, arguments: dict[str, Any]) -> Replacement:
    """A convolution of a signal or a volume with prepared weights."""
    if op == "conv3d":
        return lambda function, args, keywords: F.conv3d(first(function, args, keywords), weight, bias, **arguments)
    of_row = dict(arguments)
    for name, neutral in (("stride", 1), ("padding", 0), ("dilation", 1)):
        if not isinstance(arguments[name], str):
            of_row[name] = (neutral, pair(arguments[name])[1])

    def run(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
        return F.conv2d(first(function, args, keywords).unsqueeze(2), weight, bias, **of_row).squeeze(2)

    return run
