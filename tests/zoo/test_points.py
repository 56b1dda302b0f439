"""Points of two classes in a plane."""

from __future__ import annotations

import numpy as np
import pytest

from nnlens import zoo


@pytest.mark.parametrize("name", ["moons", "spirals", "circles", "xor"])
def test_two_classes_that_a_straight_line_does_not_part(name):
    x, classes = zoo.points(name, 400, noise=0.02)
    assert x.shape == (400, 2)
    assert np.bincount(classes).tolist() == [200, 200]
    assert np.abs(x).max() < 2.5
    # The best straight line by least squares is wrong for many; the nearest other point is of the same class.
    design = np.c_[x, np.ones(400)]
    line = np.linalg.lstsq(design, 2 * classes - 1, rcond=None)[0]
    assert ((design @ line > 0) == classes).mean() < 0.95
    distances = np.linalg.norm(x[:, None] - x[None], axis=2) + np.eye(400) * 9
    assert (classes[distances.argmin(1)] == classes).mean() > 0.97


def test_the_seed_repeats_the_points():
    first, second, other = zoo.points("moons", seed=3), zoo.points("moons", seed=3), zoo.points("moons", seed=4)
    np.testing.assert_array_equal(first[0], second[0])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("stars",), "name must be one of moons"),
        (("moons", 1), "count must be at least 2"),
        (("moons", 9, -1), "noise"),
    ],
)
def test_bad_arguments(arguments, message):
    keywords = {"noise": arguments[2]} if len(arguments) > 2 else {}
    with pytest.raises(ValueError, match=message):
        zoo.points(*arguments[:2], **keywords)
