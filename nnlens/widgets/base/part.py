"""A part of a view: some traits, what is computed for them, and what a saved page keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from nnlens.export.bundle import Response
from nnlens.render import Panel
from nnlens.session.sample import Sample
from nnlens.session.selection import Selection
from nnlens.session.session import Session
from nnlens.session.work.worker import Job, Steps

PartType = TypeVar("PartType", bound="Part")


class Owner(Protocol):
    """What a part uses of the view that owns it."""

    busy: Any
    error: Any
    note: Any
    card_is_open: bool

    @property
    def session(self) -> Session: ...

    @property
    def selection(self) -> Selection: ...

    @property
    def parts(self) -> Sequence[Part]: ...

    @property
    def is_static(self) -> bool: ...

    def part(self, part_type: type[PartType], /) -> PartType: ...

    def is_outdated(self, name: str, made_of: Any, /) -> bool: ...

    def shown_classes(self) -> list[int]: ...

    def follow(self, change: Any = None) -> None: ...

    def update(self, *, full: bool = False) -> bool: ...

    def wait(self, timeout: float | None = None) -> bool: ...

    def submit(self, lane: str, job: Job, /) -> None: ...

    def cancel_job(self, lane: str, then: Callable[[], None] | None = None, /) -> None: ...

    def reported(self, what: str, steps: Steps, /) -> Steps: ...

    def show_error(self, error: BaseException, /) -> None: ...

    def observe(self, handler: Callable[[Any], None], names: Any) -> None: ...

    def hold_sync(self) -> AbstractContextManager[Any]: ...

    def hold_trait_notifications(self) -> AbstractContextManager[Any]: ...


class Part:
    """One concern of a view. A view owns its parts, and calls each of them at the same points of its life cycle.

    The traits of a part are declared in a class of their own, which the view's class inherits; `traits` is the view
    seen as an instance of that class. A part sets them, and observes those that the browser sets.
    """

    def __init__(self, view: Owner):
        self.view = view
        self.traits: Any = view

    # What a part works with.

    @property
    def session(self) -> Session:
        return self.view.session

    @property
    def selection(self) -> Selection:
        return self.view.selection

    @property
    def sample(self) -> Sample:
        result: Sample = self.view.selection.sample
        return result

    # What a part may do, in this order.

    def prepare(self, options: Mapping[str, Any]) -> None:
        """Take the user's options into the traits, before the browser sees any; raise for what does not fit."""

    def start(self) -> None:
        """Observe traits, and begin what takes longer."""

    def updates(self) -> dict[str, Any]:
        """The traits that are made from the selection and are not up to date; see `View.is_outdated`."""
        return {}

    def new_image(self) -> dict[str, Any]:
        """Traits to reset for another image, or for the same one after a change of the model."""
        return {}

    def followed(self, change: Any) -> None:
        """The selection has changed, and the payloads have been sent."""

    def model_changed(self) -> None:
        """The image was recorded again: what was computed before is of another model."""

    def describe(self) -> str:
        """What a reader of a text alternative should know; may be empty."""
        return ""

    def panels(self) -> list[Panel]:
        """Its panels in the view's picture."""
        return []

    def complete(self) -> None:
        """Compute now what a saved page needs."""

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """The responses of a page without a kernel, within `budget` bytes; see `View.bake`."""
        return []

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        """Traits that a saved page starts from with other values than they have now, given all values."""
        return {}

    def smaller(self, name: str, value: Any) -> Any:
        """A smaller version of a trait's value, for a page that has no room for it; None if there is none."""
        return None

    def contents(self, name: str) -> str:
        """What a trait that `smaller` reduces holds, in words."""
        return name

    def close(self) -> None:
        """Stop observing what lies outside the view."""

    def observe(self, names: str | list[str], react: Callable[[Any], None]) -> None:
        """Call `react` when one of the view's traits changes."""
        self.view.observe(react, names)
