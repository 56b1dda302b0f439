"""The types of all payloads that are sent to the browser, declared once.

The render functions and the views return these types, and `js/contract.py` writes them to `js/src/model/traits.ts`, so
that Python and TypeScript cannot differ. `bytes` arrive there as a `DataView`; their comments give the numbers in them.
"""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from nnlens.scores.meaning import Task

Numbers = list[float | None]  # null: NaN or infinite, which JSON cannot hold
Position = tuple[int, int]  # row and column
TokenGrid = tuple[int, int] | Literal["strip"]


class OfUnit(TypedDict):
    """A payload about one unit, which it names."""

    layer: str
    unit: int


class Failed(OfUnit):
    """Sent instead of a unit's payload that could not be computed."""

    error: str


# The image, its classes and what their scores mean.


class Trace(TypedDict):
    """A signal as it is drawn; see `inputs.trace`."""

    channels: int
    columns: int
    low: bytes  # float32, channels × columns
    high: bytes  # float32
    range: tuple[float, float]
    bars: bool


class Photo(TypedDict):
    """The image as it is shown, and how it was converted; or another input that is laid out as an image."""

    data: bytes  # a picture file
    width: int  # columns and rows of the input
    height: int
    kind: Literal["image", "signal", "vector", "volume", "video"]
    shown: NotRequired[list[int]]  # width and height of the picture, of a signal or a vector
    trace: NotRequired[Trace]
    rate: NotRequired[float]  # samples in a second
    row_scale: NotRequired[tuple[float, float, str]]  # what the rows stand for: the first and the last value, the unit
    column_scale: NotRequired[tuple[float, float, str]]
    channel_names: NotRequired[list[str]]  # or those of the numbers of a vector
    name: str
    path: str | None
    shown_as: str
    notes: list[str]


class RowPhoto(TypedDict):
    """The small picture of a row of attributions."""

    data: bytes
    width: int
    height: int
    shown: NotRequired[list[int]]


class Scores(TypedDict):
    """The scores of some classes, as probabilities and as logits."""

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
    """How the scores are read, in words and as the choices of the controls."""

    task: Task
    averaged: bool
    tasks: list[Task]
    logits: bool
    noun: str
    unit: str
    words: str
    why: str


class UnreadMeaning(TypedDict):
    """Sent for a model whose output is not read as scores."""

    problem: str


class ReadAs(TypedDict):
    """The user's choice of how the scores are read; a missing key keeps the present choice."""

    task: NotRequired[Task | None]
    logits: NotRequired[bool | None]


class Restored(TypedDict):
    """An earlier state of a view."""

    state: str
    image: int  # its number among the images that were opened in the view
    mask: bytes | None
    reading: ReadAs | None  # how the scores were read


class Upload(TypedDict):
    """An image that the user opened, took or drew."""

    name: str
    data: bytes
    drawn: NotRequired[bool]


class ErrorPayload(TypedDict):
    """An error, shown above the view."""

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
    not_run: NotRequired[bool]


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
    """The map of one unit, reduced by `step`."""

    rows: int
    columns: int
    step: int
    data: bytes  # float32, rows × columns


class ShownUnitMap(UnitMap):
    """The map of the selected unit."""

    class_name: str  # of a unit that is the score of a class; else empty


class Texture(TypedDict):
    """Planes of signed numbers in 8 bits: 127 stands for `largest`."""

    planes: int
    colours: bool
    rows: int
    columns: int
    step: int  # each number is the largest of step × step
    largest: float
    data: bytes  # int8, planes × rows × columns


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
    """Where the occluder is, and what it looks like."""

    position: Position
    size: int
    fill: str
    shape: str


class OccludedScores(Occluder, ScoresWithTop):
    """The scores with the occluder where it is, and how long the pass took."""

    ms: float


class SizeCurve(Occluder, ScoresOfSeveral):
    """The scores at the occluder's position under other sizes."""

    sizes: list[int]


class MaskedScores(ScoresWithTop):
    """The scores under a painted mask."""

    mark: list[int]  # how many pixels are hidden, and the sum of their places
    fill: str
