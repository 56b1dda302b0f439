"""Texts and cells as still pictures, for pages that run no scripts."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nnlens.inputs.text import Encoded
from nnlens.kernels import Activations
from nnlens.render.picture import color_map

_ACROSS, _WIDTH, _HEIGHT, _LINES = 46, 12, 24, 22


def text_picture(encoded: Encoded, values: np.ndarray, largest: float) -> Image.Image:
    """The beginning of a text, each token on the colour of its value between −`largest` and `largest`."""
    pixels = np.asarray(color_map(values[None], -largest, largest))[0]
    lines: list[list[tuple[str, int]]] = [[]]
    for place, piece in enumerate(encoded.pieces()):
        for character in piece:
            if len(lines[-1]) >= _ACROSS:
                lines.append([])
            lines[-1].append((character, place))
            if character == "\n":
                lines.append([])
    shown = lines[:_LINES]
    picture = Image.new("RGB", (_ACROSS * _WIDTH, _LINES * _HEIGHT), (255, 255, 255))
    painter, font = ImageDraw.Draw(picture), ImageFont.load_default(20)
    for row, line in enumerate(shown):
        for column, (character, place) in enumerate(line):
            left, top = column * _WIDTH, row * _HEIGHT
            color = tuple(int(part) for part in pixels[place])
            painter.rectangle((left, top, left + _WIDTH - 1, top + _HEIGHT - 1), fill=color)
            ink = (255, 255, 255) if sum(color) < 330 else (32, 33, 36)
            painter.text((left + 1, top), "" if character.isspace() else character, ink, font)
    return picture


def cells_picture(layer: Activations, most: int = 280) -> Image.Image:
    """All cells of a layer over the tokens: a row for each cell, a column for each token."""
    values = layer.values[:most, 0]
    step = max(1, -(-values.shape[1] // 560))
    values = values[:, ::step]
    largest = max(float(-layer.minimum.min()), float(layer.maximum.max()), 1e-12)
    return color_map(values, -largest if layer.minimum.min() < 0 else 0.0, largest).resize((560, 560))
