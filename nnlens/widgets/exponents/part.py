"""The Lyapunov exponents of a recurrent layer."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import traitlets as t

from nnlens.kernels.chaos import Exponents, recurrent_exponents, recurrent_layers
from nnlens.render import Panel
from nnlens.render.functions import payloads
from nnlens.render.functions.sensitivity import exponents_image
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced

_TOKENS = 400  # at most: each takes some milliseconds


class ExponentsTraits(t.HasTraits):
    """The traits of `ExponentsPart`."""

    exponents = payload(payloads.ExponentsPayload, "the largest exponents; null while they are computed")
    recurrent_layer = synced(t.Unicode("", help="the recurrent layer"), state=True)
    recurrent_layers = synced(t.List(t.Unicode(), help="those that the model has"), list[str])


class ExponentsPart(Part):
    """Computed in the background: a step with all directions for each token."""

    traits: ExponentsTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        layers = list(recurrent_layers(self.sample.recording))
        if not layers:
            raise ValueError("the model must have a recurrent layer (torch.nn.LSTM, GRU or RNN); it has none")
        self.traits.recurrent_layers = layers
        asked = options.get("recurrent_layer")
        if asked is not None and asked not in layers:
            raise ValueError(f"recurrent_layer must be one of {', '.join(layers)}, got {asked!r}")
        self.traits.recurrent_layer = asked or layers[0]

    def start(self) -> None:
        self.observe("recurrent_layer", self.followed)
        self.followed(None)

    def new_image(self) -> dict[str, Any]:
        return {"exponents": None}

    def followed(self, change: Any) -> None:
        of = (self.sample, self.traits.recurrent_layer)
        if self.view.is_outdated("exponents", of):
            self.traits.exponents = None
            self.view.submit("card", lambda: self.view.reported(_("Lyapunov exponents"), self._steps()))

    def _steps(self) -> Generator[None, None, None]:
        yield
        found = self.result()
        self.traits.exponents = {
            "values": [float(value) if math.isfinite(value) else None for value in found.values],
            "errors": [float(error) if math.isfinite(error) else None for error in found.errors],
            "steps": found.steps,
            "collapsed": found.collapsed,
            "dimension": found.dimension,
            "about": found.describe(),
        }

    def result(self) -> Exponents:
        """The exponents over the first tokens of the text."""
        layer, x = self.traits.recurrent_layer, self.sample.input.x
        axis = int(np.argmax(x.shape[:2]))  # whether the model takes (1, tokens) or (tokens, 1)
        x = x.narrow(axis, 0, min(_TOKENS, x.shape[axis]))
        made: Exponents = self.sample.cache.once(
            "exponents",
            layer,
            make=lambda: recurrent_exponents(self.session.model, x, layer=layer),
        )
        return made

    def complete(self) -> None:
        for _step in self._steps():
            pass

    def describe(self) -> str:
        return "" if self.traits.exponents is None else self.traits.exponents["about"]

    def panels(self) -> list[Panel]:
        return [Panel(title=self.result().describe(), image=exponents_image(self.result()))]
