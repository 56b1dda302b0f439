"""The statistics of a layer as single numbers, and what each is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nnlens.utils.language import _

from .statistics import FilterStatistics


class Measure(NamedTuple):
    """One number of a layer: how it is computed, and what its values mean."""

    value: Callable[[FilterStatistics], float]
    title: str
    meaning: str


def measures() -> dict[str, Measure]:
    """The measures by name. Their words are in the user's language."""
    return {
        "std": Measure(lambda s: s.moments.std, _("standard deviation"), _("of all weights")),
        "kurtosis": Measure(
            lambda s: s.moments.kurtosis,
            _("excess kurtosis"),
            _("of all weights: 0 if normal, −1.2 if uniform, positive where a few weights are far out"),
        ),
        "skewness": Measure(lambda s: s.moments.skewness, _("skewness"), _("of all weights: 0 if symmetric")),
        "filter skewness": Measure(
            lambda s: _median(np.abs(s.skewness[~s.dead])),
            _("skewness of filters"),
            _("median of its magnitude: large where filters have one sign"),
        ),
        "norm spread": Measure(
            lambda s: float(s.norms.std() / s.norms.mean()) if s.norms.mean() else float("nan"),
            _("spread of norms"),
            _("standard deviation ÷ mean of the filters' norms"),
        ),
        "stable rank": Measure(
            lambda s: s.spectrum.stable_rank / len(s.spectrum.values),
            _("stable rank"),
            _("Σ σ² ÷ σ₁², as a share of the full rank: small where few directions dominate"),
        ),
        "above random": Measure(
            lambda s: s.spectrum.above / len(s.spectrum.values),
            _("directions above random"),
            _("share of the singular values that a random matrix of this size and variance would hardly reach"),
        ),
        "energy above random": Measure(
            lambda s: s.spectrum.energy_above,
            _("energy above random"),
            _("share of the squared weights in these directions"),
        ),
        "distance": Measure(
            lambda s: s.spectrum.distance,
            _("distance from Marchenko–Pastur"),
            _("largest difference between the distribution functions of the eigenvalues and of the law"),
        ),
        "orientation": Measure(
            lambda s: float("nan") if s.orientation is None else s.orientation.uniformity(1).resultant,
            _("one direction"),
            _("length of the mean vector of the filters' angles: 1 if all are the same"),
        ),
        "axes": Measure(
            lambda s: float("nan") if s.orientation is None else s.orientation.uniformity(2).resultant,
            _("along two axes"),
            _("the same where directions at right angles count as one"),
        ),
        "frequency": Measure(
            lambda s: float("nan") if s.orientation is None else _median(s.orientation.frequency),
            _("frequency"),
            _("median of the filters' dominant frequencies in cycles per pixel"),
        ),
        "dead": Measure(
            lambda s: float(s.dead.mean()),
            _("dead filters"),
            _("share of filters with at most a hundredth of the median norm"),
        ),
        "redundant": Measure(
            lambda s: s.redundant / len(s.norms),
            _("duplicate filters"),
            _("share of filters with a cosine of 0.95 or more to another one that is kept"),
        ),
    }


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
