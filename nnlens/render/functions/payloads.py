"""The types of the payloads of views that show the network as a function."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from nnlens.render.payloads import RowPhoto, Texture


class RegionsPayload(TypedDict):
    """The linear pieces of a network in a plane, as polygons one after the other."""

    box: list[list[float]]  # [[left, right], [bottom, top]]
    corners: bytes  # float32 (all corners, 2)
    starts: bytes  # int32 (pieces + 1): where the corners of a piece begin
    edges: bytes  # int32 (all corners): the operation whose unit switches at the edge after it; -1 for the box
    weights: bytes  # float32 (pieces, outputs, 2)
    bias: bytes  # float32 (pieces, outputs)
    outputs: int
    operations: list[str]
    about: str


class SamplesPayload(TypedDict):
    """The class at the points of a grid, of a box with too many pieces."""

    box: list[list[float]]
    side: int
    classes: bytes  # int32 (side, side), the first row at the bottom
    leads: bytes  # float32 (side, side): by how much the largest score is above the second
    slopes: bytes  # float32 (side, side): how steep that lead is
    outputs: int


class PointsPayload(TypedDict):
    """The points of a data set in the plane, or the images that span it."""

    places: bytes  # float32 (points, 2)
    classes: bytes  # int32 (points); -1 for an image without a class
    names: list[str]  # of the images; empty for points
    axes: list[str]  # what goes to the right and upwards
    pictures: list[RowPhoto]  # of the images


class TrainingPayload(TypedDict):
    """How far the training of a copy has come."""

    step: int
    losses: list[float]  # at most 200 of them, evenly spread
    accuracy: float
    regions: list[int]  # how many pieces there were at the same steps
    running: bool
    per_second: float  # drawings


class TreePayload(TypedDict):
    """A part of an expression: a number, a name, or an operation on its parts."""

    op: str  # "number", "name", "+", "*", "^", or the name of a function
    value: NotRequired[float]
    name: NotRequired[str]
    parts: NotRequired[list[TreePayload]]


class DefinitionPayload(TypedDict):
    """One named sub-expression."""

    name: str
    tree: TreePayload


class FormulaLayerPayload(TypedDict):
    """The sub-expressions that one operation of the network gives."""

    operation: str
    definitions: list[DefinitionPayload]


class FormulaPayload(TypedDict):
    """A network as an expression, layer by layer."""

    inputs: list[str]
    outputs: list[str]
    layers: list[FormulaLayerPayload]
    size: int  # additions, products and functions
    start: list[float]  # the inputs at first
    difference: float  # the largest from the network
    points: int  # at so many
    about: str


class WholePayload(TypedDict):
    """The outputs as single expressions in the inputs."""

    expanded: list[DefinitionPayload]
    simplified: list[DefinitionPayload] | None


class FormulaCode(TypedDict):
    """The formula to copy, with as many digits as are shown."""

    latex: str
    python: str
    c: str
    digits: int


class LocalMapPayload(TypedDict):
    """The linear function of a score, or of a lead, at the input."""

    texture: Texture
    value: float
    bias: float
    length: float  # of the weights
    input_length: float
    exact: bool
    why: str  # it is not exact
    against: int | None  # the class whose score is taken off
    about: str


class ReachRow(TypedDict):
    """How far it is to the border of the piece along one direction."""

    name: str
    distance: float | None  # null where there is no border
    share: float | None  # of the input's length
    levels: float | None  # the largest change of a pixel, in grey levels of 255
    layer: str


class ValidityPayload(TypedDict):
    """The error of the local map at growing distances."""

    distances: list[float]
    errors: list[list[float]]  # of each direction, as a share of the change
    smallest: float  # stands for all that are smaller
    limit: float
    radius: float | None  # the median distance at which the error passes the limit
    about: str


class ReachPayload(TypedDict):
    """How far the local map holds."""

    rows: list[ReachRow]
    validity: ValidityPayload
    examined: int  # units whose distance was computed; 0 where the map is not exact
    certain: bool


class LinePayload(TypedDict):
    """The scores along the line from the input to another."""

    at: list[float]
    best: list[int]
    classes: list[int]
    scores: list[list[float]]
    pieces: int
    exact: bool
    about: str
    other: RowPhoto | None
    other_name: str


class GrowthRow(TypedDict):
    """By what factor relative changes of some directions have grown at each layer."""

    of: str  # "model", "initial" or "scaled"
    kind: str  # "random", "gradient" or "stretched"
    middle: list[float]
    low: list[float]
    high: list[float]


class GrowthPayload(TypedDict):
    """How small changes grow from layer to layer."""

    layers: list[str]
    rows: list[GrowthRow]
    depth: int  # operations with weights
    facts: list[str]


class StretchRow(TypedDict):
    """The stretch per layer of the directions that are stretched most."""

    of: str
    exponents: list[float | None]  # natural logarithms per layer; null for a direction that collapsed


class AdversarialPayload(TypedDict):
    """How far it is to another class, and the nearest image of another class that was found."""

    rows: list[ReachRow]
    image: RowPhoto | None
    difference: Texture | None
    before: int
    after: int
    about: str


class SurrogateRow(TypedDict):
    """How well one kind of model predicts the network."""

    kind: str
    scores: list[float]
    failure: float | None  # null where it does not fail


class SurrogatesPayload(TypedDict):
    """Other ways to predict the network near the image."""

    radii: list[float]
    rows: list[SurrogateRow]
    limit: float
    length: float  # of the input
    formula: str
    missing: list[str]  # packages that would bring further kinds


class FitProgress(TypedDict):
    """How far the fitting of simple models has come."""

    share: float


class ExponentsPayload(TypedDict):
    """The Lyapunov exponents of a recurrent layer along a text."""

    values: list[float | None]  # per token; null for a direction that collapsed
    errors: list[float | None]  # standard errors
    steps: int
    collapsed: int
    dimension: float
    about: str
