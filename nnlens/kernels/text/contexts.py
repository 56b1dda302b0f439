"""Where in a long text the cells of a layer are highest and lowest, found part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nnlens.inputs.text import Codec, Encoded
from nnlens.recording import device_of, record

PART = 2000  # tokens that are read at once
WINDOW = 200  # tokens: in each window of them a cell has one highest and one lowest value
_BATCH = 8  # parts
_BLOCK = 64_000  # characters that are encoded at once


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Contexts:
    """The highest and the lowest value of every cell in each window of a text.

    Attributes
    ----------
    layer : str
    highest, lowest : float32 arrays (windows, cells)
    high_places, low_places : int32 arrays (windows, cells)
        The characters of the text after which the cells have these values.
    read, length : int
        How many characters of the text have been read, and how many it has.
    """

    layer: str
    highest: Float[np.ndarray, "windows cells"]
    lowest: Float[np.ndarray, "windows cells"]
    high_places: Int[np.ndarray, "windows cells"]
    low_places: Int[np.ndarray, "windows cells"]
    read: int
    length: int

    def __len__(self) -> int:
        return len(self.highest)

    def __repr__(self) -> str:
        return f"Contexts({self.layer!r}, {len(self)} windows, {self.read} of {self.length} characters)"

    def top(self, cell: int, k: int = 8) -> list[tuple[int, float]]:
        """The windows with the highest values of a cell: (place, value), the highest first."""
        return self._chosen(self.high_places, self.highest, cell, np.argsort(-self.highest[:, cell], kind="stable")[:k])

    def least(self, cell: int, k: int = 8) -> list[tuple[int, float]]:
        """The windows with the lowest values of a cell, the lowest first."""
        return self._chosen(self.low_places, self.lowest, cell, np.argsort(self.lowest[:, cell], kind="stable")[:k])

    def middle(self, cell: int, k: int = 4) -> list[tuple[int, float]]:
        """The windows whose highest values lie in the middle of those of all windows."""
        order = np.argsort(-self.highest[:, cell], kind="stable")
        start = max(0, (len(order) - k) // 2)
        return self._chosen(self.high_places, self.highest, cell, order[start : start + k])

    def above(self, cell: int, threshold: float) -> list[tuple[int, float]]:
        """The windows in which a cell reaches a threshold, in the order of the text."""
        found = np.flatnonzero(self.highest[:, cell] >= threshold)
        return self._chosen(self.high_places, self.highest, cell, found)

    @staticmethod
    def _chosen(places: np.ndarray, values: np.ndarray, cell: int, windows: np.ndarray) -> list[tuple[int, float]]:
        return [(int(places[window, cell]), float(values[window, cell])) for window in windows]

    def state(self) -> dict[str, Any]:
        """Arrays from which `restored` makes it again."""
        numbers = {name: getattr(self, name) for name in ("highest", "lowest", "high_places", "low_places")}
        return {**numbers, "layer": np.array(self.layer), "read": np.array([self.read, self.length])}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Contexts:
        """From the arrays of `state`."""
        numbers = {name: state[name] for name in ("highest", "lowest", "high_places", "low_places")}
        read, length = map(int, state["read"])
        return cls(layer=str(state["layer"]), read=read, length=length, **numbers)


def contexts_steps(
    model: nn.Module,
    text: str,
    codec: Codec,
    layer: str,
    *,
    part: int = PART,
    steps_first: bool = False,
    known: Contexts | None = None,
) -> Iterator[Contexts]:
    """Read a long text part by part; what was found so far after each batch of parts.

    A part begins without a past: its first tenth is read, but counted only where the text begins there. Several parts
    are read as one batch, so that the model must take one.

    Parameters
    ----------
    text : str
    codec : Codec
        See `inputs.text.as_codec`.
    layer : str
        A layer with a value of each cell for each token.
    part : int
        How many tokens are read at once: at most as many as the model has positions.
    steps_first : bool
        Whether the model takes (tokens, batch) rather than (batch, tokens).
    known : Contexts, optional
        What was found before it was stopped: it goes on from there.

    Raises
    ------
    ValueError
        For an empty text, and a layer without a value for each token.
    """
    if not isinstance(text, str) or not text:
        raise ValueError("text must hold at least one character")
    if part < 20:
        raise ValueError(f"part must be at least 20 tokens, got {part}")
    found = known
    start = 0 if found is None else found.read
    while start < len(text):
        end = _line_end(text, min(len(text), start + _BLOCK))
        encoded = codec.encode(text[start:end])
        for windows, read in _of_block(model, encoded, layer, part, steps_first):
            # A block is counted as read at its end only: going on begins with a whole one.
            place = end if read else start
            found = _joined(found, layer, windows, start, place, len(text))
            yield found
        start = end


def _line_end(text: str, end: int) -> int:
    """The end of the line before `end`, so that no token is cut; `end` itself in a long line."""
    if end == len(text):
        return end
    line = text.rfind("\n", max(0, end - _BLOCK // 2), end)
    return line + 1 if line > 0 else end


def _of_block(
    model: nn.Module, encoded: Encoded, layer: str, part: int, steps_first: bool
) -> Iterator[tuple[list[np.ndarray], bool]]:
    """The windows of a block's tokens, and whether these were its last."""
    ids, ends = torch.tensor(encoded.ids), np.array([end for _start, end in encoded.spans])
    real = np.array([end > start for start, end in encoded.spans])  # special tokens stand for no place of the text
    warm = part // 10
    starts = list(range(0, max(1, len(ids) - warm), part - warm))
    whole = [start for start in starts if start + part <= len(ids)]
    groups = [whole[at : at + _BATCH] for at in range(0, len(whole), _BATCH)]
    groups += [[start] for start in starts if start not in whole]
    for number, group in enumerate(groups, 1):
        length = min(part, len(ids) - group[0])
        batch = torch.stack([ids[start : start + length] for start in group])
        values = _values(model, batch, layer, steps_first)
        made: list[list[np.ndarray]] = [[], [], [], []]
        for row, start in enumerate(group):
            first = warm if start else 0
            for low in range(first, length, WINDOW):
                places = np.arange(low, min(low + WINDOW, length))
                places = places[real[start + places]]
                if not len(places):
                    continue
                window = values[row, places]
                for into, own, place in ((0, window.max(0), window.argmax(0)), (2, window.min(0), window.argmin(0))):
                    made[into].append(own)
                    made[into + 1].append(ends[start + places[place]])
        if made[0]:
            yield [np.stack(rows) for rows in made], number == len(groups)


