"""Targets: the class that is explained, and the place of a map of scores at which it is read."""

from __future__ import annotations

import difflib
import re
from typing import Any

import numpy as np
import torch

from nnlens.scores.meaning import Position, plain_index
from nnlens.utils.language import _


def resolve_target(target: Any, names: tuple[str, ...]) -> int:
    """A class index from an index or a label.

    The index may be a NumPy integer or a tensor of one number; a label may be in any case, with spaces or underscores.
    """
    target = plain_index(target)
    if isinstance(target, str):
        if names.count(target) == 1:
            return names.index(target)
        plain = [name.lower().replace("_", " ") for name in names]
        wanted = target.lower().replace("_", " ")
        if wanted in plain:
            return plain.index(wanted)
        numbered = re.fullmatch(r"class (\d+)", wanted)
        if numbered and _("class {index}", index=numbered[1]) in names:
            return int(numbered[1])  # a class without a name, in another language
        near = [names[plain.index(match)] for match in difflib.get_close_matches(wanted, plain, n=3, cutoff=0.5)]
        near = near or [name for name, flat in zip(names, plain, strict=True) if wanted and wanted in flat][:3]
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(f"target must be one of the {len(names)} labels, got {target!r}{hint}")
    if isinstance(target, bool) or not isinstance(target, (int, np.integer)):
        raise TypeError(f"target must be a class index or a label, got {type(target).__name__}")
    if not names:
        return 0
    if not 0 <= target < len(names):
        raise ValueError(f"target must be 0…{len(names) - 1}, got {target}")
    return int(target)


def class_and_position(target: Any) -> tuple[Any, Position]:
    """A target that may be (class, row, column) or (class, region), as a class and a place."""
    if isinstance(target, tuple) and len(target) == 2 and getattr(target[1], "ndim", 0) >= 1:
        region = target[1].cpu().numpy() if isinstance(target[1], torch.Tensor) else np.asarray(target[1])
        if not np.isin(region, (0, 1)).all():
            raise ValueError("target's region must hold only 0 and 1, or False and True, got other numbers")
        if not region.any():
            raise ValueError("target's region must mark at least one position, got none")
        return target[0], region.astype(bool)
    if isinstance(target, tuple) and len(target) > 1:
        position = tuple(map(plain_index, target[1:]))
        if any(isinstance(index, bool) or not isinstance(index, int) for index in position):
            raise TypeError(
                f"target must be a class, (class, row, column) or (class, region as an array), got {target!r}"
            )
        return target[0], position
    return target, None
