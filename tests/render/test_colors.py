"""The colour tables, as they are seen with every kind of colour vision."""

from __future__ import annotations

import numpy as np
import pytest
from colorspacious import cspace_convert

from nnlens.render import color_tables

# Machado et al. 2009, by the severity that `colorspacious` takes; 100 is a kind of cone that is missing.
VISION = ["normal", "deuteranomaly", "protanomaly", "tritanomaly"]
# Distances in CAM02-UCS; 1 is about the smallest that can be noticed side by side.
NOTICED = 1.0
FAR = 15.0


def _seen(table: np.ndarray, vision: str) -> np.ndarray:
    """The table's colours in CAM02-UCS: lightness, and two axes of colour."""
    colors = table / 255
    if vision != "normal":
        space = {"name": "sRGB1+CVD", "cvd_type": vision, "severity": 100}
        colors = np.clip(cspace_convert(colors, space, "sRGB1"), 0, 1)
    return cspace_convert(colors, "sRGB1", "CAM02-UCS")


@pytest.mark.parametrize("vision", VISION)
def test_larger_values_are_lighter_in_the_sequential_table(vision):
    lightness = _seen(color_tables()["sequential"], vision)[:, 0]
    assert (np.diff(lightness[::8]) > NOTICED).all()


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("name", ["diverging", "diverging_dark"])
def test_signs_differ_and_magnitudes_grow_in_the_diverging_tables(name, vision):
    seen = _seen(color_tables()[name], vision)
    middle = seen[[127, 128]].mean(0)
    below, above = seen[127::-1], seen[128:]
    # A value and its opposite are told apart from a quarter of the range on.
    assert (np.linalg.norm(below - above, axis=1)[32:] > FAR).all()
    for side in (below, above):
        from_zero = np.linalg.norm(side - middle, axis=1)
        assert (np.diff(from_zero[::16]) > NOTICED).all()
        # Darker (or lighter) with each step, so that the magnitude is seen without colours, too.
        assert (np.abs(np.diff(side[::16, 0])) > NOTICED).all()
        assert len(set(np.sign(np.diff(side[::16, 0])))) == 1


@pytest.mark.parametrize("vision", VISION)
def test_every_color_of_a_table_is_different_from_its_neighbours(vision):
    for table in color_tables().values():
        steps = np.linalg.norm(np.diff(_seen(table, vision)[::16], axis=0), axis=1)
        assert steps.min() > NOTICED
