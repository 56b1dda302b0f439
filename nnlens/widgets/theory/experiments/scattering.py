"""The scattering transform: what a convolutional network can do without learning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nnlens import zoo
from nnlens.kernels.training.theories import class_mean_accuracy, shift_change
from nnlens.kernels.training.theories.stability import Features
from nnlens.render.plots import PlotPayload, plot, series
from nnlens.utils.language import _, number
from nnlens.zoo.scattering import Scattering

from .experiment import Outcome, Setting, Values

_SHIFTS = (1, 2, 3, 4, 5, 6)  # a digit has about so many empty columns beside it
_PER_CLASS = (1, 2, 4, 8, 16, 32)
_DIGITS, _TESTED, _SHIFTED = 700, 300, 40


class ScatteringExperiment:
    """Fixed wavelets beside pixels and a trained network, on digits."""

    name: ClassVar = "scattering"

    def title(self) -> str:
        return _("scattering transform")

    def about(self) -> str:
        return _(
            "Wavelets, moduli and an average over 2^J pixels, with nothing learned, change little when an image is "
            "shifted by much less than 2^J pixels, and keep what tells images apart (Mallat, 2012; Bruna & Mallat, "
            "2013). nnlens.zoo.scattering() opens in the explorer like any network."
        )

    def check(self) -> str:
        return _(
            "Pixels and a trained network stand beside it: where these change as little, or need as few examples, the "
            "wavelets have no advantage."
        )

    def settings(self) -> list[Setting]:
        return [
            Setting(name="scales", label="J", values=(1, 2, 3), value=2),
            Setting(name="angles", label=_("angles"), values=(2, 4, 8), value=8),
        ]

    def steps(self, values: Values, model: nn.Module) -> Iterator[Outcome]:
        data = zoo.DigitImages()
        pixels = np.stack([np.array(data[item][0]) for item in range(_DIGITS)])
        images = F.pad(torch.from_numpy(pixels)[:, None] / 255, (2, 2, 2, 2))  # 32 × 32: a multiple of 2, 4 and 8
        classes = torch.tensor([data[item][1] for item in range(_DIGITS)])
        wavelets = Scattering(32, int(values["scales"]), int(values["angles"]))
        learned = trained_features()
        kinds: dict[str, Features] = {
            _("pixels"): lambda x: x,
            _("scattering"): wavelets,
            _("trained network"): learned,
        }
        changes = list[tuple[str, np.ndarray]]()
        for place, (name, features) in enumerate(kinds.items()):
            changes.append((name, shift_change(features, images[:_SHIFTED], _SHIFTS)))
            yield Outcome([_shift_chart(changes)], "", 0.2 * (place + 1) / len(kinds))
        found: dict[str, list[Tensor]] = {name: [] for name in kinds}
        parts = images.split(50)
        for place, part in enumerate(parts):
            with torch.inference_mode():
                for name, features in kinds.items():
                    found[name].append(features(part))
            yield Outcome([_shift_chart(changes)], "", 0.2 + 0.75 * (place + 1) / len(parts))
        shares = []
        for name, items in found.items():
            rows = torch.cat(items)
            # Coarser orders of the scattering are smaller: each channel counts alike.
            size = rows[:-_TESTED].abs().mean((0, *range(2, rows.ndim)), keepdim=True).clamp_min(1e-6)
            rows = (rows / size if name == _("scattering") else rows).flatten(1)
            shares.append((name, [_right(rows, classes, each) for each in _PER_CLASS]))
        right = plot(
            _("nearest class mean"),
            _("examples per class"),
            _("share of other digits that are right"),
            [series(name, "measured", _PER_CLASS, item) for name, item in shares],
            log_x=True,
        )
        words = _(
            "A shift of {shift} pixels changes pixels by {pixels} %, the scattering by {scattered} % and the trained "
            "network by {network} %. With {most} examples per class the nearest mean is right for {pixels_right} %, "
            "{scattered_right} % and {network_right} % of other digits.",
            shift=_SHIFTS[1],
            pixels=number(f"{100 * changes[0][1][1]:.0f}"),
            scattered=number(f"{100 * changes[1][1][1]:.0f}"),
            network=number(f"{100 * changes[2][1][1]:.0f}"),
            most=_PER_CLASS[-1],
            pixels_right=number(f"{100 * shares[0][1][-1]:.0f}"),
            scattered_right=number(f"{100 * shares[1][1][-1]:.0f}"),
            network_right=number(f"{100 * shares[2][1][-1]:.0f}"),
        )
        yield Outcome([_shift_chart(changes), right], words, 1.0)


def trained_features() -> Features:
    """The last maps of `zoo.digits`, for images of 0…1."""
    network, preprocess, _names = zoo.digits()
    features: nn.Module = network.features  # type: ignore[assignment]
    mean, std = preprocess.mean[0], preprocess.std[0]

    def read(x: Tensor) -> Tensor:
        result: Tensor = features((x - mean) / std)
        return result

    return read


def _right(rows: Tensor, classes: Tensor, each: int) -> float:
    """The share of the last digits that the means of so many of each class classify right."""
    first = [place for label in range(10) for place in (classes[:-_TESTED] == label).nonzero()[:each, 0].tolist()]
    return class_mean_accuracy(rows[first], classes[first], rows[-_TESTED:], classes[-_TESTED:])


def _shift_chart(changes: list[tuple[str, np.ndarray]]) -> PlotPayload:
    drawn = [series(name, "measured", _SHIFTS, values) for name, values in changes]
    if len(changes) > 1:
        slope = float(changes[1][1][0]) / _SHIFTS[0]
        bound = [min(slope * shift, 1.5) for shift in _SHIFTS]
        drawn.insert(0, series(_("theory: in proportion to the shift"), "theory", _SHIFTS, bound))
    return plot(_("shifted to the right"), _("pixels"), _("relative change"), drawn, log_x=True, log_y=True)
