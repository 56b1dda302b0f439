"""The scores without the unit: of this image, and over a data set."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import numpy as np
import traitlets as t

from nnlens.export.bundle import Response
from nnlens.kernels import Ablation, ablation, dataset_ablation_steps
from nnlens.recording import version_of
from nnlens.render import ablation_payload, payloads, unit_payloads
from nnlens.widgets.base.traits import counter, payload, synced

from .card import CardPart, UnitPart

REPLACEMENTS = ("zero", "mean")
CLASSES = 6  # that are shown
PUBLISH_EVERY = 0.25  # seconds


class AblationTraits(t.HasTraits):
    """The traits of `AblationPart`."""

    replacement = synced(t.Enum(REPLACEMENTS, "zero", help="what replaces the unit's map"), state=True)
    ablation = payload(unit_payloads.AblationPayload | payloads.Failed, "the scores with and without the unit")
    ablation_run = counter("a request to ablate the unit over the data set")
    ablation_stop = counter("a request to stop that")
    dataset_ablation = payload(unit_payloads.DatasetAblation, "the ablation over the data set, so far")


class AblationPart(UnitPart):
    """The most probable classes with the unit taken out."""

    traits: AblationTraits

    def start(self) -> None:
        self.observe("replacement", self.view.part(CardPart).follow)
        self.observe("ablation_run", self._run)
        self.observe("ablation_stop", self._stop)

    @property
    def result(self) -> Ablation:
        """Of this image."""
        return self._computed(self.traits.replacement)

    def _computed(self, replacement: Any) -> Ablation:
        sample, layer, unit = self.sample, self.selection.layer, self.selection.unit

        def make() -> Ablation:
            return ablation(
                sample.model,
                sample.input.x,
                layer,
                unit,
                replacement=replacement,
                output=sample.scored(),
                recording=sample.recording,
                prepared=self.session.prepared(sample),
            )

        result: Ablation = sample.cache.once("ablation", layer, unit, replacement, make=make)
        return result

    def show(self) -> None:
        selection, replacement = self.selection, self.traits.replacement
        made_of = selection.sample, selection.layer, selection.unit, selection.target, replacement
        self.publish("ablation", made_of, lambda: self._payload(replacement))

    def _payload(self, replacement: str) -> dict[str, Any]:
        return {**ablation_payload(self._computed(replacement), self.view.shown_classes(), CLASSES)}

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        if not self.is_open:
            return []
        replacements = REPLACEMENTS if whole else (self.traits.replacement,)
        table = {name: {"ablation": self.made(self._payload, name)} for name in replacements}
        return [Response(("replacement",), table)]

    # Over the data set.

    def _run(self, change: Any = None) -> None:
        if self.session.search.data is None:
            self.view.show_error(ValueError("there is no data set yet: open one with lens.examples(dataset)"))
            return
        self.view.submit("data", self._steps)

    def _stop(self, change: Any = None) -> None:
        self.view.cancel_job("data", self._stopped)

    def _stopped(self) -> None:
        if self.traits.dataset_ablation is not None:
            self.traits.dataset_ablation = {**self.traits.dataset_ablation, "running": False}

    def _steps(self) -> Generator[None, None, None]:
        self.view.update()
        # All settings are read once.
        sample, layer, unit = self.sample, self.selection.layer, self.selection.unit
        search, version, replacement = self.session.search, version_of(self.session.model), self.traits.replacement
        data = search.data
        assert data is not None
        # The search's own pass, where it is still valid: its images may differ in size from this one.
        own = search.current
        about: dict[str, Any] = {"layer": layer, "unit": unit, "replacement": replacement, "total": len(data)}
        about |= {"done": 0, "seen": 0, "top_class_changes": 0, "classes": []}
        published = 0.0
        try:
            steps = dataset_ablation_steps(
                search.model if own else sample.model,
                data,
                layer,
                unit,
                replacement=replacement,
                output=sample.scored(),
                recording=search.recording if own else sample.recording,
                prepared=search.prepared if own else self.session.prepared(sample),
            )
            for step in steps:
                if version_of(self.session.model) != version:
                    raise ValueError("the model's weights have changed during the ablation")
                if step.seen and (step.complete or time.monotonic() - published > PUBLISH_EVERY):
                    published = time.monotonic()
                    most = np.argsort(-np.abs(step.change), kind="stable")[:CLASSES]
                    self.traits.dataset_ablation = {
                        **about,
                        "done": step.done,
                        "seen": step.seen,
                        "top_class_changes": step.top_class_changes,
                        "classes": [(int(index), float(step.change[index])) for index in most],
                        "running": not step.complete,
                    }
                yield
        except GeneratorExit:
            self.traits.dataset_ablation = {**(self.traits.dataset_ablation or about), "running": False}
            raise
        except Exception as error:
            self.traits.dataset_ablation = {**about, "error": str(error), "running": False}
