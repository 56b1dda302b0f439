"""The values that a pass keeps, from the argument `only`: names, patterns, kinds, modules."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .operations import INNER_KINDS, KINDS

Only = str | nn.Module | Iterable[str | nn.Module] | None


class Choice:
    """Which values a pass keeps. Names are certain only at its end; until then `may_want` says yes when in doubt."""

    def __init__(self, only: Only, paths: dict[nn.Module, str], other_names: dict[str, str]):
        wanted = [only] if isinstance(only, (str, nn.Module)) else None if only is None else list(only)
        self.everything = wanted is None
        names = [_as_name(item, paths) for item in wanted or ()]
        self.asked = [other_names.get(name, name) for name in names]
        if not self.everything and not self.asked:
            raise ValueError("only must name at least one operation, module, pattern or kind, got an empty list")
        known = set(paths.values())
        self.kinds = {item for item in self.asked if item in (*KINDS, *INNER_KINDS) and item not in known}
        self.patterns = {item: _pattern(item) for item in self.asked if "*" in item or "?" in item}
        self._stems = [_pattern(item.partition(":")[0]) for item in self.patterns]  # without the call's number
        self.names = set(self.asked) - self.kinds - set(self.patterns)
        self._numbers: dict[str, set[int]] = {}  # stem → the calls that were asked for; empty: any
        for name in self.names:
            stem, _, number = _without_output(name).partition(":")
            self._numbers.setdefault(stem, set()).update({int(number)} if number.isdigit() else ())
        # Where the recorder must listen: None, everywhere, or inside a few modules.
        self.watched: set[str] | None = None
        if not (self.everything or self.kinds or self.patterns):
            owners = {_owner(name, known) for name in self.names}
            inner = {name for name in owners for other in owners if name.startswith(f"{other}.")}
            self.watched = None if "" in owners else owners - inner  # it listens there already

    def listens_in(self, path: str) -> bool:
        """Whether operations inside this module are recorded."""
        return self.watched is not None and path in self.watched

    def within(self, path: str) -> bool:
        """Whether a module is one that the recorder listens in, or inside of one."""
        return self.watched is not None and any(f"{path}.".startswith(f"{item}.") for item in self.watched)

    def may_want(self, path: str, call: int, op: str, kind: str) -> bool:
        """Whether an operation in the call of that number of a module may turn out to be one that was asked for."""
        if kind in self.kinds:
            return True
        if path in self._numbers and (not self._numbers[path] or call in self._numbers[path]):
            return True
        own = f"{path}.{op}" if path else op
        return own in self._numbers or any(stem.fullmatch(path) or stem.fullmatch(own) for stem in self._stems)

    def may_want_inside(self, path: str) -> bool:
        """Whether what recurrent and attention operations of this module compute inside may have been asked for."""
        return (
            bool(self.kinds & INNER_KINDS)
            or any(stem.rpartition(".")[0] == path for stem in self._numbers)
            or bool(self.patterns)
        )

    def wants_output(self, path: str) -> bool:
        """Whether the output of this call of a module ("block:2") was asked for."""
        return path in self.names or path.rpartition(":")[0] in self.names

    def wants(self, name: str, kind: str) -> bool:
        """Whether the operation, now that its name is certain, is one of those asked for."""
        return (
            self.everything
            or kind in self.kinds
            or name in self.names
            or any(pattern.fullmatch(name) for pattern in self.patterns.values())
        )

    def unmet(self, stored: Iterable[str], kinds: Iterable[str], names: Iterable[str]) -> str | None:
        """In words, the first request that matched nothing in the pass; None if all matched."""
        have, had = set(stored), set(kinds)
        for item in self.asked:
            if item in self.kinds:
                met = item in had
            elif item in self.patterns:
                met = any(map(self.patterns[item].fullmatch, have))
            else:
                # A module that ran several times: each of its calls.
                met = item in have or any(name.rpartition(":")[0] == item for name in have)
            if not met:
                near = difflib.get_close_matches(item, [name for name in names if name != item], n=3, cutoff=0.4)
                hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
                return f"only must name what runs in the pass, got {item!r}{hint}"
        return None


def _as_name(item: Any, paths: dict[nn.Module, str]) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, nn.Module):
        if item not in paths:
            raise ValueError(f"only must name modules of this model, got a {type(item).__name__} that is none of them")
        return paths[item]
    raise TypeError(f"only must hold names (str) or modules, got {type(item).__name__}")


def _pattern(item: str) -> re.Pattern[str]:
    return re.compile(re.escape(item).replace(r"\*", ".*").replace(r"\?", "."))


def _without_output(name: str) -> str:
    return re.sub(r"\[\d+\]", "", name)


def _owner(name: str, paths: set[str]) -> str:
    """The innermost module in whose calls an operation of this name can run; "" for the model itself."""
    stem = _without_output(name).partition(":")[0]
    # A module called "relu" shares its name with the calls of `F.relu` beside it: listen to both.
    last = stem.rpartition(".")[2]
    if hasattr(torch, last) or hasattr(Tensor, last) or hasattr(torch.nn.functional, last):
        stem = stem.rpartition(".")[0]
    while stem and stem not in paths:
        stem = stem.rpartition(".")[0]
    return stem
