"""What an experiment is: some settings, and charts that fill up while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor, nn

from nnlens import zoo
from nnlens.render.plots import PlotPayload

Value = float | str
Values = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A number or a choice that the user may change.

    Attributes
    ----------
    values : tuple
        Those that the slider has, ascending; or words.
    value : float or str
        The usual one.
    words : tuple of str
        What the values are called, where they are words.
    """

    name: str
    label: str
    values: tuple[Value, ...]
    value: Value
    words: tuple[str, ...] = ()

    def checked(self, value: Any) -> Value:
        """A value that fits; ValueError for another one."""
        if isinstance(self.value, str):
            if value not in self.values:
                raise ValueError(f"{self.name} must be one of {', '.join(map(str, self.values))}, got {value!r}")
            return str(value)
        low, high = self.values[0], self.values[-1]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:  # type: ignore[operator]
            raise ValueError(f"{self.name} must be a number {low}…{high}, got {value!r}")
        whole = all(isinstance(item, int) for item in self.values)
        if whole and value != int(value):
            raise ValueError(f"{self.name} must be a whole number, got {value!r}")
        return int(value) if whole else value


class Outcome(NamedTuple):
    """How far an experiment has come: its charts, what came out in words, and the share that is done."""

    plots: Sequence[PlotPayload]
    words: str
    share: float


class Experiment(Protocol):
    """A theory with the experiment that tests it."""

    name: ClassVar[str]

    def title(self) -> str:
        """The theory's name."""

    def about(self) -> str:
        """What the theory says, in one or two sentences, with its source."""

    def check(self) -> str:
        """What would refute it, or where it does not hold."""

    def settings(self) -> list[Setting]:
        """What can be changed."""

    def steps(self, values: Values, model: nn.Module) -> Iterator[Outcome]:
        """Run it: the last outcome has the share 1."""


def centred_digits(count: int, side: int) -> tuple[Tensor, Tensor]:
    """Digits as rows around 0 (count, side²), and their classes (count,)."""
    rows, classes = zoo.digit_vectors(count, side)
    return (rows - rows.mean(0)) / rows.std(), classes
