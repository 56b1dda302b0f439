"""The state of a view as a short text: what the user has chosen, and nothing that is computed from it.

`js/src/model/state.ts` writes and reads the same text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import traitlets as t
from typing_extensions import TypedDict

from nnlens.utils.suggestions import nearest

VERSION = "1"
# Each is only valid once those before it are set.
FIRST = ("layer", "grid", "unit", "position", "weight", "filter")


class StateTrait(TypedDict):
    """A trait that belongs to the state of a view."""

    name: str
    default: str | None  # as JSON: the value that is left out of the text; None where each value is written
    values: list[str] | None  # those that it may have, where they are few
    only_if: str | None  # a trait without which this one is left out


def state_traits(view: t.HasTraits) -> list[StateTrait]:
    """The traits of a view that are tagged with `state`: True, or the name of the trait that they need."""
    found: list[StateTrait] = []
    for name, trait in view.traits(sync=True).items():
        if needs := trait.metadata.get("state"):
            only_if = needs if isinstance(needs, str) else None
            default = None if trait.metadata.get("always") else as_json(trait.default())
            values = list(trait.values or ()) if isinstance(trait, t.Enum) else None
            found.append({"name": name, "default": default, "values": values, "only_if": only_if})
    return sorted(
        found, key=lambda one: (FIRST.index(one["name"]) if one["name"] in FIRST else len(FIRST), one["name"])
    )


def encoded(view: Any, traits: Sequence[StateTrait]) -> str:
    """The state as text: the version, then `name=value` for each value that is not a default.

    A value is JSON; a word that is not valid JSON stands without its quotes.
    """
    parts = [VERSION]
    for trait in traits:
        if trait["only_if"] and not getattr(view, trait["only_if"]):
            continue
        value = getattr(view, trait["name"])
        text = as_json(value)
        if text != trait["default"]:
            plain = value if isinstance(value, str) and not _is_json(value) else text
            parts.append(f"{trait['name']}={quote(plain, safe=_PLAIN)}")
    return "&".join(parts)


def decoded(text: str, traits: Sequence[StateTrait]) -> dict[str, Any]:
    """The values of the state in `text`, the defaults among them, in the order in which they can be set.

    What is always written and is missing, in a text that a person has shortened, stays as it is.

    Raises
    ------
    TypeError, ValueError
        For what is not the text of a state, or is that of a view with other parts.
    """
    if not isinstance(text, str):
        raise TypeError(f"state must be a text as view.state gives it, got a {type(text).__name__}")
    version, *parts = text.split("&")
    if version != VERSION:
        raise ValueError(f'state must begin with the version "{VERSION}", as view.state gives it, got {text[:40]!r}')
    given: dict[str, Any] = {}
    known = [trait["name"] for trait in traits]
    for part in parts:
        name, found, value = part.partition("=")
        if not found or name not in known:
            raise ValueError(f"state has {name!r}, which this view has not{nearest(name, known)}")
        plain = unquote(value)
        given[name] = json.loads(plain) if _is_json(plain) else plain
    usual = {trait["name"]: json.loads(trait["default"]) for trait in traits if trait["default"] is not None}
    values = usual | given
    return {name: values[name] for name in known if name in values}


_PLAIN = "!~*'(),[]:"  # besides letters, digits and _.-


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refused)
    except ValueError:
        return False
    return True


def _refused(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def as_json(value: Any) -> str:
    """A value as JavaScript's JSON.stringify writes it."""
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{as_json(str(key))}:{as_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(as_json, value)) + "]"
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return np.format_float_positional(value, trim="-")
    digits, exponent = np.format_float_scientific(value, trim="-", exp_digits=1).split("e")
    return f"{digits}e{exponent}"
