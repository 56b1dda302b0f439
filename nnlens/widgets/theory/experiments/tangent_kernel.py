"""The tangent kernel of wide networks: its values, and that it stands still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nnlens.kernels.training.theories import (
    TangentNetwork,
    finite_tangent_kernel,
    kernel_change,
    neural_tangent_kernel,
)
from nnlens.render.plots import plot, series
from nnlens.utils.language import _, number

from .experiment import Outcome, Setting, Values

_DRAWS = 8
_WIDTHS = (8, 16, 32, 64, 128, 256, 512)


class TangentKernelExperiment:
    """Networks with ReLU on points of a sphere."""

    name: ClassVar = "tangent kernel"

    def title(self) -> str:
        return _("neural tangent kernel")

    def about(self) -> str:
        return _(
            "For infinite width the scalar product of a network's gradients at two inputs depends on the angle between "
            "them alone, and does not change in training: learning is then linear (Jacot et al., 2018)."
        )

    def check(self) -> str:
        return _(
            "A network that learns features leaves this regime: the narrower it is, the further its kernel moves. How "
            "far it moves for a width is measured below, not predicted."
        )

    def settings(self) -> list[Setting]:
        return [
            Setting(name="width", label=_("units per layer"), values=(8, 32, 128, 512), value=128),
            Setting(name="hidden", label=_("hidden layers"), values=(1, 2, 3), value=1),
        ]

    def steps(self, values: Values, model: nn.Module) -> Iterator[Outcome]:
        hidden = int(values["hidden"])
        width = int(values["width"])
        angles = torch.linspace(0, np.pi, 13, dtype=torch.float64)
        x = torch.stack([angles.cos(), angles.sin()], 1).float()
        kernels = torch.stack(
            [finite_tangent_kernel(TangentNetwork(2, width, hidden=hidden, seed=seed), x)[0] for seed in range(_DRAWS)]
        ).numpy()
        cosines = np.linspace(-1, 1, 81)
        expected = neural_tangent_kernel(cosines, hidden=hidden)
        at = angles.cos().clamp(-1, 1).numpy()
        curve = plot(
            _("the kernel"),
            _("cosine between two inputs"),
            _("scalar product of the gradients"),
            [
                series(_("theory: infinite width"), "theory", cosines, expected),
                series(
                    _("networks of {width} units", width=width),
                    "measured",
                    at,
                    np.median(kernels, 0),
                    low=kernels.min(0),
                    high=kernels.max(0),
                ),
            ],
        )
        away = float(np.abs(kernels - neural_tangent_kernel(at, hidden=hidden)).mean())
        words = _(
            "{count} networks of {width} units are {away} away from the theory on average; at a cosine of 0 it says "
            "{zero}.",
            count=_DRAWS,
            width=width,
            away=number(f"{away:.2f}"),
            zero=number(f"{float(neural_tangent_kernel(0.0, hidden=hidden)):.3f}"),
        )
        yield Outcome([curve], words, 0.1)
        points = F.normalize(torch.randn(20, 10, generator=torch.Generator().manual_seed(1)), dim=1)
        answers = torch.sign(points[:, 0] * points[:, 1])
        moved = list[list[float]]()
        for place, size in enumerate(_WIDTHS):
            moved.append([kernel_change(points, answers, size, hidden=hidden, seed=seed) for seed in range(3)])
            known = np.array(moved)
            widths = _WIDTHS[: place + 1]
            middle = np.median(known, 1)
            change = plot(
                _("how far it moves in training"),
                _("units per layer"),
                _("relative change"),
                [
                    series(
                        _("theory: bounded by 1 ÷ √width"),
                        "theory",
                        _WIDTHS,
                        middle[0] * (_WIDTHS[0] / np.array(_WIDTHS)) ** 0.5,
                    ),
                    series(_("measured"), "measured", widths, middle, low=known.min(1), high=known.max(1)),
                ],
                log_x=True,
                log_y=True,
            )
            said = words
            if place + 1 == len(_WIDTHS):
                said += " " + _(
                    "In training it moves by {first} of its size with {few} units, and by {last} with {many}.",
                    first=number(f"{middle[0]:.2g}"),
                    few=_WIDTHS[0],
                    last=number(f"{middle[-1]:.2g}"),
                    many=_WIDTHS[-1],
                )
            yield Outcome([curve, change], said, 0.1 + 0.9 * (place + 1) / len(_WIDTHS))