def _values(model: nn.Module, batch: Tensor, layer: str, steps_first: bool) -> np.ndarray:
    """The values of a layer for a batch of parts: (parts, tokens, cells)."""
    count, length = batch.shape
    ids = (batch.T if steps_first else batch).to(device_of(model))
    recording = record(model, ids, only=layer)
    value = recording[layer].detach()
    if value.ndim == 2 and count == 1:
        value = value[None]
    if value.ndim != 3 or {count, length} - set(value.shape[:2]):
        raise ValueError(f"layer must have a value for each token, got {layer!r} of shape {tuple(value.shape)}")
    axis = steps_first if count == length else value.shape[0] == length
    return (value.transpose(0, 1) if axis else value).float().cpu().numpy()


def _joined(
    found: Contexts | None, layer: str, windows: list[np.ndarray], start: int, read: int, length: int
) -> Contexts:
    high, high_places, low, low_places = windows
    new = {
        "highest": high.astype(np.float32),
        "high_places": (high_places + start).astype(np.int32),
        "lowest": low.astype(np.float32),
        "low_places": (low_places + start).astype(np.int32),
    }
    if found is not None:
        new = {name: np.concatenate([getattr(found, name), rows]) for name, rows in new.items()}
    return Contexts(layer=layer, read=read, length=length, **new)
