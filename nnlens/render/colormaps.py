"""The colour tables, which the browser gets from here, so that pictures and pages have the same colours."""

from __future__ import annotations

from functools import cache

import numpy as np

# Ten colours of Viridis (Smith & van der Walt 2015, CC0), evenly spaced.
_VIRIDIS = ["440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"]
# Blue – orange, which can be distinguished with every kind of colour vision. The middle, zero, is the background.
_BLUE = [(5, 48, 97), (33, 102, 172), (67, 147, 195), (146, 197, 222)]
_ORANGE = [(253, 184, 99), (230, 123, 36), (179, 88, 6), (110, 52, 4)]
_BRIGHT_BLUE = [(168, 218, 255), (90, 174, 240), (48, 122, 190), (28, 68, 110)]
_BRIGHT_ORANGE = [(112, 58, 16), (190, 104, 28), (246, 156, 60), (255, 216, 160)]


def _table(anchors: list[tuple[int, int, int]]) -> np.ndarray:
    """256 colours, linear between evenly spaced anchors: uint8 (256, 3)."""
    places = np.linspace(0, 255, len(anchors))
    channels = [np.interp(np.arange(256), places, [anchor[channel] for anchor in anchors]) for channel in range(3)]
    return np.stack(channels, 1).round().astype(np.uint8)


@cache
def color_tables() -> dict[str, np.ndarray]:
    """`sequential` (Viridis), and `diverging` around zero for a light and a dark background."""
    viridis = [(int(color[:2], 16), int(color[2:4], 16), int(color[4:], 16)) for color in _VIRIDIS]
    return {
        "sequential": _table(viridis),
        "diverging": _table([*_BLUE, (247, 247, 247), *_ORANGE]),
        "diverging_dark": _table([*_BRIGHT_BLUE, (24, 24, 27), *_BRIGHT_ORANGE]),
    }
