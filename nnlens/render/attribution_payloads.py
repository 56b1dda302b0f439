"""The payloads of attributions and their evidence; see `payloads`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from nnlens.kernels.attribution.registry import MethodName

from .payloads import Numbers, RowPhoto, ScoresWithTop, Texture


class SurrogatePayload(TypedDict):
    """The linear model of LIME or KernelSHAP: a coefficient and its interval for each superpixel."""

    coefficients: list[float]
    low: list[float]
    high: list[float]
    r2: float | None
    samples: int


class AttributionPayload(Texture):
    """See `render.attribution_texture`."""

    contribution: bool
    method: str
    target: int
    score: str
    layer: str
    done: float
    forwards: int
    backwards: int
    zero: bool
    words: str
    surrogate: SurrogatePayload | None


class NoMap(TypedDict):
    """Sent instead of a map that could not be computed."""

    error: str


class CurvePayload(TypedDict):
    """A deletion or insertion curve, the range of the random orders, and the curve of the edges' order."""

    own: list[float]
    low: list[float]
    high: list[float]
    edges: list[float]
    area: float
    chance: float
    edges_area: float


class Curves(TypedDict):
    """The curves of the faithfulness check, at shares of the image deleted or inserted."""

    shares: list[float]
    block: int
    steps: int
    orders: int
    deletion: CurvePayload
    insertion: CurvePayload


class Randomised(TypedDict):
    """The similarity of the map after layers were randomised."""

    layers: list[str]
    cascading: list[Numbers]
    independent: list[Numbers]


class EvidencePayload(TypedDict):
    """What the checks of one map found; the checks not done, with their cost; those that failed."""

    findings: list[tuple[str, Literal["good", "doubtful", "bad", "plain"], str]]
    curves: Curves | None
    weights: Randomised | None
    skipped: dict[str, int]
    failed: dict[str, str]


class Row(TypedDict):
    """One row of the grid: an image and a class."""

    image: str
    target: int
    label: str
    probability: float
    logit: float
    photo: NotRequired[RowPhoto]


class MethodPayload(TypedDict):
    """A method: its title, its forward passes, and whether it needs gradients."""

    name: MethodName
    title: str
    passes: int
    gradient: bool


class SuperpixelsPayload(TypedDict):
    """The superpixels: the label of each place."""

    rows: int
    columns: int
    count: int
    data: bytes  # uint16, rows × columns
    words: str


class SwitchedScores(ScoresWithTop):
    """The scores with some superpixels switched off."""

    off: list[int]
    row: int


class CheckRequest(TypedDict):
    """A check that the user asked for."""

    method: str
    row: int
    check: str
    at: NotRequired[int]


class JobProgress(TypedDict):
    """What is being computed, and how far it is."""

    what: str
    row: int
    done: float
    total: float
    remaining: float | None


class Agreement(TypedDict):
    """Rank correlations between the maps of the methods."""

    methods: list[MethodName]
    values: list[Numbers]
