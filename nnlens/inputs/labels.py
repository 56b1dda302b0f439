"""The names of the classes, in any of the usual forms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nnlens.utils.language import _

LONGEST = 80  # characters that a view shows of a name


def class_names(labels: Any) -> tuple[str, ...] | dict[int, str] | None:
    """Names in the order of the class index, or by index.

    Takes a sequence of names; a mapping from index to name, the index as a number or, as in JSON, a string; a
    mapping from name to index (torchvision's `class_to_idx`); and names that are pairs (`["n02123045", "tabby"]` in
    imagenet_class_index.json), of which the last is taken. White space around names is dropped.

    Raises
    ------
    TypeError, ValueError
        For anything else, and for indices that are negative or given twice.
    """
    if labels is None:
        return None
    if isinstance(labels, Mapping):
        return _of_mapping(labels)
    if isinstance(labels, str) or not (isinstance(labels, Sequence) or hasattr(labels, "tolist")):
        raise TypeError(f"labels must be a sequence or a mapping of names, got {type(labels).__name__}")
    names = labels.tolist() if hasattr(labels, "tolist") else labels
    return tuple(_name(name) for name in names)


def _of_mapping(labels: Mapping[Any, Any]) -> dict[int, str]:
    indices = [_index(key) for key in labels]
    if all(isinstance(key, str) for key in labels) and all(type(value) is int for value in labels.values()):
        indices = [None]  # class_to_idx, whose folders may have numbers for names
    if all(index is not None for index in indices):
        pairs = [(index, _name(value)) for index, value in zip(indices, labels.values(), strict=True)]
    else:
        turned = [_index(value) for value in labels.values()]
        if not all(index is not None for index in turned):
            some = ", ".join(f"{key!r}: {value!r}" for key, value in list(labels.items())[:2])
            raise ValueError(f"labels must map indices to names, or names to indices, got {{{some}, …}}")
        pairs = [(index, _name(key)) for key, index in zip(labels, turned, strict=True)]
    named = {index: name for index, name in pairs if index is not None}
    if len(named) < len(pairs):
        twice = next(index for index, count in Counter(index for index, _ in pairs).items() if count > 1)
        raise ValueError(f"labels must give each index one name, got several for {twice}")
    if named and min(named) < 0:
        raise ValueError(f"labels must have indices from 0 on, got {min(named)}")
    return named


def _index(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if str(value).strip() == str(number) else None


def _name(value: Any) -> str:
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, str) for item in value):
        value = value[-1]
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return " ".join(str(value).split())
    raise TypeError(f"labels must be names, got {value!r}")


def names_of(labels: tuple[str, ...] | dict[int, str] | None, classes: int) -> tuple[str, ...]:
    """A different name for each of the classes: "class 3" where there is none, "crane (134)" where two have the same.

    Raises ValueError where there are names for more classes, or, in a sequence, for fewer.
    """
    if labels is None:
        return tuple(_("class {index}", index=index) for index in range(classes))
    if isinstance(labels, dict):
        if labels and max(labels) >= classes:
            raise ValueError(
                f"labels must name the model's {classes} scores, 0…{classes - 1}, got a name for {max(labels)}"
            )
        names = tuple(labels.get(index, _("class {index}", index=index)) for index in range(classes))
    elif len(labels) != classes:
        raise ValueError(
            f"labels must name each of the model's {classes} scores, got {len(labels)} names; where the model has "
            "several outputs, output= says which holds the scores"
        )
    else:
        names = labels
    count = Counter(names)
    return tuple(f"{name} ({index})" if count[name] > 1 else name for index, name in enumerate(names))


def how_many(labels: tuple[str, ...] | dict[int, str] | None) -> int | None:
    """How many classes have names, where that is known."""
    if labels is None:
        return None
    return max(labels, default=-1) + 1 if isinstance(labels, dict) else len(labels)


def short(name: str) -> str:
    """A name as views show it: at most `LONGEST` characters."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
