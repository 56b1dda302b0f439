"""The payloads of the unit card and of the examples; see `payloads`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from .payloads import OfUnit, Position, Texture


class ReceptiveFields(OfUnit):
    """The first and the last pixel that each row and each column of a layer's maps sees; none where unknown."""

    rows: NotRequired[list[list[int]]]
    columns: NotRequired[list[list[int]]]


class Origin(TypedDict):
    """The unit that is kept while units of earlier layers are selected."""

    layer: str
    unit: int


class ProjectedTexture(Texture):
    """A back-projection, with the value that was projected back and its place on the unit's map."""

    value: float
    position: Position | None
    words: str


class BackProjectionPayload(OfUnit, ProjectedTexture):
    """What the selected unit's activation depends on, in the input or in a unit's layer."""

    rule: str
    start: Literal["maximum", "map", "position"]
    at: str | None
    leaning: NotRequired[list[tuple[int, float]]]


class UnitValue(TypedDict):
    """A unit and a number: its contribution, or what it would lose."""

    layer: str
    unit: int
    value: float


class Kernels(TypedDict):
    """The convolution's kernels of the largest inputs."""

    units: int
    rows: int
    columns: int
    read: int
    of: int
    largest: float
    data: bytes  # int8, units × rows × columns


class ConnectionsPayload(OfUnit):
    """The inputs and outputs of the selected unit."""

    position: Position
    operation: str
    label: str
    total: float
    before_activation: bool
    rest: float
    linear: bool
    inputs: list[UnitValue]
    others: float
    more: int
    outputs: list[UnitValue]
    kernels: Kernels | None
    words: str


class AblationPayload(OfUnit):
    """The scores with and without the selected unit, on this image."""

    replacement: str
    classes: list[int]
    clean: list[float]
    probability: list[float]
    top_class_changed: bool


class DatasetAblation(OfUnit):
    """The effect of ablating the selected unit, over a data set, so far."""

    replacement: str
    total: int
    running: bool
    done: int
    seen: int
    top_class_changes: int
    classes: list[tuple[int, float]]
    error: NotRequired[str]


class ExamplePictures(TypedDict):
    """The pictures of one example: the image, its receptive field and a back-projection."""

    name: str
    label: str
    box: list[int]  # top, left, bottom, right
    width: int
    whole: bytes  # a picture file
    field: NotRequired[bytes]  # of a signal: the stretch of it that the unit sees, instead of a part of the whole
    back: bytes | None
    why: NotRequired[str]


class ExampleItem(ExamplePictures):
    """One example of the selected unit."""

    item: int
    value: float
    rank: float
    position: Position


class ExamplesPayload(OfUnit):
    """The examples of the selected unit, and how its maxima are distributed."""

    kind: str
    items: list[ExampleItem]
    quantiles: list[float]
    mean: float
    zeros: float
    active: float
    seen: int


class NoExamples(OfUnit):
    """The layer was not searched: these were."""

    searched: str


class SearchProgress(TypedDict):
    """How far the search of a data set is."""

    number: int
    done: int
    total: int
    remaining: float | None
    running: bool
    skipped: list[tuple[int, str]]
    layers: list[str]
    error: str


class SynthesisFrame(TypedDict):
    """One step of a synthesis."""

    pictures: list[bytes]  # picture files
    values: list[float]
    peaks: list[float]
    objective: str
    recipe: str
    negative: bool
    seed: int
    step: int
    steps: int


class SynthesisPayload(OfUnit):
    """The synthesis of the selected unit or class, so far."""

    goal: str
    target: int
    running: bool
    frame: SynthesisFrame | None
    error: NotRequired[str]
