"""Other inputs that differ from one in what is varied, in the slices that are shown, or in a number."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from nnlens.inputs import Input
from nnlens.inputs.laid_out import with_layout, with_value
from nnlens.session.setup import ModelSetup

from .laid_out import laid_out_for


def other_varied(setup: ModelSetup, value: Input, name: str) -> Input:
    """The same inputs, of which another one is varied."""
    assert value.around is not None
    call = value.around.args, value.around.keywords
    return laid_out_for(setup, replace(value, given=call, around=None, notes=()), name)


def other_slices(
    setup: ModelSetup, value: Input, *, along: str | None = None, first: int | None = None, count: int | None = None
) -> Input:
    """The same volume, of which other slices are shown."""
    assert value.around is not None
    layout, shape = value.around.as_image, tuple(value.around.value.shape)
    count = min(layout.count, layout.slices(shape)) if count is None else count
    if along is not None and along != layout.along and first is None:
        count = 1
    return with_layout(value, layout.at(shape, along=along, first=first, count=count), setup.bands)


def held_number(setup: ModelSetup, value: Input, which: int, place: int, number: Any) -> Input:
    """The same inputs, but one number of one of them is another."""
    assert value.around is not None
    paths = list(value.around.names)
    if not 0 <= which < len(paths):
        raise ValueError(f"input must be 0…{len(paths) - 1}, got {which}")
    path = paths[which]
    tensor = value.around.get(path)
    if not 0 <= place < tensor.numel():
        raise ValueError(f"place must be 0…{tensor.numel() - 1} in {value.around.names[path]}, got {place}")
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
        raise ValueError(f"value must be a finite number, got {number!r}")
    changed = tensor.clone()
    changed.view(-1)[place] = number
    return with_value(value, path, changed, setup.bands)
