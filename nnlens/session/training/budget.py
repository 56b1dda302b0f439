"""The time that watching a training takes, held below a share of the training's own."""

from __future__ import annotations

import time
from collections.abc import Callable

_FREE = 0.15  # seconds for each kind of work in any case: of a training of seconds there would be little to see
_PAUSE = 10.0  # times the usual step: what takes longer is a pause of the training


class Budget:
    """Counts the seconds of the training and of watching it.

    Attributes
    ----------
    share : float
        The share of the training's time that watching may take.
    trained, spent : float
        Seconds between the steps, without pauses, and in watching.
    """

    def __init__(self, share: float):
        self.share = share
        self.trained = 0.0
        self.spent = 0.0
        self._steps = 0
        self._left: float | None = None  # when the latest step was told
        self._spent_on: dict[str, float] = {}  # seconds by the kind of work
        self._latest: dict[str, float] = {}  # seconds that each kind of work took when it was done last

    def begin_step(self) -> None:
        """A step of the training is over."""
        now = time.perf_counter()
        if self._left is not None:
            usual = self.trained / self._steps if self._steps else float("inf")
            self.trained += min(now - self._left, _PAUSE * usual)
            self._steps += 1
        self._began = now

    def end_step(self) -> None:
        """The next step of the training begins."""
        self._left = time.perf_counter()
        self.spent += self._left - self._began

    def allows(self, what: str, other: float) -> bool:
        """Whether there is time for a kind of work; `other` are seconds spent elsewhere."""
        now = time.perf_counter() - self._began
        following = self._latest.get(what, 0.0)
        if self._spent_on.get(what, 0.0) + following <= _FREE:
            return True
        return self.spent + now + other + following <= self.share * self.trained

    def timed(self, what: str, act: Callable[[], None]) -> None:
        """Do the work, and note how long it takes."""
        begin = time.perf_counter()
        try:
            act()
        finally:
            self._latest[what] = time.perf_counter() - begin
            self._spent_on[what] = self._spent_on.get(what, 0.0) + self._latest[what]
