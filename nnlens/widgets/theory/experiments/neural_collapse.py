"""Late in training the features of a class collapse to one point, and the points form a simplex."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from nnlens.kernels.training.theories import neural_collapse_steps
from nnlens.render.plots import limit, plot, series
from nnlens.utils.language import _, number

from .experiment import Outcome, Setting, Values, centred_digits

_EVERY = 100


class NeuralCollapseExperiment:
    """A network of three hidden layers on 500 digits, trained on after each of them is classified right."""

    name: ClassVar = "neural collapse"

    def title(self) -> str:
        return _("neural collapse")

    def about(self) -> str:
        return _(
            "Trained on after all examples are classified right, a classifier's last features of one class become one "
            "point, and the points of the classes lie as far from each other as they can: the cosine between any two "
            "is −1 ÷ (classes − 1), and the weights of the last layer point to them (Papyan et al., 2020)."
        )

    def check(self) -> str:
        return _(
            "It is no law: without weight decay, and without normalisation, the same network does not get there in the "
            "same time. Switch them off."
        )

    def settings(self) -> list[Setting]:
        return [
            Setting(name="classes", label=_("classes"), values=(3, 4, 6, 8, 10), value=10),
            Setting(name="decay", label=_("weight decay"), values=(0.0, 0.0005, 0.002, 0.005, 0.01), value=0.005),
            Setting(
                name="normalisation",
                label=_("normalisation"),
                values=("batch", "none"),
                value="batch",
                words=(_("of the batch"), _("none")),
            ),
            Setting(name="steps", label=_("steps"), values=(1000, 2000, 4000), value=2000),
        ]

    def steps(self, values: Values, model: nn.Module) -> Iterator[Outcome]:
        x, classes = centred_digits(500, 8)
        count, total = int(values["classes"]), int(values["steps"])
        x, classes = x[classes < count], classes[classes < count]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            layers: list[nn.Module] = []
            for before, after in ((64, 128), (128, 128), (128, 128)):
                layers += [nn.Linear(before, after)]
                layers += [nn.BatchNorm1d(after)] if values["normalisation"] == "batch" else []
                layers += [nn.ReLU()]
            body, head = nn.Sequential(*layers), nn.Linear(128, count)
        at, rows, cosines, rights = list[int](), list[list[float]](), list[np.ndarray](), list[float]()
        off = ~np.eye(count, dtype=bool)
        simplex = -1 / (count - 1)
        for step, found, right in neural_collapse_steps(
            body, head, x, classes, steps=total, every=_EVERY, decay=values["decay"]
        ):
            at.append(step)
            rows.append([found.within, found.dual])
            cosines.append(found.cosines[off])
            rights.append(right)
            within, dual = np.array(rows).T
            middle = np.median(cosines, 1)
            angles = plot(
                _("angles between classes"),
                _("step"),
                _("cosine"),
                [
                    limit(_("theory: {value}", value=number(f"{simplex:.3f}")), [0, total], simplex),
                    series(
                        _("pairs of classes (smallest to largest)"),
                        "measured",
                        at,
                        middle,
                        low=np.min(cosines, 1),
                        high=np.max(cosines, 1),
                    ),
                ],
            )
            scatter = plot(
                _("what goes to 0"),
                _("step"),
                _("size"),
                [
                    series(_("scatter within ÷ between classes"), "measured", at, within),
                    series(_("weights against class means"), "measured", at, dual),
                ],
                log_y=True,
            )
            words = _(
                "{share} % of the digits are classified right. The scatter within the classes is {within} of that "
                "between them (at first {before}); the cosines are {low} to {high}, in full collapse all {limit}.",
                share=number(f"{100 * right:.0f}"),
                within=number(f"{found.within:.2g}"),
                before=number(f"{rows[0][0]:.2g}"),
                low=number(f"{cosines[-1].min():.2f}"),
                high=number(f"{cosines[-1].max():.2f}"),
                limit=number(f"{simplex:.2f}"),
            )
            yield Outcome([angles, scatter], words, step / total if total % _EVERY == 0 else 1.0)
