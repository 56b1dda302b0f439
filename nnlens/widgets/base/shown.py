"""The images that a view has shown, by number, so that undo returns to them."""

from __future__ import annotations

import numpy as np

from nnlens.inputs import Input
from nnlens.scores.meaning import Position
from nnlens.session.sample import Sample


class ShownImages:
    """Images, each with the place where its target is read in a map of scores."""

    def __init__(self) -> None:
        self._shown: list[tuple[Input, Position]] = []

    def number_of(self, sample: Sample) -> int:
        """The number of a sample's image, which is a new one where it was not shown before."""
        position = None if sample.meaning is None else sample.meaning.position
        for number, (image, where) in enumerate(self._shown):
            same = where is position if where is None or position is None else np.array_equal(where, position)
            if image is sample.input and same:
                return number
        self._shown.append((sample.input, position))
        return len(self._shown) - 1

    def __getitem__(self, number: int) -> tuple[Input, Position]:
        return self._shown[number]
