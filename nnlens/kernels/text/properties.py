"""Properties of the characters of a text, to look for cells that follow them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped

from nnlens.inputs.text import Encoded

_URL = re.compile(r"(?:https?|ftp)://[^\s\"'<>)\]}]+|www\.[^\s\"'<>)\]}]+")
_OPENING, _CLOSING = "([{", ")]}"


def inside_quotes(text: str) -> Bool[np.ndarray, " characters"]:
    """From an opening quotation mark up to, but without, the closing one of the same kind; ends with its line.

    An apostrophe between letters opens nothing. Of three quotation marks in a row each counts by itself.
    """
    inside, mark = np.zeros(len(text), bool), ""
    for place, character in enumerate(text):
        if character == "\n" or (character == mark and text[place - 1] != "\\"):
            mark = ""
        elif not mark and character in "\"'":
            letters = place and text[place - 1].isalnum() and text[place + 1 : place + 2].isalnum()
            mark = "" if character == "'" and letters else character
        inside[place] = bool(mark)
    return inside


def nesting_depth(text: str) -> Float[np.ndarray, " characters"]:
    """How many brackets ( [ { are open after each character; never below 0."""
    depth, result = 0, np.zeros(len(text))
    for place, character in enumerate(text):
        depth = max(0, depth + (character in _OPENING) - (character in _CLOSING))
        result[place] = depth
    return result


def inside_brackets(text: str) -> Bool[np.ndarray, " characters"]:
    """Whether at least one bracket is open after the character."""
    return nesting_depth(text) > 0


def inside_url(text: str) -> Bool[np.ndarray, " characters"]:
    """The characters of addresses that begin with http://, https://, ftp:// or www."""
    return matches(_URL.pattern)(text)


def indentation(text: str) -> Float[np.ndarray, " characters"]:
    """How many spaces begin the line of the character; up to the first other character, how many there were so far."""
    result, width, leading = np.zeros(len(text)), 0, True
    for place, character in enumerate(text):
        if character == "\n":
            width, leading = 0, True
        elif leading and character in " \t":
            width += 1
        else:
            leading = False
        result[place] = width
    return result


def inside_indentation(text: str) -> Bool[np.ndarray, " characters"]:
    """The spaces that begin a line."""
    inside, leading = np.zeros(len(text), bool), True
    for place, character in enumerate(text):
        leading = character == "\n" or (leading and character in " \t")
        inside[place] = leading and character != "\n"
    return inside


def position_in_line(text: str) -> Float[np.ndarray, " characters"]:
    """How many characters the line had before this one; 0 for a line break."""
    result, count = np.zeros(len(text)), 0
    for place, character in enumerate(text):
        result[place] = 0 if character == "\n" else count
        count = 0 if character == "\n" else count + 1
    return result


def position_in_word(text: str) -> Float[np.ndarray, " characters"]:
    """How many letters and digits came in a row up to this character; 0 for others."""
    result, count = np.zeros(len(text)), 0
    for place, character in enumerate(text):
        count = count + 1 if character.isalnum() or character == "_" else 0
        result[place] = count
    return result


def matches(pattern: str) -> Callable[[str], Bool[np.ndarray, " characters"]]:
    """A property: the characters inside matches of a regular expression; ValueError for one that is not valid."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern must be a regular expression, got {pattern!r}: {error}") from None

    def find(text: str) -> np.ndarray:
        inside = np.zeros(len(text), bool)
        for match in compiled.finditer(text):
            inside[match.start() : match.end()] = True
        return inside

    return find


PROPERTIES: dict[str, Callable[[str], np.ndarray]] = {
    "inside quotes": inside_quotes,
    "inside brackets": inside_brackets,
    "nesting depth": nesting_depth,
    "inside a URL": inside_url,
    "indentation": indentation,
    "inside the indentation": inside_indentation,
    "position in the line": position_in_line,
    "position in the word": position_in_word,
}


def of_tokens(encoded: Encoded, values: Shaped[np.ndarray, " characters"]) -> np.ndarray:
    """A property of characters as one of tokens: that of a token's last character, after which its state is computed.

    Special tokens, which stand for no character, have that of the character before them (0 at the beginning).
    """
    if len(values) != len(encoded.text):
        raise ValueError(f"values must be one for each of the {len(encoded.text)} characters, got {len(values)}")
    padded: Sequence[float] = [0, *values.tolist()]
    return np.array([padded[end] for _start, end in encoded.spans], dtype=float)
