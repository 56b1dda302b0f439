"""Outputs that are read in another way for each input: its boxes, its reconstruction, its neighbours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from torch import Tensor

from .meaning import ScoreMeaning

Labels = Sequence[str] | Mapping[int, str] | None


class Reading(NamedTuple):
    """How the scores of one input are read, and what they are called; None for the names that the lens was given."""

    meaning: ScoreMeaning
    names: tuple[str, ...] | None


class PerInput(ABC):
    """An `output` of `Lens` that looks at each new input first, and only then knows what the scores are."""

    @abstractmethod
    def for_input(self, output: Any, x: Tensor, labels: Labels) -> Reading:
        """How the scores are read, given what the model returned for `x`, unchanged.

        Raises ValueError where nothing can be read.
        """

    def __call__(self, output: Any) -> NoReturn:
        """Raise: without an input nothing can be read."""
        raise ValueError(
            f"output must be the same for all inputs here, got {type(self).__name__}, which looks at each input first: "
            "only views of one input can use it"
        )
