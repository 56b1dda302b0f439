"""The payloads of the views of weights."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from nnlens.render.payloads import Texture

BankDisplay = Literal["pattern", "channel"]


class WeightEntry(TypedDict):
    """A weight that can be chosen."""

    name: str
    label: str
    problem: str  # why it cannot be analysed; else empty


class FilterBank(TypedDict):
    """All filters of a layer as 8-bit tiles, and their numbers."""

    name: str
    label: str
    same_as: list[str]
    words: str  # what the tiles show
    filters: int
    reads: int
    channel: int | None  # which of the channels that a filter reads is shown
    planes: int  # of a tile: three colours, or one
    rows: int
    columns: int
    step: int  # each number is the largest of 1 × step
    data: bytes  # int8, filters × planes × rows × columns; 127 stands for the filter's `peak`
    peak: bytes  # float32, one for each filter
    norm: bytes  # float32
    angle: bytes | None  # float32, degrees; None where the filters have no direction
    frequency: bytes | None  # float32, cycles per pixel
    similar: bytes  # int32, the filters in the order of similarity
    dead: list[int]
    duplicates: list[list[int]]
    r_squared: bytes | None  # float32, of the fitted Gabor functions; None where there are none, or not yet
    noise: tuple[float, float] | None  # the median and the largest R² that noise gets


class GaborFit(TypedDict):
    """A Gabor function fitted to a filter."""

    r_squared: float | None
    angle: float | None
    frequency: float | None
    sigma: tuple[float, float]
    texture: Texture


class FilterDetail(TypedDict):
    """The numbers and pictures of one filter."""

    weight: str
    filter: int
    norm: float
    mean: float
    skewness: float | None
    kurtosis: float | None
    share: float | None  # of the squared weights that the pattern holds
    angle: float | None
    frequency: float | None
    similar: list[tuple[int, float]]  # filters with their cosines, the most similar first
    pattern: Texture
    kernels: Texture | None  # the kernel for each channel that it reads, the strongest first
    channels: list[int]  # which channels these are
    power: Texture | None  # the power spectrum, frequency 0 in the middle
    gabor: GaborFit | None
    words: str


class OfFilter(TypedDict):
    """What is computed for one filter in the background."""

    weight: str
    filter: int


class ExpandedFilter(OfFilter):
    """What a filter reads from the image through the layers below."""

    words: str
    texture: Texture | None
    problem: str


class FilterTuning(OfFilter):
    """How a filter's unit responds to gratings."""

    orientations: list[float]
    frequencies: list[float]
    values: bytes  # float32, orientations × frequencies; NaN where the grating was not shown yet
    grey: float | None
    best: tuple[float, float, float] | None  # orientation, frequency, value
    selectivity: float | None
    done: float  # 0…1
    problem: str


class HeadEntry(TypedDict):
    """One head of an attention module."""

    query_key: Texture
    value_output: Texture
    query_key_values: list[float]  # singular values
    value_output_values: list[float]
    copying: float | None
    symmetry: float | None


class HeadsPayload(TypedDict):
    """The heads of the attention module that the chosen weight belongs to."""

    name: str
    width: int
    heads: list[HeadEntry]


class Distribution(TypedDict):
    """The shares of numbers in bins of equal width, and those of the reference."""

    low: float
    high: float
    shares: list[float]
    reference: list[float] | None


class SingularValues(TypedDict):
    """The singular values at evenly spread ranks, those that random weights would have, and those of the reference."""

    values: list[float]
    random: list[float]
    reference: list[float] | None
    threshold: float
    count: int


class NumberBeside(TypedDict):
    """A number of a layer, and the same of its references."""

    value: float
    low: float | None
    high: float | None
    score: float | None  # in standard deviations of the draws
    differs: bool


class TailPayload(TypedDict):
    """The power law that fits the largest eigenvalues."""

    alpha: float
    error: float
    xmin: float
    distance: float
    critical: float
    count: int
    of: int


class WeightRow(TypedDict):
    """One layer: its distributions and numbers beside those of the reference."""

    name: str
    label: str
    filters: int
    same_as: list[str]
    problem: str
    weights: Distribution | None
    norms: Distribution | None
    angles: Distribution | None
    uniformity: list[tuple[float, float]] | None  # resultant length and p: of one direction, of two at right angles
    frequencies: Distribution | None
    singular: SingularValues | None
    tail: TailPayload | None
    numbers: dict[str, NumberBeside]
    findings: list[str]
    draws: int


class MeasureWords(TypedDict):
    """What a number of the table is called, and what it means."""

    name: str
    title: str
    meaning: str


class WeightsProgress(TypedDict):
    """How far the statistics of all layers are."""

    done: int
    total: int
    running: bool


class ReplacementEntry(TypedDict):
    """One replacement of the layer, and what it costs."""

    method: str
    setting: float | None
    words: str
    weight_error: float
    parameters: tuple[int, int]
    flops: tuple[int, int] | None
    accuracy: float | None
    agreement: float | None
    loss: tuple[float, float, float]  # the share of the images that is lost, and its 95 % interval


class SweepPayload(TypedDict):
    """The replacements of a layer that were tried so far."""

    layer: str
    label: str
    results: list[ReplacementEntry]
    done: int
    total: int
    running: bool
    images: int
    skipped: list[tuple[int, str]]  # images that could not be read, and why
    accuracy: float | None  # of the model itself
    parameters: int  # of the layer itself
    flops: int  # of the network itself
    smallest: int | None  # the place of the smallest result within the loss
