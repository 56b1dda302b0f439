"""The rows of the table: a layer each, first by itself, then beside more and more draws of its initialisation."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from typing import Any

import traitlets as t

from nnlens.kernels.weights import Comparison, Found, Weight, compare, compare_with_initial_steps, find
from nnlens.kernels.weights.comparison import limits_of_what_it_shows
from nnlens.render.weights import failed_weight_row, measure_words, payloads, weight_row
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload, synced

from .against import other_models
from .choice import WeightPart

INITIAL = "initial"
TELL_EVERY = 1.0  # seconds: each time all rows are sent


class RowsTraits(t.HasTraits):
    """The traits of `RowsPart`."""

    weight_rows = synced(t.List(help="a row for each weight"), list[payloads.WeightRow])
    measures = synced(t.List(help="what the numbers are called"), list[payloads.MeasureWords])
    against = synced(t.Unicode(INITIAL, help='what the rows are compared with: "initial", or a name'), state=True)
    references = synced(t.List(help="the names that `against` may have besides"), list[str])
    ordered_by = synced(
        t.Unicode("", help="the number by which the rows are ordered; empty: as in the model"), state=True
    )
    not_shown = synced(t.Unicode("", help="what the comparison cannot show"))
    weights_progress = payload(payloads.WeightsProgress, "how far the statistics are")
    resume = counter("a request to continue what was stopped")


class RowsPart(Part):
    """Statistics of all weights, and of what they are compared with."""

    traits: RowsTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._others = other_models(self.session.model, options.get("against"))
        self._draws = options.get("draws", 10)
        if isinstance(self._draws, bool) or not isinstance(self._draws, int) or self._draws < 0:
            raise ValueError(f"draws must be a whole number, 0 or more, got {self._draws!r}")
        self.traits.references = list(self._others)
        self.traits.against = next(iter(self._others), INITIAL)
        self.traits.measures = measure_words()
        self.traits.not_shown = limits_of_what_it_shows()
        self._begin()

    def start(self) -> None:
        self.observe("against", self._again)
        self.observe("resume", self._run)
        self.observe("cancel", self._stop)
        self._run()

    def _begin(self) -> None:
        """Forget what was computed: another reference, or the model has changed."""
        self._found: Found = self.session.weights()
        self._steps: Generator[None, None, None] | None = None
        self.comparisons: dict[str, Comparison] = {}
        self._rows: dict[str, payloads.WeightRow] = {}
        self._changed: set[str] = set()  # whose rows are to be made anew
        self._done, self._total = 0, len(self._found)
        if self.traits.against == INITIAL:
            self._total *= 1 + self._draws

    def _again(self, change: Any = None) -> None:
        if self.traits.against not in (INITIAL, *self._others):
            known = ", ".join((INITIAL, *self._others))
            wrong, self.traits.against = self.traits.against, change["old"]
            raise ValueError(f"against must be one of {known}, got {wrong!r}")
        self._begin()
        self._run()

    def model_changed(self) -> None:
        self._begin()
        self._run()

    def _run(self, change: Any = None) -> None:
        if not self.view.is_static:
            self.view.submit("data", lambda: self.view.reported(_("statistics of the weights"), self._job()))

    def _stop(self, change: Any = None) -> None:
        self.view.cancel_job("data", lambda: self._tell(running=False))

    def _job(self) -> Generator[None, None, None]:
        told = 0.0
        while self.step():
            if time.monotonic() - told > TELL_EVERY:
                self._tell(running=True)
                told = time.monotonic()
            yield
        self._tell(running=False)

    def step(self) -> bool:
        """Compute one more layer, or draw one more initialisation; False when all is done."""
        if self._steps is None:
            self._steps = self._all()
        return next(self._steps, self) is not self

    def finish(self) -> None:
        """Compute the rest now."""
        while self.step():
            pass
        self._tell(running=False)

    def _all(self) -> Generator[None, None, None]:
        other = self._others.get(self.traits.against)
        matching = None if other is None else find(other)
        running = []
        for weight in self._found:
            try:
                steps = (
                    iter([self._beside(weight, matching)])
                    if other is not None
                    else compare_with_initial_steps(weight, draws=self._draws)
                )
                self._take(weight, next(steps))
                running.append((weight, steps))
            except Exception as error:
                self._rows[weight.name] = failed_weight_row(weight.name, weight.label, str(error))
                self._total -= 0 if other is not None else self._draws
            self._done += 1
            yield
        # All layers get their next draw in turn, so that the table is useful from the start.
        while running:
            for pair in list(running):
                weight, steps = pair
                comparison = next(steps, None)
                if comparison is None:
                    running.remove(pair)
                    continue
                self._take(weight, comparison)
                if comparison.problem:
                    self._total -= self._draws  # there is nothing to draw
                    running.remove(pair)
                    continue
                self._done += 1
                yield

    def _beside(self, weight: Weight, matching: Found | None) -> Comparison:
        """A weight beside that of the same name in the other model."""
        assert matching is not None
        there = [matching[weight.name]] if weight.name in matching else []
        return compare(weight, there, against=self.traits.against)

    def _take(self, weight: Weight, comparison: Comparison) -> None:
        self.comparisons[weight.name] = comparison
        self._changed.add(weight.name)

    def _tell(self, *, running: bool) -> None:
        for name in self._changed:
            self._rows[name] = weight_row(self.comparisons[name], self._rows.get(name))
        self._changed.clear()
        rows = [self._rows[weight.name] for weight in self._found if weight.name in self._rows]
        with self.view.hold_sync():
            self.traits.weight_rows = rows
            self.traits.weights_progress = {"done": self._done, "total": self._total, "running": running}

    def complete(self) -> None:
        self.finish()

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        done = state["weights_progress"] or {"done": 0, "total": 0}
        return {"weights_progress": {**done, "running": False}}

    def describe(self) -> str:
        name = self.view.part(WeightPart).traits.weight
        comparison = self.comparisons.get(name)
        findings = [] if comparison is None else comparison.findings()
        return " ".join([_("Weights of {count} layers.", count=len(self._found)), f"{name}:", *findings])
