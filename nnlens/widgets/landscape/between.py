"""The loss on the straight line to another state of the model."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import traitlets as t
from torch import Tensor

from nnlens.kernels.training import Interpolation, interpolation
from nnlens.recording import version_of
from nnlens.recording.record import unwrapped
from nnlens.render.plots import PlotPayload, plot, series
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced
from nnlens.widgets.weights.against import other_models

from .part import LandscapePart


class BetweenTraits(t.HasTraits):
    """The traits of `BetweenPart`."""

    between = payload(PlotPayload, "the loss on the straight line to the other model")
    between_words = synced(t.Unicode("", help="what it shows, in words"))


class BetweenPart(Part):
    """Only where another model, or a state of this one, was given."""

    traits: BetweenTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._other: dict[str, Tensor] | None = None
        if options.get("other") is not None:
            others = other_models(self.session.model, options["other"], "other")
            if len(others) != 1:
                raise ValueError(f"other must be one model, lens or state dictionary, got {len(others)}")
            self._other = {
                name: value.detach().clone() for name, value in unwrapped(*others.values()).state_dict().items()
            }
            own = unwrapped(self.session.model).state_dict()
            if {name: value.shape for name, value in own.items()} != {n: v.shape for n, v in self._other.items()}:
                raise ValueError(
                    "other must be a model of the same kind: its weights have other names or shapes than those of "
                    f"{type(self.session.model).__name__}"
                )
        self._found: tuple[Any, Interpolation] | None = None

    def start(self) -> None:
        self._run()

    def model_changed(self) -> None:
        self._run()

    def _run(self) -> None:
        if self._other is not None:
            self.view.submit("map", lambda: self.view.reported(_("loss between two models"), self._steps()))

    def _steps(self) -> Generator[None, None, None]:
        yield
        self.result()

    def result(self) -> Interpolation | None:
        """The loss on the line; None without another model."""
        if self._other is None:
            return None
        model = unwrapped(self.session.model)
        version = version_of(model, full=True)
        if self._found is None or self._found[0] != version:
            loss = self.view.part(LandscapePart).loss_in_memory()
            self._found = version, interpolation(model, model.state_dict(), self._other, loss)
        found = self._found[1]
        ends = [found.values[0], found.values[-1]]
        drawn = [
            series(_("straight line"), "limit", [0, 1], ends),
            series(_("measured"), "measured", found.shares, found.values),
        ]
        self.traits.between = plot(_("to the other model"), _("share of the way"), _("loss"), drawn)
        self.traits.between_words = found.describe()
        return found

    def complete(self) -> None:
        self.result()

    def describe(self) -> str:
        return str(self.traits.between_words)
