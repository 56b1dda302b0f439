"""The replacements of a layer, tried one after the other in the background."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import traitlets as t

from nnlens.inputs.datasets import ImageDataset, LabelledImages
from nnlens.kernels.weights import Sweep, sweep_steps
from nnlens.kernels.weights.replacement.sweep import planned
from nnlens.render.weights import payloads, sweep_payload, sweep_words
from nnlens.session.dataset_search import store_folder
from nnlens.utils.language import _
from nnlens.widgets.base.options import sharding_options
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload, synced
from nnlens.widgets.weights.choice import WeightPart


class SweepTraits(t.HasTraits):
    """The traits of `SweepPart`."""

    sweep = payload(payloads.SweepPayload, "the replacements that were tried so far")
    loss = synced(t.Float(0.01, min=0, max=1, help="the share of the images that a replacement may lose"), state=True)
    resume = counter("a request to continue what was stopped")


class SweepPart(Part):
    """Accuracy against cost for several simpler forms of the chosen weight."""

    traits: SweepTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._data: ImageDataset = self.session.setup.dataset(options["data"])
        self._count, self._methods = options.get("count", 256), options.get("methods")
        self._settings = options.get("settings")
        self._sharding = sharding_options(options, store=store_folder() / "replacements")
        if isinstance(self._count, bool) or not isinstance(self._count, int) or self._count < 1:
            raise ValueError(f"count must be a whole number, 1 or more, got {self._count!r}")
        if isinstance(self._methods, str):
            self._methods = [self._methods]
        if options.get("loss") is not None:
            self.traits.loss = options["loss"]
        planned(
            self.session.model, self.view.part(WeightPart).current, self._methods, self._settings
        )  # raises for what does not fit
        self._images: LabelledImages | None = None
        self._sweep: Sweep | None = None
        self._steps: Iterator[Sweep] | None = None
        self._of: tuple[Any, ...] = ()

    def start(self) -> None:
        self.observe("resume", self._run)
        self.observe("cancel", self._stop)
        self.observe("loss", lambda change: self._tell(running=False))
        self.followed(None)

    def followed(self, change: Any) -> None:
        """Another weight was chosen, or the model has changed: begin anew."""
        weight = self.view.part(WeightPart).current
        if self._of != (weight,):
            self._of, self._steps, self._sweep = (weight,), None, None
            self._run()

    def _run(self, change: Any = None) -> None:
        if not self.view.is_static:
            self.view.submit("data", lambda: self.view.reported(_("trying replacements"), self._job()))

    def _stop(self, change: Any = None) -> None:
        self.view.cancel_job("data", lambda: self._tell(running=False))

    def _job(self) -> Generator[None, None, None]:
        before = -1
        while self.step():
            if self._sweep is not None and self._sweep.done != before:
                before = self._sweep.done
                self._tell(running=True)
            yield
        self._tell(running=False)

    def step(self) -> bool:
        """One more batch of images; False when all settings were tried."""
        if self._sweep is not None and self._sweep.done == self._sweep.total:
            return False
        if self._steps is None:
            if self._images is None:
                # In shards the images are read where they are worked on.
                self._images = self._data.labelled(self._count, in_memory=not self._sharding)
            methods = {"methods": self._methods} if self._methods is not None else {}
            self._steps = sweep_steps(
                self.session.model,
                self.view.part(WeightPart).current.name,
                self._images.images,
                labels=self._images.classes,
                settings=self._settings,
                output=self.session.output,
                **methods,
                **self._sharding,
            )
        try:
            self._sweep = next(self._steps)
        except Exception:
            self._steps = None  # begun anew when it is asked for again
            raise
        return True

    def finish(self) -> Sweep:
        """Try the rest now."""
        while self.step():
            pass
        self._tell(running=False)
        assert self._sweep is not None
        return self._sweep

    def _tell(self, *, running: bool) -> None:
        if self._sweep is None:
            return
        weight = self.view.part(WeightPart).current
        images, later = self._images, self._sweep.skipped
        assert images is not None
        self.traits.sweep = sweep_payload(
            self._sweep,
            weight.label,
            weight.values.numel(),
            running=running,
            loss=self.traits.loss,
            images=len(images) - len(later),
            skipped=images.all_skipped(later),
        )

    def complete(self) -> None:
        self.finish()

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        sweep = state["sweep"]
        return {"sweep": sweep and {**sweep, "running": False}}

    def describe(self) -> str:
        if self._sweep is None:
            return ""
        words = sweep_words(self._sweep, self.traits.loss)
        return _("Replacements of {layer}: {words}.", layer=self._sweep.layer, words=words)
