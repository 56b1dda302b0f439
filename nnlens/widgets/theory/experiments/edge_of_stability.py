"""Gradient descent raises the sharpness to 2 ÷ rate, and stays there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from nnlens import zoo
from nnlens.kernels.training import mean_loss
from nnlens.kernels.training.theories import edge_of_stability_steps
from nnlens.render.plots import limit, plot, series
from nnlens.utils.language import _, number

from .experiment import Outcome, Setting, Values

_EVERY = 100


class EdgeOfStabilityExperiment:
    """A network with tanh on 500 digits, gradient descent on all of them at once."""

    name: ClassVar = "edge of stability"

    def title(self) -> str:
        return _("edge of stability")

    def about(self) -> str:
        return _(
            "On a quadratic, gradient descent diverges where the sharpness (the largest eigenvalue of the loss's "
            "Hessian) is above 2(1 + momentum) ÷ rate. In a network the sharpness rises to this bound and stays near "
            "it, while the loss goes on falling, no longer at every step (Cohen et al., 2021)."
        )

    def check(self) -> str:
        return _(
            "It is observed, not proved. A sharpness that settles far from the bound speaks against it: try other "
            "rates. A small rate needs more steps to get there."
        )

    def settings(self) -> list[Setting]:
        return [
            Setting(name="rate", label=_("learning rate"), values=(0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6), value=0.2),
            Setting(name="momentum", label=_("momentum"), values=(0.0, 0.3, 0.6, 0.9), value=0.0),
            Setting(name="steps", label=_("steps"), values=(1000, 2000, 4000, 8000), value=2000),
        ]

    def steps(self, values: Values, model: nn.Module) -> Iterator[Outcome]:
        x, classes = zoo.digit_vectors(500, 8)
        answers = F.one_hot(classes, 10).float()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
        mean = mean_loss(x, answers, batch=len(x))
        total = int(values["steps"])
        runs = edge_of_stability_steps(
            network,
            lambda item: 5 * mean(item),  # half the sum of squares of each example
            rate=values["rate"],
            momentum=values["momentum"],
            steps=total,
            every=_EVERY,
        )
        for run in runs:
            done = float(run.steps[-1] / total)
            sharpness = plot(
                _("sharpness"),
                _("step"),
                _("largest eigenvalue"),
                [
                    limit(_("theory: {bound}", bound=number(f"{run.bound:.3g}")), [0, total], run.bound),
                    series(_("measured"), "measured", run.steps, run.sharpness),
                ],
            )
            losses = plot(
                _("loss"),
                _("step"),
                _("loss"),
                [series(_("measured"), "measured", run.steps, run.losses)],
                log_y=True,
            )
            words = run.describe()
            if done == 1:
                words += " " + _("In its last quarter it is {ratio} of the bound.", ratio=number(f"{run.settled:.2f}"))
            yield Outcome([sharpness, losses], words, done)
