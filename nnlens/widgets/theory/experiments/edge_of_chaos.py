"""Order and chaos of deep random networks, and where trained networks lie."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import ClassVar

import numpy as np
from torch import nn

from nnlens.kernels.chaos import critical_weight_variance
from nnlens.kernels.chaos.mean_field import Activation
from nnlens.kernels.training.theories import edge_of_chaos, layer_scales
from nnlens.render.plots import plot, series
from nnlens.utils.language import _, number

from .experiment import Outcome, Setting, Values

_DEPTH = 20
_BIASES = np.linspace(0, 1, 21)


class EdgeOfChaosExperiment:
    """Two inputs through random networks; σw and σb are the standard deviations of weights and biases."""

    name: ClassVar = "edge of chaos"

    def title(self) -> str:
        return _("edge of chaos")

    def about(self) -> str:
        return _(
            "In a very wide random network all inputs become alike with depth where the weights are small (order), and "
            "inputs that are nearly alike become unrelated where they are large (chaos). In between, at χ = 1, signals "
            "and gradients reach deepest (Poole et al., 2016; Schoenholz et al., 2017). "
            "With ReLU all inputs become alike whatever σw, and χ says whether the lengths of signals grow or fade."
        )

    def check(self) -> str:
        return _(
            "The curve holds for infinite width: with few units the networks spread around it. The line of the second "
            "chart is for random weights. Trained weights need not keep to it, and a normalisation replaces what they "
            "do."
        )

    def settings(self) -> list[Setting]:
        scales = (0.5, 0.75, 1.0, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0)
        return [
            Setting(
                name="activation",
                label=_("activation"),
                values=("tanh", "relu"),
                value="tanh",
                words=("tanh", "ReLU"),
            ),
            Setting(name="weights", label="σw", values=scales, value=1.5),
            Setting(name="biases", label="σb", values=(0.0, 0.1, 0.2, 0.3, 0.5, 1.0), value=0.2),
            Setting(name="width", label=_("units per layer"), values=(10, 30, 100, 300), value=300),
        ]

    def steps(self, values: Values, model: nn.Module) -> Iterator[Outcome]:
        activation, weight, bias = values["activation"], values["weights"] ** 2, values["biases"] ** 2
        found = edge_of_chaos(activation, weight, bias, width=int(values["width"]), depth=_DEPTH)
        layers = np.arange(_DEPTH + 1)
        depth = plot(
            _("two inputs on their way"),
            _("layer"),
            _("correlation"),
            [
                series(_("theory"), "theory", layers, found.expected),
                series(_("random networks"), "measured", layers, found.measured, low=found.low, high=found.high),
            ],
        )
        scales = layer_scales(model)
        places = plot(
            _("where trained layers lie"),
            "σw",
            "σb",
            [
                series(_("theory: χ = 1"), "theory", _critical(activation), _BIASES),
                series(
                    _("layers of {model}", model=type(model).__name__),
                    "dots",
                    [item.weight_variance**0.5 for item in scales],
                    [item.bias_variance**0.5 for item in scales],
                ),
                series(_("chosen here"), "dots", [values["weights"]], [values["biases"]]),
            ],
            log_x=True,
        )
        below, above = (_("order"), _("chaos")) if activation == "tanh" else (_("signals fade"), _("signals grow"))
        phase = below if found.growth < 1 else above if found.growth > 1 else _("the edge")
        words = _(
            "χ = {growth}: {phase}. After {depth} layers the theory says a correlation of {expected}, and the networks "
            "have {measured} ({low} to {high}).",
            growth=number(f"{found.growth:.3f}"),
            phase=phase,
            depth=_DEPTH,
            expected=number(f"{found.expected[-1]:.2f}"),
            measured=number(f"{found.measured[-1]:.2f}"),
            low=number(f"{found.low[-1]:.2f}"),
            high=number(f"{found.high[-1]:.2f}"),
        )
        yield Outcome([depth, places], words, 1.0)


@cache
def _critical(activation: Activation) -> np.ndarray:
    """σw at the edge, for each of the σb that are drawn."""
    return np.array([critical_weight_variance(activation, item**2) ** 0.5 for item in _BIASES])
