"""What travels to the browser: the shapes of all payloads, declared once.

The render functions and the views return these types, and `js/contract.py` writes them to `js/src/model/traits.ts`, so
that Python and TypeScript cannot differ. `bytes` arrive there as a `DataView`; their comments give the numbers in them.
"""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from nnlens.scores.meaning import Task

Numbers = list[float | None]  # null: NaN or infinite, which JSON cannot hold
Place = tuple[int, int]  # row and column
TokenGrid = tuple[int, int] | Literal["strip"]


class OfUnit(TypedDict):
    """A payload about one unit: which."""

    layer: str
    unit: int


class Failed(OfUnit):
    """What stands in the place of a unit's payload that could not be computed."""

    error: str


# The image, its classes and what their scores mean.


class Photo(TypedDict):
    data: bytes  # a picture file
    width: int
    height: int
    name: str
    path: str | None
    shown_as: str
    notes: list[str]


class RowPhoto(TypedDict):
    data: bytes
    width: int
    height: int


class Scores(TypedDict):
    classes: list[int]
    probability: Numbers
    logit: Numbers


class ScoresWithTop(Scores):
    """Scores of one changed image, and the best class among all."""

    top: int
    top_probability: float | None


class ScoresOfSeveral(TypedDict):
    """The same of several changed images: for each class a list over the images."""

    classes: list[int]
    probability: list[Numbers]
    logit: list[Numbers]
    top: list[int]
    top_probability: Numbers


class Meaning(TypedDict):
    task: Task
    averaged: bool
    tasks: list[Task]
    logits: bool
    noun: str
    unit: str
    words: str
    why: str


class UnreadMeaning(TypedDict):
    """Of a model whose output is not read as scores."""

    problem: str


class ReadAs(TypedDict):
    task: NotRequired[Task | None]
    logits: NotRequired[bool | None]


class Upload(TypedDict):
    name: str
    data: bytes
    drawn: NotRequired[bool]


class ErrorPayload(TypedDict):
    message: str
    traceback: str


# Layers and units.


class LayerEntry(TypedDict):
    """An operation of the pass; or a module that did not run, which has a name only."""

    name: str
    label: NotRequired[str]
    kind: NotRequired[str]
    module: NotRequired[str]
    shape: NotRequired[list[int]]
    silent: NotRequired[bool]


class Mosaic(TypedDict):
    """All units of a layer as 8-bit tiles; see `render.mosaic_texture`."""

    layer: str
    label: str
    kind: str
    shape: list[int]
    layout: str
    tokens: int | None
    grid: list[int] | None
    units: int
    height: int
    width: int
    step: int
    rows: int
    columns: int
    low: bytes  # float32, one for each unit
    high: bytes  # float32
    mean: bytes  # float32
    zeros: bytes  # float32
    peak: bytes  # int32, row and column of each unit
    sparsity: float
    not_finite: int
    data: bytes  # uint8, units × rows × columns


class UnitMap(OfUnit):
    rows: int
    columns: int
    step: int
    data: bytes  # float32, rows × columns


class ShownUnitMap(UnitMap):
    class_name: str  # of a unit that is the score of a class; else empty


class ReceptiveFields(OfUnit):
    """The first and the last pixel that each row and each column of a layer's maps sees; none where unknown."""

    rows: NotRequired[list[list[int]]]
    columns: NotRequired[list[list[int]]]


class Origin(TypedDict):
    layer: str
    unit: int


class Texture(TypedDict):
    """Planes of signed numbers in 8 bits: 127 stands for `largest`."""

    planes: int
    colours: bool
    rows: int
    columns: int
    largest: float
    data: bytes  # int8, planes × rows × columns


class ProjectedTexture(Texture):
    value: float
    words: str


class BackProjectionPayload(OfUnit, ProjectedTexture):
    rule: str
    start: Literal["maximum", "map", "position"]
    at: str | None
    leaning: NotRequired[list[tuple[int, float]]]


class UnitValue(TypedDict):
    layer: str
    unit: int
    value: float


class Kernels(TypedDict):
    units: int
    rows: int
    columns: int
    read: int
    of: int
    largest: float
    data: bytes  # int8, units × rows × columns


class ConnectionsPayload(OfUnit):
    place: Place
    operation: str
    label: str
    total: float
    bent: bool
    rest: float
    linear: bool
    feeds: list[UnitValue]
    others: float
    more: int
    uses: list[UnitValue]
    kernels: Kernels | None
    words: str


class AblationPayload(OfUnit):
    replacement: str
    classes: list[int]
    clean: list[float]
    probability: list[float]
    turned: bool


class DatasetAblation(OfUnit):
    replacement: str
    total: int
    running: bool
    done: int
    seen: int
    turned: int
    classes: list[tuple[int, float]]
    error: NotRequired[str]


class ExamplePictures(TypedDict):
    name: str
    label: str
    box: list[int]  # top, left, bottom, right
    width: int
    whole: bytes  # a picture file
    back: bytes | None
    why: NotRequired[str]


class ExampleItem(ExamplePictures):
    item: int
    value: float
    rank: float
    place: Place


class ExamplesPayload(OfUnit):
    kind: str
    items: list[ExampleItem]
    quantiles: list[float]
    mean: float
    zeros: float
    fires: float
    seen: int


class NoExamples(OfUnit):
    """The layer was not searched: these were."""

    searched: str


class SearchProgress(TypedDict):
    number: int
    done: int
    total: int
    remaining: float | None
    running: bool
    skipped: list[tuple[int, str]]
    layers: list[str]
    error: str


class SynthesisFrame(TypedDict):
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
    goal: str
    target: int
    running: bool
    frame: SynthesisFrame | None
    error: NotRequired[str]


# Occlusion.


class OcclusionMapPayload(TypedDict):
    """See `render.occlusion_texture`."""

    size: list[int]
    stride: list[int]
    image: list[int]
    fill: str
    shape: str
    how: str
    tops: list[int]
    lefts: list[int]
    targets: list[int]
    floor_probability: list[float]
    floor_logit: list[float]
    clean_probability: list[float]
    clean_logit: list[float]
    probability: bytes  # float32, targets × tops × lefts
    logit: bytes  # float32
    top: bytes  # int32, tops × lefts
    top_probability: bytes  # float32
    done: int


class Occluder(TypedDict):
    place: Place
    size: int
    fill: str
    shape: str


class OccludedScores(Occluder, ScoresWithTop):
    ms: float


class SizeCurve(Occluder, ScoresOfSeveral):
    sizes: list[int]


class MaskedScores(ScoresWithTop):
    mark: list[int]  # how many pixels are hidden, and the sum of their places
    fill: str
