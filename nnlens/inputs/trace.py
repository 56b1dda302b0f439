"""Signals and vectors of numbers as pictures: lines over time, or a bar for each number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

LANES = 16  # channels that are drawn as lines, one below the other; more become rows of grey
WIDTH, LANE = 960, 72  # pixels of a picture, and of a lane in it
_MOST = 320  # pixels: lanes become lower where there are many
_STRETCHED, _NUMBERS = 8, 65_536
_LINE, _INK = (217, 220, 224), (38, 84, 150)


@dataclass(frozen=True, eq=False)
class Trace:
    """A signal as it is drawn: of each channel the least and the largest value in each of its columns.

    Attributes
    ----------
    low, high : float32 arrays (channels, columns)
    bars : bool
        Whether each column is one number of a vector, rather than a part of a signal.
    """

    low: Float[np.ndarray, "channels columns"]
    high: Float[np.ndarray, "channels columns"]
    bars: bool

    @property
    def height(self) -> int:
        """The height of its picture for a width of `WIDTH` pixels."""
        return max(LANE * 2, min(_MOST, LANE * len(self.low)))

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value; bars begin at 0."""
        low, high = float(self.low.min()), float(self.high.max())
        low, high = (min(low, 0.0), max(high, 0.0)) if self.bars else (low, high)
        return (low, high) if high > low else (low - 1, high + 1)

    def picture(self, size: tuple[int, int] | None = None) -> Image.Image:
        """Dark lines on white."""
        width, height = (WIDTH, self.height) if size is None else size
        picture = Image.new("RGB", (width, height), "white")
        pen = ImageDraw.Draw(picture)
        channels, columns = self.low.shape
        least, most = self.range
        lane, step = height / channels, width / columns
        gap = min(1.0, step / 4)  # between bars
        for channel in range(channels):

            def y(value: float, top: float = channel * lane) -> float:
                return float(top + 3 + (lane - 6) * (1 - (value - least) / (most - least)))

            if least <= 0 <= most:
                pen.line([(0, y(0)), (width, y(0))], fill=_LINE)
            if self.bars:
                for column, value in enumerate(self.high[channel]):
                    edges = sorted((y(0), y(float(value))))
                    pen.rectangle([column * step + gap, edges[0], (column + 1) * step - gap, edges[1]], fill=_INK)
                continue
            points = [
                ((column + 0.5) * step, y(float(value)))
                for column, pair in enumerate(zip(self.low[channel], self.high[channel], strict=True))
                for value in (pair if pair[0] != pair[1] else pair[:1])
            ]
            pen.line(points, fill=_INK)
        return picture


def trace_of(values: Float[np.ndarray, "channels steps"], *, bars: bool) -> Trace | None:
    """A signal (channels, steps) as it is drawn; None where it has too many channels.

    It has as many columns as are seen where its time is stretched, or fewer where that would be many numbers.
    """
    channels, steps = values.shape
    if channels > LANES:
        return None
    values = values.astype(np.float32)
    most = max(WIDTH, min(_STRETCHED * WIDTH, _NUMBERS // channels))
    if steps <= most:
        return Trace(values, values, bars)
    edges = np.linspace(0, steps, most + 1).round().astype(int)[:-1]
    return Trace(np.minimum.reduceat(values, edges, 1), np.maximum.reduceat(values, edges, 1), bars)


def row_picture(
    values: Float[np.ndarray, "channels steps"], size: tuple[int, int], *, bars: bool = False
) -> Image.Image:
    """A signal, or a vector as `bars`, as a picture of a size; rows of grey where it has many channels."""
    trace = trace_of(values, bars=bars)
    return rows_picture(values).resize(size) if trace is None else trace.picture(size)


def rows_picture(values: Float[np.ndarray, "channels steps"]) -> Image.Image:
    """A signal of many channels: a row of grey for each, brightest where it is largest."""
    low, high = float(values.min()), float(values.max())
    grey = ((values - low) / (high - low if high > low else 1) * 255).round().astype(np.uint8)
    height = min(_MOST, max(2 * LANE, len(grey)))
    return Image.fromarray(grey).resize((WIDTH, height), Image.Resampling.BOX).convert("RGB")
