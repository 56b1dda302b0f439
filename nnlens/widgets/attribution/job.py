"""What the grid computes in the background: superpixels, maps, checks that were asked for, evidence."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping
from typing import Any

from nnlens.kernels import CHECKS, METHODS
from nnlens.kernels.attribution.evidence.evidence import ORDERS, STEPS, check_words
from nnlens.kernels.names import method_words
from nnlens.session.sample import Sample
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part

from .grid import GridPart
from .traits import DECIDING, AttributionTraits

PUBLISH_EVERY = 0.2  # seconds between two states of a growing map


class Progress:
    """How far a job is, published now and then."""

    def __init__(self, grid: GridPart, generation: int, total: float):
        self._grid, self._generation = grid, generation
        self._shown = 0.0
        self.restart(total)

    def restart(self, total: float) -> None:
        """Start to count again, to `total` passes."""
        self.total, self.spent, self._begin = total, 0.0, time.monotonic()

    def show(self, what: str, row: int, done: float = 0.0, *, force: bool = False) -> bool:
        """Publish that `done` passes of a step have been made; False if it is too early for that."""
        now = time.monotonic()
        if not force and now - self._shown < PUBLISH_EVERY:
            return False
        self._shown = now
        done += self.spent
        pace = (now - self._begin) / done if done > 5 else None
        remaining = None if pace is None else pace * max(0.0, self.total - done)
        grid = self._grid
        with grid.showing:
            if self._generation == grid.generation and not grid.traits.stopped:
                grid.traits.progress = {
                    "what": what,
                    "row": row,
                    "done": done,
                    "total": self.total,
                    "remaining": remaining,
                }
        return True


class JobPart(Part):
    """Decides what is computed next, and computes it: the cheapest cells first."""

    traits: AttributionTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._grid = self.view.part(GridPart)
        self._followed: list[tuple[Sample, int]] = []

    def start(self) -> None:
        self.observe(["methods", "other_targets", *DECIDING], self.restart)
        self.observe("resume", self._resume)
        self.observe("cancel", lambda _: self.stop())
        self.observe("check_request", self._ask)
        self._followed = self._wanted()
        self.restart()

    def _wanted(self) -> list[tuple[Sample, int]]:
        return [(row.sample, row.target) for row in self._grid.rows()]

    def followed(self, change: Any) -> None:
        wanted = self._wanted()
        if wanted == self._followed:
            return
        self._followed = wanted
        if change is not None and change["name"] == "sample" and change["old"].input is not change["new"].input:
            with self.view.hold_trait_notifications():
                self._grid.settings_part.another_image()
                self.traits.row = 0
                self._grid.superpixels.all_on()
        self.restart()

    def restart(self, change: Any = None) -> None:
        """Something else is wanted: show what there is of it, and compute the rest."""
        traits, grid = self.traits, self._grid
        with grid.showing:
            grid.generation += 1
            grid.errors, grid.asked, traits.stopped, traits.progress = {}, [], False, None
            if traits.row >= len(grid.rows()):
                traits.row = 0
            if traits.method not in traits.methods:
                traits.method = traits.methods[0] if traits.methods else ""
            grid.show_all()
        self._go_on()

    def _resume(self, change: Any = None) -> None:
        self.traits.stopped = False
        self._go_on()

    def _go_on(self) -> None:
        if not self.view.is_static:
            generation = self._grid.generation
            self.view.submit("map", lambda: self.view.reported(_("attribution"), self._steps(generation)))

    def stop(self) -> None:
        """Stop what is being computed; the results so far are kept, and changing `resume` continues."""
        with self._grid.showing:
            self.traits.stopped = bool(self.view.busy)
            self.traits.progress = None
        self.view.cancel_job("map")
        self.view.busy = ""

    def _ask(self, change: Any = None) -> None:
        request, grid = self.traits.check_request, self._grid
        if not request:
            return
        method, row, check = request.get("method"), request.get("row"), request.get("check")
        if method not in self.traits.methods or check not in CHECKS or row not in range(len(grid.rows())):
            rule = f"check_request must name a method, a row and one of {', '.join(CHECKS)}"
            self.view.show_error(ValueError(f"{rule}, got {request}"))
            return
        grid.asked = [*grid.asked, (method, row, check)]
        self._resume()

    # The work.

    def _steps(self, generation: int) -> Generator[None, None, None]:
        """The work, until something else is wanted or the weights have changed."""
        for _step in self._work(generation):
            # An update starts everything again.
            if generation != self._grid.generation or self._grid.view.update():
                return
            yield

    def _work(self, generation: int) -> Generator[None, None, None]:
        grid = self._grid
        yield
        with contextlib.suppress(Exception):  # each method reports what is wrong with them
            grid.superpixels.compute()
        grid.show_agreement()
        cells = grid.cells()
        missing = {cell: grid.cost(*cell) for cell in cells if grid.map(*cell) is None}
        checks = {cell: self._evidence_cost(*cell) for cell in cells}
        evidence_total = sum(checks.values()) + self._shared_cost()
        progress = Progress(grid, generation, sum(missing.values()) + evidence_total)
        for (row, method), cost in missing.items():
            title = method_words(METHODS[method].title)
            progress.show(title, row, force=True)
            yield
            try:
                for attribution in grid.session.attributions.map_steps(*grid.row(row), method, grid.settings):
                    if progress.show(title, row, attribution.done * cost) or attribution.complete:
                        grid.show_map(row, method, attribution, generation)
                    yield
            except Exception as error:
                grid.fail(row, method, error, generation)
            progress.spent += cost
        grid.show_agreement()
        yield
        while grid.asked:
            method, row, check = grid.asked[0]
            progress.restart(0.0)  # what was asked for goes first, and counts for itself
            title = method_words(METHODS[method].title)
            progress.show(_("{check} of {method}", check=check_words(check), method=title), row, force=True)
            yield from self._examine(row, method, generation, checks=(check,), max_passes=None)
            grid.asked = grid.asked[1:]
        progress.restart(evidence_total)
        for row, method in cells:
            if grid.map(row, method) is not None:
                title = method_words(METHODS[method].title)
                progress.show(_("evidence of {method}", method=title), row, force=True)
                yield from self._examine(row, method, generation)
            progress.spent += checks[row, method]
        grid.traits.progress = None

    def _examine(self, row: int, method: str, generation: int, **options: Any) -> Generator[None, None, None]:
        """The checks of a map, shown as they come in."""
        shown = time.monotonic()
        for _evidence in self._grid.evidence_steps(row, method, **options):
            if time.monotonic() - shown > PUBLISH_EVERY:
                self._grid.show_evidence(row, method, generation)
                shown = time.monotonic()
            yield
        self._grid.show_evidence(row, method, generation)
        yield

    def _evidence_cost(self, row: int, method: str) -> int:
        """About how many passes the checks take that run without being asked for."""
        grid, part = self._grid, self._grid.settings_part
        max_passes = 10**9 if part.max_passes is None else part.max_passes
        return grid.session.attributions.evidence_cost(grid.row(row)[0], method, grid.settings, part.checks, max_passes)

    def _shared_cost(self) -> int:
        """The cost of the random orders and the edges, which the methods of a row share."""
        if "faithfulness" not in self._grid.settings_part.checks:
            return 0
        return 2 * (STEPS + 1) * (ORDERS + 1) * len(self._grid.rows())
