"""Texts as the input of a model: tokenizers of every kind, and which characters each token stands for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

Span = tuple[int, int]


@dataclass(frozen=True, repr=False)
class Encoded:
    """A text as a model reads it.

    Attributes
    ----------
    text : str
    ids : tuple of int
    spans : tuple of (int, int)
        The characters of the text that each token stands for: start and end. A special token has an empty span. Tokens
        that are parts of one character (bytes of an emoji) have the same span.
    unknown : tuple of int
        The places of tokens that stand for characters that the tokenizer does not know.
    """

    text: str
    ids: tuple[int, ...]
    spans: tuple[Span, ...]
    unknown: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        unknown = f", {len(self.unknown)} unknown" if self.unknown else ""
        return f"Encoded({len(self.text)} characters, {len(self)} tokens{unknown})"

    def pieces(self) -> list[str]:
        """The part of the text that each token stands for; empty for special tokens."""
        return [self.text[start:end] for start, end in self.spans]

    def joined(self) -> list[tuple[range, Span]]:
        """Tokens that stand for the same characters as one: their places, and the characters.

        Special tokens stay single.
        """
        result = []
        for span, group in groupby(range(len(self)), key=lambda place: (self.spans[place], self._single(place))):
            places = list(group)
            result.append((range(places[0], places[-1] + 1), span[0]))
        return result

    def _single(self, place: int) -> int:
        start, end = self.spans[place]
        return place if start == end else -1


@runtime_checkable
class Codec(Protocol):
    """From a text to tokens, and back to what a token is called."""

    def encode(self, text: str) -> Encoded:
        """The text as tokens; ValueError for an empty one."""

    def piece(self, token: int) -> str:
        """What a token is called."""

    def decode(self, ids: Sequence[int]) -> str:
        """Tokens as text."""

    def key(self) -> str:
        """Text that identifies it, as far as that is known."""


class AlphabetCodec:
    """Characters as tokens, by their place in an alphabet.

    Parameters
    ----------
    alphabet : str
        Each character once.
    unknown : str, optional
        The character of the alphabet that stands for all others; by default the replacement character (U+FFFD) if the
        alphabet has it, else a space, else the first.
    """

    def __init__(self, alphabet: str, unknown: str | None = None):
        if not isinstance(alphabet, str) or not alphabet:
            raise ValueError(f"alphabet must be a text with at least one character, got {alphabet!r}")
        twice = next((character for character in alphabet if alphabet.count(character) > 1), None)
        if twice is not None:
            raise ValueError(f"alphabet must have each character once, got {twice!r} several times")
        if unknown is not None and unknown not in alphabet:
            raise ValueError(f"unknown must be a character of the alphabet, got {unknown!r}")
        self.alphabet = alphabet
        self._places = {character: place for place, character in enumerate(alphabet)}
        self._fallback = self._places[unknown] if unknown else self._places.get("\ufffd", self._places.get(" ", 0))

    def encode(self, text: str) -> Encoded:
        """A token for each character."""
        _check(text)
        ids = tuple(self._places.get(character, self._fallback) for character in text)
        unknown = tuple(place for place, character in enumerate(text) if character not in self._places)
        return Encoded(text, ids, tuple((place, place + 1) for place in range(len(text))), unknown)

    def piece(self, token: int) -> str:
        """The character."""
        return self.alphabet[token]

    def decode(self, ids: Sequence[int]) -> str:
        """The characters."""
        return "".join(self.alphabet[token] for token in ids)

    def key(self) -> str:
        """The alphabet, and the character that stands for all others."""
        return f"{self.alphabet!r} {self._fallback}"


class OffsetCodec:
    """A tokenizer that says which characters its tokens stand for: Hugging Face's fast ones, and `tokenizers`' own."""

    def __init__(self, tokenizer: Any):
        self._wrapped = hasattr(tokenizer, "convert_ids_to_tokens")
        if not self._wrapped and hasattr(tokenizer, "to_str"):
            # A tokenizer may be set to cut texts, and to fill them up: a copy does neither.
            tokenizer = type(tokenizer).from_str(tokenizer.to_str())
            tokenizer.no_truncation()
            tokenizer.no_padding()
        self._tokenizer = tokenizer

    def encode(self, text: str) -> Encoded:
        """The tokens with those that the tokenizer adds."""
        _check(text)
        if self._wrapped:
            made = self._tokenizer(text, return_offsets_mapping=True)
            ids, offsets = made["input_ids"], made["offset_mapping"]
        else:
            made = self._tokenizer.encode(text)
            ids, offsets = made.ids, made.offsets
        unknown_id = getattr(self._tokenizer, "unk_token_id", None)
        if not self._wrapped:
            name = getattr(getattr(self._tokenizer, "model", None), "unk_token", None)
            unknown_id = self._tokenizer.token_to_id(name) if name else None
        unknown = tuple(place for place, token in enumerate(ids) if unknown_id is not None and token == unknown_id)
        spans: list[Span] = []
        for start, end in offsets:
            before = spans[-1] if spans else (0, 0)
            # A further part of a character that came with the space before it stands for the same characters.
            inside = before[0] <= start < end <= before[1]
            spans.append(before if inside else (int(start), int(end)))
        return Encoded(text, tuple(map(int, ids)), tuple(spans), unknown)

    def piece(self, token: int) -> str:
        """The token as the tokenizer decodes it."""
        return self.decode([token])

    def decode(self, ids: Sequence[int]) -> str:
        """The text as the tokenizer decodes it, special tokens by their names."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def key(self) -> str:
        """The tokenizer as JSON, or its vocabulary."""
        own = getattr(self._tokenizer, "backend_tokenizer", self._tokenizer)
        words = own.to_str() if hasattr(own, "to_str") else repr(sorted(self._tokenizer.get_vocab().items()))
        return hashlib.blake2b(words.encode(errors="surrogatepass"), digest_size=12).hexdigest()


