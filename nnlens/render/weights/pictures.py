"""Filters as pictures, for pages that run no scripts."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from nnlens.render.picture import color_map
from nnlens.render.units import colours_of

from .payloads import FilterBank, FilterDetail

_SIDE = 240


def bank_image(bank: FilterBank) -> Image.Image:
    """The tiles in rows, each in the range of its own filter."""
    filters, planes, rows, columns = bank["filters"], bank["planes"], bank["rows"], bank["columns"]
    codes = np.frombuffer(bank["data"], np.int8).reshape(filters, planes, rows, columns) / 127
    across = max(1, math.ceil(math.sqrt(filters * rows / columns)))
    down = math.ceil(filters / across)
    sheet = np.zeros((planes, down * (rows + 1), across * (columns + 1)), np.float32)
    for index, tile in enumerate(codes):
        top, left = index // across * (rows + 1), index % across * (columns + 1)
        sheet[:, top : top + rows, left : left + columns] = tile
    picture = colours_of(sheet, 1.0) if planes == 3 else color_map(sheet[0], -1.0, 1.0)
    return _enlarged(picture)


def filter_image(detail: FilterDetail) -> Image.Image:
    """One filter's pattern."""
    texture = detail["pattern"]
    shape = texture["planes"], texture["rows"], texture["columns"]
    values = np.frombuffer(texture["data"], np.int8).reshape(shape).astype(np.float32)
    return _enlarged(colours_of(values) if texture["colours"] else color_map(values[0], -127.0, 127.0))


def _enlarged(picture: Image.Image) -> Image.Image:
    factor = max(1, _SIDE // max(picture.size))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
