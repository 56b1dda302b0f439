"""The inputs of a model that takes several, a volume or numbers: which one is varied, and the values of the others."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import traitlets as t
from torch import Tensor
from typing_extensions import NotRequired, TypedDict

from nnlens.inputs import Input
from nnlens.inputs.as_image import Kind
from nnlens.inputs.laid_out import shown_tensor
from nnlens.render import encoded
from nnlens.session.varying.changes import held_number, other_slices, other_varied
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced

_NUMBERS = 64  # of a vector, that can be changed in the view


class InputPayload(TypedDict):
    """One of a model's inputs."""

    name: str
    kind: Kind | None  # None for what is not floating-point: it cannot be varied
    shape: list[int]
    varied: bool
    picture: NotRequired[bytes]  # a picture file
    numbers: NotRequired[list[float]]  # of a vector
    number_names: NotRequired[list[str]]


class Slices(TypedDict):
    """Which slices of a volume are shown, and can be varied."""

    along: str
    axes: list[str]
    first: int
    count: int
    total: int


class HeldNumber(TypedDict):
    """A request to change a number of a vector."""

    input: int  # its place among the inputs
    place: int
    value: float


class AskedSlices(TypedDict):
    """A request to show other slices; what is left out stays, or is the middle of another axis."""

    along: NotRequired[str]
    first: NotRequired[int]
    count: NotRequired[int]


class InputsTraits(t.HasTraits):
    """The traits of `InputsPart`."""

    inputs = synced(t.List(help="the model's inputs, where there is something to choose"), list[InputPayload])
    slices = payload(Slices, "which slices of a volume or frames of a video are shown")
    varied_input = synced(t.Int(0, help="which of the inputs is varied, the others are held"))
    held_number = payload(HeldNumber, "a request to change a number of an input", echo=False)
    asked_slices = payload(AskedSlices, "a request to show other slices", echo=False)


class InputsPart(Part):
    """Shows all inputs; makes another sample of them where one is chosen or changed."""

    traits: InputsTraits

    def start(self) -> None:
        self.observe("varied_input", self._vary)
        self.observe("held_number", self._set)
        self.observe("asked_slices", self._slice)

    def updates(self) -> dict[str, Any]:
        value: Input = self.sample.input
        if not self.view.is_outdated("inputs", value):
            return {}
        around = value.around
        if around is None:
            return {"inputs": [], "slices": None, "varied_input": 0}
        layout, shape = around.as_image, tuple(around.value.shape)
        inputs = [self._payload(value, path, name) for path, name in around.names.items()]
        chooses = len(inputs) > 1 or "numbers" in inputs[0]
        made: dict[str, Any] = {
            "inputs": inputs if chooses else [],
            "varied_input": list(around.names).index(around.path),
            "slices": None,
        }
        if layout.along:
            slices: Slices = {
                "along": layout.along,
                "axes": list(layout.slicing),
                "first": layout.first,
                "count": layout.count,
                "total": layout.slices(shape),
            }
            made["slices"] = slices
        return made

    def _payload(self, value: Input, path: Any, name: str) -> InputPayload:
        assert value.around is not None
        tensor: Tensor = value.around.get(path)
        is_varied = path == value.around.path
        layout = value.around.as_image if is_varied else value.around.layouts.get(path)
        made: InputPayload = {
            "name": name,
            "kind": None if layout is None else layout.kind,
            "shape": list(tensor.shape),
            "varied": is_varied,
        }
        if layout is not None and layout.kind == "vector" and tensor.numel() <= _NUMBERS:
            made["numbers"] = tensor.flatten().tolist()
            if names := self.session.setup.names_in(value, path):
                made["number_names"] = names
        elif layout is not None:
            made["picture"] = encoded(shown_tensor(tensor, layout), exact=64)
        return made

    # What the user asks for.

    def _make(self, what: str, make: Callable[[Input], Input]) -> None:
        def steps() -> Generator[None, None, None]:
            try:
                made = make(self.sample.input)
                if made is not self.sample.input:
                    self.selection.show(self.session.samples.of(made))
            finally:
                self.traits.held_number = self.traits.asked_slices = None
            yield

        self.view.submit("image", lambda: self.view.reported(what, steps()))

    def _vary(self, change: Any) -> None:
        value: Input = self.sample.input
        if value.around is None or list(value.around.names).index(value.around.path) == self.traits.varied_input:
            return
        names = list(value.around.names.values())
        place = self.traits.varied_input
        if not 0 <= place < len(names):
            self.view.show_error(ValueError(f"varied_input must be 0…{len(names) - 1}, got {place}"))
            return
        self._make(_("another input is varied"), lambda value: other_varied(self.session.setup, value, names[place]))

    def _set(self, change: Any) -> None:
        asked = self.traits.held_number
        if asked:
            self._make(
                _("a number was changed"),
                lambda value: held_number(self.session.setup, value, asked["input"], asked["place"], asked["value"]),
            )

    def _slice(self, change: Any) -> None:
        asked = self.traits.asked_slices
        if asked:
            self._make(_("other slices"), lambda value: other_slices(self.session.setup, value, **asked))

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"held_number": None, "asked_slices": None}

    def describe(self) -> str:
        value: Input = self.sample.input
        if value.around is None or len(value.around.names) < 2:
            return ""
        name = value.around.names[value.around.path]
        return _("Varied is {name}, of {count} inputs.", name=name, count=len(value.around.names))
