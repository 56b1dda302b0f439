"""Traits that are synchronised with the browser, with their types in TypeScript."""

from __future__ import annotations

from typing import Any

import traitlets as t

from nnlens.render import payloads
from nnlens.session.selection import Selection

from .state import StateTrait


def synced(
    trait: t.TraitType[Any, Any], type_: Any = None, *, echo: bool = True, state: bool | str = False, **metadata: Any
) -> Any:
    """A trait that is synchronised with the browser.

    Parameters
    ----------
    type_ : optional
        The type of its value, for the contract with TypeScript (`js/contract.py`); not needed for numbers, strings
        and enumerations.
    echo : bool
        Whether the kernel sends the browser's own change back to it. Not for large bytes.
    state : bool or str
        Whether it belongs to the state of a view (see `state.py`), or the trait without which it does not. With
        `always=True` it is written even where it has its default, which then means nothing.
    """
    if not echo:
        metadata["echo_update"] = False
    return trait.tag(sync=True, type=type_, state=state, **metadata)


def payload(type_: Any, help: str, **metadata: Any) -> Any:
    """A payload that is made in the kernel; None until it has been made."""
    return synced(t.Dict(default_value=None, allow_none=True, help=help), type_ | None, **metadata)


def counter(help: str) -> Any:
    """A counter of the browser's requests: each one increments it."""
    return synced(t.Int(0, help=help), request=True)


class SelectionTraits(t.HasTraits):
    """Traits whose validation looks at the selection of the view that has them."""

    @property
    def selection(self) -> Selection:
        raise NotImplementedError


class ViewTraits(SelectionTraits):
    """The traits of every view. The first six are those of its selection: set `selection`, or these."""

    target = synced(t.Int(0, help="class index"), state=True, always=True)
    layer = synced(t.Unicode("", help="name of an operation"), state=True, always=True)
    unit = synced(t.Int(0, help="channel of the layer"), state=True, always=True)
    position = synced(
        t.List(t.Int(), default_value=None, allow_none=True, help="[row, column] on the unit's map"),
        payloads.Position | None,
        state=True,
    )
    grid = synced(
        t.Any(None, allow_none=True, help='how tokens are shown: [rows, columns], "strip", or null to detect it'),
        payloads.TokenGrid | None,
        state=True,
    )
    scale = synced(t.Enum(("unit", "layer", "locked"), "layer", help="which values set the colour range"), state=True)
    limits = synced(
        t.List(t.Float(), default_value=None, allow_none=True, help="the range that the colours are locked to"),
        tuple[float, float] | None,
        state=True,
    )

    label_threshold = synced(
        t.Float(0.5, min=0, max=1, help="of several labels at once: the probability from which one counts as there"),
        state=True,
    )

    @t.validate("label_threshold")
    def _check_threshold(self, proposal: Any) -> float:
        if not proposal["value"] >= 0:  # NaN is within all bounds
            raise ValueError(f"label_threshold must be between 0 and 1, got {proposal['value']}")
        return float(proposal["value"])

    engine = synced(t.Unicode("torch", help="what runs whole passes"))
    labels = synced(
        t.List(t.Unicode(), help="the names of the classes; empty where there are too many to send"), list[str]
    )
    shown_labels = synced(t.Dict(help="then the names of the classes that are shown, by index"), dict[str, str])
    photo = synced(t.Dict(help="the picture and how it is shown"), payloads.Photo)
    scores = synced(t.Dict(help="the classes that the bars show, with their clean scores"), payloads.Scores)
    meaning = synced(t.Dict(help="what the scores mean"), payloads.Meaning | payloads.UnreadMeaning)
    read_as = payload(payloads.ReadAs, "a request to read the scores in another way")
    state_traits = synced(t.List(help="the traits that belong to the state"), list[StateTrait])
    image_number = synced(t.Int(0, help="which of the images opened in this view is shown, in the order of opening"))
    restore = payload(payloads.Restored, "a request to show an earlier state", echo=False)
    language = synced(t.Unicode("", help="of the texts; empty where the page around the view decides"))
    texts = synced(t.Dict(help="the browser's texts in that language, by the English"), dict[str, str | list[str]])
    lens_id = synced(t.Unicode("", help="of the lens whose views share a history of changes"))
    hide = synced(t.List(t.Unicode(), help="panes and controls that are left out"), list[str])
    stale = synced(t.Bool(False, help="whether the model has changed since this was computed"))
    refresh = counter("a request to compute the view again for the model as it is now")
    upload = payload(payloads.Upload, "a picture from the browser", echo=False)  # its bytes need not travel back
    cancel = counter("a request to stop a long computation")
    busy = synced(t.Unicode("", help="what is being computed; empty when nothing is"))
    error = payload(payloads.ErrorPayload, "what went wrong")
    note = synced(t.Unicode("", help="what a reader of a saved page should know"))
    color_tables = synced(t.Dict(help="768 bytes each"), dict[str, bytes])
