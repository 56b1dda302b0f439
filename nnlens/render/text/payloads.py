"""The types of the payloads of views that show a text."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from nnlens.render.payloads import OfUnit


class TextPayload(TypedDict):
    """A text and its tokens."""

    text: str
    tokens: int
    starts: bytes  # int32: where a token's characters begin, in UTF-16 units as JavaScript counts
    ends: bytes  # int32
    unknown: bytes  # int32: places of tokens that stand for what the tokenizer does not know
    names: dict[str, str]  # by place: of tokens that stand for no character, or for a part of one
    notes: list[str]


class Typed(TypedDict):
    """A text that was typed or pasted in the browser."""

    text: str


class TokenPredictions(TypedDict):
    """What the model predicts at each token."""

    words: list[str]  # different predictions
    index: bytes  # int32 (tokens, k): which of the words
    k: int
    probability: bytes  # float32 (tokens, k)
    own: bytes  # float32 (tokens): the probability of the token that the text has there; NaN where unknown
    next: bool
    about: str


class CellValues(TypedDict):
    """All cells of a layer over the tokens, as codes from each cell's lowest to its highest value."""

    layer: str
    label: str
    kind: str
    cells: int
    tokens: int
    step: int  # so many tokens are one column, which has their value of largest magnitude
    columns: int
    low: bytes  # float32 (cells)
    high: bytes
    data: bytes  # uint8 (cells, columns)


class CellTrace(OfUnit):
    """The values of one cell."""

    data: bytes  # float32 (tokens)
    words: str


class Gate(TypedDict):
    """How often each cell's gate is closed and open."""

    name: str
    layer: str
    closed: bytes  # float32 (cells): the share of the tokens at which it is below 0.1
    open: bytes  # float32 (cells): above 0.9


class RankedCell(OfUnit):
    """A cell with how well it follows a property."""

    chosen: float
    held_out: float
    sign: int
    beats_chance: bool


class CellsFound(TypedDict):
    """The cells that follow a property best."""

    wanted: str
    measure: Literal["AUC", "correlation"]
    rows: list[RankedCell]
    chance: float | None
    done: float  # the share of the layers that have been looked at
    words: str
    problem: str


class AttentionLayer(TypedDict):
    """A layer with attention, to choose from."""

    layer: str
    module: str
    heads: int
    queries: int
    keys: int
    cross: bool


class Pattern(TypedDict):
    """How much each head follows a known pattern."""

    name: str
    values: list[float]  # by head
    even: float  # what attention that is even over the keys would have


class AttentionWeights(TypedDict):
    """The weights of all heads of a layer: all of them, or the largest of each row."""

    layer: str
    module: str
    heads: int
    queries: int
    keys: int
    cross: bool
    causal: bool
    k: int  # numbers in a row: `keys`, or fewer where only the largest are here
    index: bytes | None  # uint16 (heads, queries, k): which keys; null where all are here
    data: bytes  # uint8 (heads, queries, k): 255 × the square root of the weight
    patterns: list[Pattern]
    entropy: list[float]  # by head, in bits
    query_names: list[str] | None  # null: the tokens of the text
    key_names: list[str] | None
    grid: tuple[int, int] | None  # rows and columns of an image's patches
    extra: int  # tokens before the patches


class Rollout(TypedDict):
    """Attention through all layers up to the chosen one."""

    layer: str
    tokens: int
    data: bytes  # uint8 (tokens, tokens): 255 × the square root of the weight


class Induction(TypedDict):
    """How much the heads of each layer look for what followed a token before, on tokens that are written twice."""

    values: dict[str, list[float]]  # by layer, by head
    even: float


class HeadEffects(TypedDict):
    """How much the loss grows without each head of a layer."""

    layer: str
    removal: Literal["zero", "mean"]
    values: list[float | None]  # by head; null where not yet computed
    clean: float
    words: str
    done: float
    problem: str


class LogitLensPayload(TypedDict):
    """The predictions read from each state of the residual stream, at each position."""

    layers: list[str]
    head: list[str]  # the operations by which states are read
    positions: int
    k: int
    words: list[str]  # different predictions
    top: bytes  # int32 (states, positions, k): which of the words
    probability: bytes  # float32 (states, positions, k)
    rank: bytes  # int32 (states, positions): of the model's own prediction
    bits: bytes  # float32 (states, positions): how far from the model's own prediction
    m: int
    followed: bytes  # int32 (positions, m): which of the words are the model's own best
    followed_rank: bytes  # int32 (states, positions, m)
    agreement: list[float]  # by state
    chance: list[float | None]
    about: list[str]  # each state in words
    error: float


class Context(TypedDict):
    """A place of a long text, with the values of a cell around it."""

    group: Literal["top", "middle", "least", "above"]
    text: str
    starts: bytes  # int32, as in TextPayload
    ends: bytes
    data: bytes  # float32: the cell's value at each of these tokens
    value: float
    place: int


class CellContexts(OfUnit):
    """Where in a long text a cell is highest, in the middle, lowest, and above a threshold."""

    rows: list[Context]
    done: float
    words: str
    problem: str
    count: int  # windows in which the cell reaches the threshold
    exact: bool  # whether that number is no estimate
    windows: int


class Sampled(TypedDict):
    """What the model wrote."""

    held: bool
    text: str


class HeldCell(OfUnit):
    """The predictions with a cell held at a value."""

    value: float
    words: str
    clean: float  # loss, in nats per token
    loss: float
    changed: float  # share of tokens with another best prediction
    bits: float  # the mean divergence
    samples: list[Sampled]
    done: float
    problem: str
