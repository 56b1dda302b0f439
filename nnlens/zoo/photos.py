"""Photographs that scikit-image ships."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_FILES = {
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "astronaut": "astronaut.png",
    "rocket": "rocket.jpg",
    "cameraman": "camera.png",
}


def photo(name: str) -> Path:
    """The path of a photograph: cat, coffee, astronaut, rocket or cameraman (extra `demo`)."""
    if name not in _FILES:
        raise ValueError(f"name must be one of {', '.join(_FILES)}, got {name!r}")
    try:
        folder = files("skimage.data")
    except ModuleNotFoundError as error:
        raise ImportError("the photographs need the extra: pip install -e '.[demo]' in the checkout") from error
    return Path(str(folder.joinpath(_FILES[name])))
