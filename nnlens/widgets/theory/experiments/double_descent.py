"""The error has a peak where there are as many features as examples, and falls again beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from torch import nn

from nnlens.kernels.training.theories import double_descent, expected_risk, random_features
from nnlens.render.plots import plot, series
from nnlens.utils.language import _, number

from .experiment import Outcome, Setting, Values, centred_digits

_RATIOS = (0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.1, 1.25, 1.5, 2, 3, 5, 8)
_EXAMPLES = 200  # digits


class DoubleDescentExperiment:
    """Least squares without a penalty: on drawn problems, and with random features of digits."""

    name: ClassVar = "double descent"

    def title(self) -> str:
        return _("double descent")

    def about(self) -> str:
        return _(
            "With more and more features the error of the shortest fit first rises to a peak where there are as many "
            "features as examples, and then falls again. For linear regression on random inputs it is known exactly "
            "(Hastie et al., 2022)."
        )

    def check(self) -> str:
        return _(
            "The curve is for drawn problems. Whether a real one has the peak is measured on digits, where the theory "
            "says only where it must be. Without noise in the answers the first part stays at 0."
        )

    def settings(self) -> list[Setting]:
        return [
            Setting(name="noise", label=_("noise"), values=(0.0, 0.1, 0.25, 0.5, 1.0, 2.0), value=0.5),
            Setting(name="examples", label=_("examples"), values=(20, 50, 100, 200), value=100),
        ]

    def steps(self, values: Values, model: nn.Module) -> Iterator[Outcome]:
        noise, examples = values["noise"], int(values["examples"])
        found = double_descent(_RATIOS, examples=examples, noise=noise, draws=20 if examples < 200 else 8)
        curve = np.concatenate([np.geomspace(0.1, 0.97, 40), [np.nan], np.geomspace(1.03, 8, 40)])
        risks = [expected_risk(ratio, noise=noise) if ratio == ratio else np.nan for ratio in curve]
        drawn = plot(
            _("drawn problems"),
            _("features ÷ examples"),
            _("error"),
            [
                series(_("theory"), "theory", curve, risks),
                series(
                    _("measured (middle half)"),
                    "measured",
                    found.ratios,
                    found.measured,
                    low=found.low,
                    high=found.high,
                ),
            ],
            log_x=True,
            log_y=True,
        )
        known = found.expected > 0  # without noise there is no error before the peak
        worst = float(np.median(np.abs(found.measured - found.expected)[known] / found.expected[known]))
        words = _(
            "The medians over the draws differ from the theory by {share} % (median over the ratios).",
            share=number(f"{100 * worst:.0f}"),
        )
        yield Outcome([drawn], words, 0.5)
        x, classes = centred_digits(800, 8)
        counts = [10, 25, 50, 100, 150, 180, 200, 220, 260, 400, 800, 1600]
        errors = random_features(
            x[:_EXAMPLES], classes[:_EXAMPLES], x[_EXAMPLES:], classes[_EXAMPLES:], counts, draws=3
        )
        middle = np.median(errors, 1)
        peak = counts[int(middle.argmax())]
        digits = plot(
            _("{count} digits", count=_EXAMPLES),
            _("random features"),
            _("error on other digits"),
            [
                series(_("theory: the peak"), "limit", [_EXAMPLES, _EXAMPLES], [middle.min(), middle.max()]),
                series(_("measured"), "measured", counts, middle, low=errors.min(1), high=errors.max(1)),
            ],
            log_x=True,
            log_y=True,
        )
        words += " " + _(
            "On digits the peak is at {peak} features for {count} examples; with {most} features the error is {last} "
            "of its least before the peak.",
            peak=peak,
            count=_EXAMPLES,
            most=counts[-1],
            last=number(f"{middle[-1] / middle[: counts.index(_EXAMPLES)].min():.2f}"),
        )
        yield Outcome([drawn, digits], words, 1.0)
