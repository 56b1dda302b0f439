"""The language of the texts that a user sees: English, or one of the catalogues in `nnlens/locale/`.

There is one catalogue for the texts of the package (`nnlens.po`) and one for those of the browser (`browser.po`), which
is sent with each view. `tests/catalogues.py` collects the texts from the code and compiles the catalogues.
"""

from __future__ import annotations

import gettext
from functools import cache
from importlib.resources import as_file, files
from typing import Any

from .suggestions import nearest

LANGUAGES = ("en", "de")
# How a number's point is written.
_POINTS = {"en": ".", "de": ","}

_chosen: str | None = None


def set_language(name: str | None) -> None:
    """Choose the language of the views that are opened from now on, and of what they say.

    Parameters
    ----------
    name : "en", "de" or None
        None leaves it to the page around a view: the language that a notebook's page declares, else English.
    """
    global _chosen
    if name is not None and name not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise ValueError(f"language must be one of {known} or None, got {name!r}{nearest(str(name), LANGUAGES)}")
    _chosen = name


def chosen_language() -> str | None:
    """What `set_language` was given; None where it is left to the page around a view."""
    return _chosen


def language() -> str:
    """The language of the texts that are made in Python."""
    return _chosen or "en"


def _(message: str, **values: Any) -> str:
    """`message` in the user's language, with `values` in the places of their names in braces."""
    text = message if language() == "en" else _catalogue("nnlens", language()).gettext(message)
    return text.format(**values) if values else text


def plural(one: str, many: str, count: int, **values: Any) -> str:
    """The message for one, or for any other count, in the user's language; `{count}` stands for the number."""
    if language() == "en":
        text = one if count == 1 else many
    else:
        text = _catalogue("nnlens", language()).ngettext(one, many, count)
    return text.format(count=count, **values)


def number(text: str) -> str:
    """A number as the user's language writes it, given with a point; a minus sign is a real one."""
    return text.replace(".", _POINTS[language()]).replace("-", "−")


def grouped(count: int) -> str:
    """A whole number with its thousands apart."""
    text = f"{count:,}"
    return text if language() == "en" else text.replace(",", ".")


def browser_texts(name: str | None = None) -> dict[str, str | list[str]]:
    """The browser's texts in a language, by their English ones; a text with a plural has one for each form."""
    name = name or language()
    if name == "en":
        return {}
    texts: dict[str, str | list[str]] = {}
    forms: dict[str, dict[int, str]] = {}
    catalogue = _catalogue("browser", name)._catalog  # type: ignore[attr-defined]
    for key, text in catalogue.items():
        if isinstance(key, tuple):
            forms.setdefault(key[0], {})[key[1]] = text
        elif key:
            texts[key] = text
    return texts | {one: [by_count[at] for at in sorted(by_count)] for one, by_count in forms.items()}


@cache
def _catalogue(domain: str, name: str) -> gettext.NullTranslations:
    with as_file(files("nnlens") / "locale") as folder:
        return gettext.translation(domain, folder, [name])
