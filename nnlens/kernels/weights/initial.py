"""Weights as they are before any training: drawn by the module's own `reset_parameters`."""

from __future__ import annotations

from dataclasses import replace

import torch

from .weight import Weight, as_filters, as_parameter, bare_copy, plain_class


def initial_weight(weight: Weight, seed: int) -> Weight | None:
    """The weight as the module's class initialises it; None where the class has no `reset_parameters`.

    The module is not touched, and neither is torch's random state. A model may have been initialised in another way
    than its modules do by themselves: the result is torch's (or the class's) default.

    Raises ValueError where `reset_parameters` fails, saying why.
    """
    kind = plain_class(weight.owner)
    reset = getattr(kind, "reset_parameters", None) or getattr(kind, "_reset_parameters", None)
    if reset is None:
        return None
    owner = weight.owner
    shapes: dict[str, torch.Size | None] = {
        name: None if value is None else value.shape for name, value in owner._parameters.items()
    }
    shapes.setdefault("bias", None)
    shapes[weight.parameter] = as_parameter(owner, weight.values).shape
    blank = bare_copy(owner, {name: None if shape is None else torch.empty(shape) for name, shape in shapes.items()})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            reset(blank)
        except Exception as error:
            raise ValueError(f"{weight.name!r}: reset_parameters of {kind.__name__} failed: {error}") from error
    drawn = blank._parameters[weight.parameter]
    assert drawn is not None
    return replace(weight, values=as_filters(owner, drawn.detach().float()))