_EXAMPLE = "".join(map(chr, range(32, 127))) + " the of and to in is that for it was on are as with his they\n"
_SEARCH = 20  # characters that a token may stand for that the tokenizer does not know


class PairCodec:
    """A function from a text to ids, and one back.

    Where the decoded tokens do not make up the text one by one (bytes of one character), the characters of a token are
    found by decoding all tokens up to it. A token that does not decode to what the text has there stands for what the
    tokenizer does not know, up to where the next known token begins.
    """

    def __init__(self, encode: Callable[[str], Sequence[int]], decode: Callable[[list[int]], str]):
        self._encode, self._decode = encode, decode

    def encode(self, text: str) -> Encoded:
        """The tokens that the function gives."""
        _check(text)
        ids = [int(token) for token in self._encode(text)]
        if not ids:
            raise ValueError(f"tokenizer must give at least one token, got none for {text[:40]!r}")
        ends = self._ends(text, ids)
        if ends is None:
            return self._around_unknown(text, ids)
        starts = [0, *ends[:-1]]
        spans = list(zip(starts, ends, strict=True))
        # A token that completes no character shares the next character with those after it.
        for place in range(len(spans) - 2, -1, -1):
            if spans[place][0] == spans[place][1] and self._decode([ids[place]]) not in ("", text[: spans[place][0]]):
                spans[place] = spans[place + 1]
        return Encoded(text, tuple(ids), tuple(spans))

    def _ends(self, text: str, ids: list[int]) -> list[int] | None:
        """Where the part of the text ends that is known after each token; None where the tokens decode to another."""
        ends, done = [], ""
        for token in ids:
            done += self._decode([token])
            ends.append(len(done))
        if done == text:
            return ends
        ends = []
        for count in range(1, len(ids) + 1):
            known = self._decode(ids[:count]).rstrip("\ufffd")
            if not text.startswith(known):
                return None
            ends.append(len(known))
        return ends

    def _around_unknown(self, text: str, ids: list[int]) -> Encoded:
        """The tokens of a text of which some do not decode to their characters."""
        pieces = [self._decode([token]) for token in ids]
        spans: list[Span] = []
        unknown, at = [], 0
        for place, piece in enumerate(pieces):
            if piece and text[at : at + len(piece)].casefold() == piece.casefold():
                end = at + len(piece)
            else:
                unknown.append(place)
                # One character, or of several such tokens in a row the last up to the next token that is known.
                rest = pieces[place + 1 :]
                found = text.find(rest[0], at + 1, at + 1 + _SEARCH) if rest and rest[0] else -1
                end = len(text) if not rest else found if found > 0 else min(at + 1, len(text))
            spans.append((at, end))
            at = end
        # A sign for unknown tokens is no word: what is one was decoded wrongly.
        if len(unknown) == len(ids) and (len(set(pieces)) > 1 or pieces[0].isalnum()):
            decoded = self._decode(ids)
            raise ValueError(
                f"tokenizer must decode to the text that it was given, got {decoded[:40]!r} for {text[:40]!r}"
            )
        return Encoded(text, tuple(ids), tuple(spans), tuple(unknown))

    def piece(self, token: int) -> str:
        """The token as it is decoded."""
        return self._decode([token])

    def decode(self, ids: Sequence[int]) -> str:
        """The text as it is decoded."""
        return self._decode(list(ids))

    def key(self) -> str:
        """The tokens of a text with many characters, if it takes them: what the functions hold is not known."""
        try:
            return str([int(token) for token in self._encode(_EXAMPLE)])
        except Exception:
            return ""


def as_codec(tokenizer: Any = None, *, alphabet: str | None = None) -> Codec:
    """A tokenizer of any kind as a codec.

    Parameters
    ----------
    tokenizer : optional
        A tokenizer of Hugging Face, one of the package `tokenizers`, or a pair of callables (encode, decode).
    alphabet : str, optional
        Instead of a tokenizer: each character is a token, by its place.

    Raises
    ------
    TypeError, ValueError
        For anything else, saying what is accepted.
    """
    if alphabet is not None:
        if tokenizer is not None:
            raise TypeError("tokenizer and alphabet must not both be given")
        return AlphabetCodec(alphabet)
    if isinstance(tokenizer, (AlphabetCodec, OffsetCodec, PairCodec)):
        return tokenizer
    if isinstance(tokenizer, (tuple, list)) and len(tokenizer) == 2 and all(map(callable, tokenizer)):
        return PairCodec(*tokenizer)
    if hasattr(tokenizer, "convert_ids_to_tokens"):
        if getattr(tokenizer, "is_fast", False):
            return OffsetCodec(tokenizer)
        return PairCodec(
            lambda text: tokenizer.encode(text, add_special_tokens=False), lambda ids: str(tokenizer.decode(ids))
        )
    if hasattr(tokenizer, "encode") and hasattr(tokenizer, "token_to_id"):
        return OffsetCodec(tokenizer)
    raise TypeError(
        "tokenizer must be one of Hugging Face or of the package tokenizers, or a pair of callables (encode, decode); "
        f"or give alphabet=…; got {type(tokenizer).__name__}"
    )


def _check(text: Any) -> None:
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, got {type(text).__name__}")
    if not text:
        raise ValueError("text must hold at least one character, got an empty one")
