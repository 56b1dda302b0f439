"""Another way to predict the network: simple models fitted around the image, and where they fail."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import torch
import traitlets as t

from nnlens.kernels.chaos import random_directions
from nnlens.kernels.functions import SurrogateFits, installed_surrogates, surrogate_steps
from nnlens.render.functions import payloads
from nnlens.render.functions.sensitivity import surrogates_payload
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload
from nnlens.widgets.local_map.piece import score_columns

_DIRECTIONS = 6
_SHARES = np.geomspace(0.0003, 1.0, 8)  # radii, of the input's length
_PACKAGES = {"tree": "scikit-learn", "symbolic": "gplearn"}


class SurrogatesTraits(t.HasTraits):
    """The traits of `SurrogatesPart`."""

    surrogates = payload(payloads.SurrogatesPayload, "how well simple models predict the network; null before")
    fit = counter("a request to fit them")
    fitted = payload(payloads.FitProgress, "how far the fitting has come; null when it is not running")


class SurrogatesPart(Part):
    """Fitted when they are asked for: that takes some hundred passes."""

    traits: SurrogatesTraits

    def new_image(self) -> dict[str, Any]:
        return {"surrogates": None, "fitted": None}

    def start(self) -> None:
        self.observe("fit", self._fit)

    def followed(self, change: Any) -> None:
        """Another class: what was fitted for it, if anything was."""
        if self.view.is_outdated("surrogates", (self.sample, self.selection.target)):
            found = self.sample.cache.get("surrogates", self.selection.target)
            self.traits.surrogates = None if found is None else self._payload(found, self.sample)

    def _payload(self, found: SurrogateFits, sample: Any) -> payloads.SurrogatesPayload:
        length = float(sample.input.x.double().norm()) or 1.0
        missing = [package for kind, package in _PACKAGES.items() if kind not in found.kinds]
        return surrogates_payload(found, length, missing)

    def _fit(self, change: Any) -> None:
        sample, target = self.sample, self.selection.target
        self.view.submit("data", lambda: self.view.reported(_("fitting simple models"), self._steps(sample, target)))

    def _steps(self, sample: Any, target: int) -> Generator[None, None, None]:
        found = sample.cache.get("surrogates", target)
        length = float(sample.input.x.double().norm()) or 1.0
        if found is None:
            try:
                steps = self._fits(sample, target, length)
                while True:
                    self.traits.fitted = {"share": next(steps)}
                    yield
            except StopIteration as stop:
                found = stop.value
            finally:
                self.traits.fitted = None
            sample.cache.put("surrogates", target, value=found)
        if (sample, target) == (self.sample, self.selection.target):
            self.traits.surrogates = self._payload(found, sample)

    def _fits(self, sample: Any, target: int, length: float) -> Generator[float, None, SurrogateFits]:
        x = sample.input.x
        stretched = sample.cache.get("stretch")
        chance = random_directions(x, _DIRECTIONS).to(x)
        directions = chance if stretched is None else torch.cat([stretched.directions.to(x), chance])[:_DIRECTIONS]
        outputs = self._outputs(sample, target)
        return (
            yield from surrogate_steps(
                sample.model,
                x,
                directions,
                _SHARES * length,
                outputs=outputs,
                kinds=installed_surrogates(),
                output=self.session.setup.pick,
            )
        )

    def _outputs(self, sample: Any, target: int) -> tuple[int, int | None]:
        """The target and the best of the others, or the single output."""
        if score_columns(self.session, sample) == 1:
            return 0, None
        order = sample.logits.argsort()[::-1]
        return target, int(order[0] if order[0] != target else order[1]) if len(order) > 1 else None

    def result(self) -> SurrogateFits:
        """The fits; they are made now where they are missing."""
        target = self.selection.target
        for _step in self._steps(self.sample, target):
            pass
        made: SurrogateFits = self.sample.cache.get("surrogates", target)
        return made

    def describe(self) -> str:
        found = self.sample.cache.get("surrogates", self.selection.target)
        return "" if found is None else found.describe()
