"""A view as one still picture, which a page shows if no script runs."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nnlens.kernels import Activations, Occlusion
from nnlens.utils.language import number

from .colormaps import color_tables

_PAPER, _INK, _SOFT, _BAR = (255, 255, 255), (32, 33, 36), (110, 112, 118), (66, 133, 190)
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_SIDE, _GAP, _TITLE, _FOOT = 280, 16, 34, 30


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One part of a picture: an image under a title, with bars or a legend below it."""

    title: str
    image: Image.Image
    bars: list[tuple[str, float]] | None = None
    legend: tuple[float, float] | None = None


def _colors(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """RGB of values between the limits: diverging where `low` is negative, else sequential; NaN is grey."""
    table = color_tables()["diverging" if low < 0 else "sequential"]
    span = (high - low) or 1.0
    codes = np.clip(np.nan_to_num((values - low) / span * 255), 0, 255).round().astype(np.uint8)
    pixels = table[codes]
    pixels[np.isnan(values)] = (176, 176, 176)
    return pixels


def color_map(values: np.ndarray, low: float, high: float) -> Image.Image:
    """A map (h, w) in the colours of its limits."""
    return Image.fromarray(_colors(values, low, high))


def mosaic_image(layer: Activations, most: int = 256) -> Image.Image:
    """The first `most` units of a layer as tiles, in the layer's own limits."""
    maps = layer.values[:most]
    units, height, width = maps.shape
    low, high = float(layer.minimum.min()), float(layer.maximum.max())
    largest = max(-low, high)
    across = max(1, round((units * height / width) ** 0.5))
    down = -(-units // across)
    pixels = np.full((down * (height + 1), across * (width + 1), 3), 255, np.uint8)
    tiles = _colors(maps, -largest if low < 0 else 0.0, largest)
    for unit in range(units):
        top, left = unit // across * (height + 1), unit % across * (width + 1)
        pixels[top : top + height, left : left + width] = tiles[unit]
    return Image.fromarray(pixels)


def heat_over(photo: Image.Image, result: Occlusion, change: np.ndarray, largest: float) -> Image.Image:
    """The change at every computed position, as a cell around the occluder's centre, over the dimmed photograph."""
    base = Image.blend(photo.convert("L").convert("RGB"), Image.new("RGB", photo.size, _PAPER), 0.35)
    colors = _colors(change, -largest, largest)
    painter = ImageDraw.Draw(base, "RGBA")
    for row, top in enumerate(result.tops):
        for column, left in enumerate(result.lefts):
            if not np.isfinite(change[row, column]):
                continue
            middle = (top + result.size[0] / 2, left + result.size[1] / 2)
            half = (result.stride[0] / 2, result.stride[1] / 2)
            box = (middle[1] - half[1], middle[0] - half[0], middle[1] + half[1] - 1, middle[0] + half[0] - 1)
            painter.rectangle(box, fill=(*colors[row, column].tolist(), 200))
    return base


def draw(panels: list[Panel]) -> Image.Image:
    """The panels side by side, each `_SIDE` pixels wide."""
    bars = max((len(panel.bars or ()) for panel in panels), default=0)
    height = _GAP + _TITLE + _SIDE + max(_FOOT, 18 * bars) + _GAP
    canvas = Image.new("RGB", (_GAP + (_SIDE + _GAP) * len(panels), height), _PAPER)
    painter = ImageDraw.Draw(canvas)
    title_font, font = ImageFont.load_default(13), ImageFont.load_default(12)
    for index, panel in enumerate(panels):
        left, top = _GAP + index * (_SIDE + _GAP), _GAP + _TITLE
        for line, words in enumerate(_wrap(panel.title, painter, title_font)):
            painter.text((left, _GAP + 15 * line), words, _INK, title_font)
        scale = _SIDE / max(panel.image.size)
        size = (max(1, round(panel.image.width * scale)), max(1, round(panel.image.height * scale)))
        smooth = scale < 1 or panel.bars is not None
        resample = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
        canvas.paste(panel.image.resize(size, resample), (left, top))
        foot = top + _SIDE + 6
        # Quantities may be of any size and sign.
        most = max([1.0, *(abs(value) for _name, value in panel.bars or () if np.isfinite(value))])
        for line, (name, value) in enumerate(panel.bars or ()):
            y = foot + 18 * line
            length = 110 * abs(value) / most if np.isfinite(value) else 0
            painter.rectangle((left + 130, y + 2, left + 130 + length, y + 13), fill=_BAR)
            painter.text((left, y), _fit(name, 124, painter, font), _INK, font)
            painter.text((left + 246, y), number(f"{value:.2f}"), _INK, font)
        if panel.legend:
            low, high = panel.legend
            strip = np.linspace(low, high, _SIDE)[None].repeat(8, 0)
            canvas.paste(color_map(strip, low, high), (left, foot))
            for share in (0, 0.5, 1):
                words = number(f"{low + (high - low) * share:.3g}")
                width = painter.textlength(words, font)
                painter.text((left + (_SIDE - width) * share, foot + 9), words, _SOFT, font)
    return canvas


def stacked(pictures: list[Image.Image]) -> Image.Image:
    """Pictures below each other, from the left."""
    sheet = Image.new(
        "RGB", (max(picture.width for picture in pictures), sum(picture.height for picture in pictures)), _PAPER
    )
    top = 0
    for item in pictures:
        sheet.paste(item, (0, top))
        top += item.height
    return sheet


def _fit(words: str, width: float, painter: ImageDraw.ImageDraw, font: Font) -> str:
    if painter.textlength(words, font) <= width:
        return words
    while words and painter.textlength(words + "…", font) > width:
        words = words[:-1]
    return words + "…"


def _wrap(words: str, painter: ImageDraw.ImageDraw, font: Font) -> list[str]:
    """`words` in at most two lines of the panel's width."""
    first = ""
    parts = words.split(" ")
    while parts and painter.textlength(f"{first} {parts[0]}".strip(), font) <= _SIDE:
        first = f"{first} {parts.pop(0)}".strip()
    lines = [first, " ".join(parts)] if parts and first else [words]
    return [_fit(line, _SIDE, painter, font) for line in lines]


def encoded(picture: Image.Image, exact: int = 256) -> bytes:
    """A picture for the browser: lossless up to sides of `exact` pixels, otherwise a smaller JPEG."""
    buffer = BytesIO()
    if max(picture.size) <= exact:
        picture.save(buffer, "PNG")
    else:
        picture = picture.copy()
        picture.thumbnail((640, 640))
        picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
