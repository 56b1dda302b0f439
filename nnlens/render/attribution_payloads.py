"""The payloads of attributions and their evidence; see `payloads`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from nnlens.kernels.attribution.registry import MethodName

from .payloads import Numbers, RowPhoto, ScoresWithTop, Texture


class SurrogatePayload(TypedDict):
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
    error: str


class CurvePayload(TypedDict):
    own: list[float]
    low: list[float]
    high: list[float]
    edges: list[float]
    area: float
    chance: float
    edges_area: float


class Curves(TypedDict):
    shares: list[float]
    block: int
    steps: int
    orders: int
    deletion: CurvePayload
    insertion: CurvePayload


class Randomised(TypedDict):
    layers: list[str]
    cascading: list[Numbers]
    independent: list[Numbers]


class EvidencePayload(TypedDict):
    findings: list[tuple[str, Literal["good", "doubtful", "bad", "plain"], str]]
    curves: Curves | None
    weights: Randomised | None
    skipped: dict[str, int]
    failed: dict[str, str]


class Row(TypedDict):
    image: str
    target: int
    label: str
    probability: float
    logit: float
    photo: NotRequired[RowPhoto]


class MethodPayload(TypedDict):
    name: MethodName
    title: str
    passes: int
    gradient: bool


class SuperpixelsPayload(TypedDict):
    rows: int
    columns: int
    count: int
    data: bytes  # uint16, rows × columns
    words: str


class SwitchedScores(ScoresWithTop):
    off: list[int]
    row: int


class CheckRequest(TypedDict):
    method: str
    row: int
    check: str
    at: NotRequired[int]


class JobProgress(TypedDict):
    what: str
    row: int
    done: float
    total: float
    remaining: float | None


class Agreement(TypedDict):
    methods: list[MethodName]
    values: list[Numbers]
