"""The information plane, with tanh and ReLU side by side, and the number of bins to change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nnlens.kernels.training.theories import hidden_values_steps, information_plane
from nnlens.render.plots import PlotPayload, limit, plot, series
from nnlens.utils.language import _, number

from .experiment import Outcome, Setting, Values, centred_digits

_AT = (0, 3, 6, 10, 20, 40, 70, 100, 200, 300, 500, 700, 1000, 1500, 2000)
_LAYER = 5  # the third activation function
_FUNCTIONS = ("tanh", "relu")
_NAMES = {"tanh": "tanh", "relu": "ReLU"}
Drawn = tuple[str, list[int], np.ndarray, np.ndarray]  # function, steps, I(X; T), I(T; Y)


class InformationPlaneExperiment:
    """The third hidden layer, of four units, of a small network on 500 digits."""

    name: ClassVar = "information plane"

    def title(self) -> str:
        return _("information plane")

    def about(self) -> str:
        return _(
            "The claim: a layer first takes in information about the input, and later loses what does not concern the "
            "class, and this compression makes networks generalise (Shwartz-Ziv & Tishby, 2017)."
        )

    def check(self) -> str:
        return _(
            "A layer without noise loses no information: what is measured is that of its values in bins. Compression "
            "is seen with functions that saturate, and depends on the bins (Saxe et al., 2018): change their number, "
            "and compare tanh with ReLU."
        )

    def settings(self) -> list[Setting]:
        return [Setting(name="bins", label=_("bins"), values=(2, 3, 5, 10, 20, 30, 50, 100), value=30)]

    def steps(self, values: Values, model: nn.Module) -> Iterator[Outcome]:
        bins, classes = int(values["bins"]), centred_digits(500, 8)[1]
        drawn, late = list[Drawn](), list[str]()
        most = 1.0
        for place, name in enumerate(_FUNCTIONS):
            for share in _trained_steps(name):
                if share < 1:
                    yield Outcome(_charts(drawn, most), "", (place + share) / len(_FUNCTIONS))
            read = _kept[name]
            found = [information_plane(item, classes, bins=(bins,)) for _step, item in read]
            inputs = np.array([item.inputs[0] for item in found])
            labels = np.array([item.labels[0] for item in found])
            most = found[0].most
            drawn.append((_NAMES[name], [step for step, _item in read], inputs, labels))
            late.append(
                _(
                    "{name}: I(X; T) is at most {most} bits and ends at {last}.",
                    name=_NAMES[name],
                    most=number(f"{inputs.max():.2f}"),
                    last=number(f"{inputs[-1]:.2f}"),
                )
            )
        yield Outcome(_charts(drawn, most), " ".join(late), 1.0)


def _charts(drawn: list[Drawn], most: float) -> list[PlotPayload]:
    bits = _("bits about the input, I(X; T)")
    plane = plot(
        _("the plane"),
        bits,
        _("bits about the class, I(T; Y)"),
        [
            limit(_("all there is: {bits} bits", bits=number(f"{np.log2(10):.2f}")), [0, most], float(np.log2(10))),
            *(series(name, "measured", inputs, labels) for name, _steps, inputs, labels in drawn),
        ],
    )
    over = plot(
        _("compression?"),
        _("step"),
        bits,
        [
            limit(_("all there is: {bits} bits", bits=number(f"{most:.2f}")), [1, _AT[-1]], most),
            *(series(name, "measured", np.maximum(steps, 1), inputs) for name, steps, inputs, _labels in drawn),
        ],
        log_x=True,
    )
    return [plane, over]


_kept: dict[str, list[tuple[int, Tensor]]] = {}  # the layer's values by function, trained once for all bins


def _trained_steps(name: str) -> Iterator[float]:
    """Train a network, unless that was done; the share that is done."""
    if name in _kept:
        return
    x, classes = centred_digits(500, 8)
    function = nn.Tanh if name == "tanh" else nn.ReLU
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            *(nn.Linear(64, 12), function(), nn.Linear(12, 6), function()),
            *(nn.Linear(6, 4), function(), nn.Linear(4, 10)),
        )
    read = []
    for step, item in hidden_values_steps(network, x, classes, layer=_LAYER, at=_AT):
        read.append((step, item))
        yield step / _AT[-1]
    _kept[name] = read
