"""What the chosen filter does in the network: its Gabor fit, what it reads from the image, its answers to gratings."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import torch
import traitlets as t

from nnlens.export.bundle import Response, within_budget
from nnlens.kernels.weights import Expanded, Tuning, attention_modules, expanded_weights, gratings_steps, heads
from nnlens.render.weights import expanded_payload, heads_payload, payloads, tuning_payload
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload, synced
from nnlens.widgets.weights.choice import WeightPart

from .bank import BankPart

IMAGES = 32  # of a data set, for the mean gradient
MOST_EXPANDED = 64  # filters whose expanded weights a page holds


class ResponsesTraits(t.HasTraits):
    """The traits of `ResponsesPart`."""

    expanded = payload(payloads.ExpandedFilter, "what the filter reads from the image")
    expanded_by = synced(
        t.Enum(("linear", "gradient"), "linear", help="the product of linear parts, or the mean gradient"), state=True
    )
    tuning = payload(payloads.FilterTuning, "how the filter's unit responds to gratings")
    resume = counter("a request to continue what was stopped")
    heads = payload(payloads.HeadsPayload, "the heads of the attention module that the weight belongs to")


class ResponsesPart(Part):
    """Brought up to date in the background, the quickest first."""

    traits: ResponsesTraits

    def start(self) -> None:
        self.observe(["expanded_by", "resume"], self.followed)
        self.observe("cancel", lambda change: self.view.cancel_job("card"))
        self.followed(None)

    def followed(self, change: Any) -> None:
        if not self.view.is_static:
            self.view.submit("card", self._steps)

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """The same for the other filters of the weight, as far as it is known or can be computed in one go."""
        chosen = self.view.part(WeightPart)
        if not chosen.traits.linked or not whole:
            return []
        name, count = chosen.traits.weight, len(chosen.current)
        tuning: Tuning | None = self.sample.cache.get("tuning", self._layer)
        kept: dict[str, dict[str, Any]] = {f"{name}|{unit}": {} for unit in range(count)}
        for unit in range(count if tuning is not None else 0):
            assert tuning is not None
            kept[f"{name}|{unit}"]["tuning"] = tuning_payload(name, unit, tuning, 1.0)
        if count <= MOST_EXPANDED and self.traits.expanded and self.traits.expanded["texture"]:
            everything = self.expanded(range(count))
            for unit in range(count):
                kept[f"{name}|{unit}"]["expanded"] = expanded_payload(name, unit, everything, unit)
        return [Response(("weight", "filter"), within_budget(kept.items(), budget))]

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        tuning = state["tuning"]
        return {"tuning": tuning and {**tuning, "done": 1.0}}

    def complete(self) -> None:
        for _step in self._steps():
            pass

    def _steps(self) -> Generator[None, None, None]:
        chosen = self.view.part(WeightPart)
        name, unit = chosen.traits.weight, chosen.traits.filter
        about = {"weight": name, "filter": unit}
        try:
            statistics = self.session.filter_statistics(name)
            if statistics.gabor is not None:
                self.view.part(BankPart).fitted(statistics)
            yield
        except ValueError:
            return  # the bank says why
        yield from self._heads(name)
        if not chosen.traits.linked or self.sample.input.x.ndim != 4:
            why = _("open an image to see it") if self.sample.is_blank else _("the pass has no unit for this filter")
            nothing = {**about, "problem": why}
            self.traits.expanded = {**nothing, "words": "", "texture": None}
            self.traits.tuning = {**nothing, **_NO_TUNING}
            return
        if self.view.is_outdated("expanded", (statistics, unit, self.sample, self.traits.expanded_by)):
            try:
                self.traits.expanded = expanded_payload(name, unit, self.expanded([unit]))
            except Exception as error:
                self.traits.expanded = {**about, "words": "", "texture": None, "problem": str(error)}
        yield
        try:
            for tuning, done in self._tuned():
                self.traits.tuning = tuning_payload(name, unit, tuning, done)
                yield
        except Exception as error:
            self.traits.tuning = {**about, **_NO_TUNING, "problem": str(error)}

    @property
    def _layer(self) -> str:
        """The operation that computes with the weight, before any activation function."""
        layer = self.view.part(WeightPart).layer_of(self.view.part(WeightPart).traits.weight)
        assert layer is not None  # the weight is linked
        return layer

    def expanded(self, units: Sequence[int]) -> Expanded:
        """What units of the weight read from the image."""
        sample, images = self.sample, None
        if self.traits.expanded_by == "gradient":
            data = self.session.search.data
            found = [] if data is None else [data.tensor(item) for item in range(min(IMAGES, len(data)))]
            fitting = [image for image in found if image is not None and image.shape == sample.input.x.shape[1:]]
            images = fitting or [sample.input.x[0]]
        return expanded_weights(sample.model, sample.recording, sample.input.x, self._layer, units, images=images)

    def _tuned(self) -> Generator[tuple[Tuning, float], None, None]:
        """The responses of the selected layer so far, and the share that is done; kept for all its units."""
        sample, layer = self.sample, self._layer
        known = sample.cache.get("tuning", layer)
        if known is not None:
            yield known, 1.0
            return
        tuning: Tuning | None = None
        for tuning in gratings_steps(sample.model, sample.recording, sample.input.x, layer):
            share = float(torch.from_numpy(tuning.values[0]).isfinite().float().mean())
            yield tuning, min(share, 0.999)
        sample.cache.put("tuning", layer, value=tuning)
        assert tuning is not None
        yield tuning, 1.0

    def _heads(self, name: str) -> Generator[None, None, None]:
        """The heads of the attention module around the weight."""
        model = self.session.model
        module = self.session.weights()[name].module
        around = [path for path in attention_modules(model) if module == path or module.startswith(f"{path}.")]
        path = max(around, key=len, default=None)
        if self.view.is_outdated("heads", (self.session.weights(), path)):
            try:
                self.traits.heads = None if path is None else heads_payload(heads(model, path))
            except Exception as error:
                self.traits.heads = None
                self.view.show_error(error)
            yield


_NO_TUNING: dict[str, Any] = {
    "orientations": [],
    "frequencies": [],
    "values": b"",
    "grey": None,
    "best": None,
    "selectivity": None,
    "done": 1.0,
}
