"""The grid: a row for each class or image, a column for each method, computed cell by cell in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nnlens.kernels import METHODS, Attribution, Evidence
from nnlens.kernels.attribution.evidence.evidence import Check
from nnlens.kernels.names import method_words
from nnlens.render import (
    Panel,
    agreement_payload,
    attribution_over,
    attribution_payloads,
    attribution_texture,
    evidence_payload,
    small_photo_payload,
    smaller_texture,
)
from nnlens.render.text import text_picture
from nnlens.session.attribution_jobs import Settings
from nnlens.session.sample import Sample
from nnlens.utils.errors import reason
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part

from .result import Attributions, Row
from .rows import RowsPart
from .settings import SettingsPart
from .superpixels import SuperpixelsPart
from .traits import AttributionTraits

AT_ONCE = 10  # forward passes: maps that cost no more are computed before the view is shown
PANELS = 6  # maps in a row of a picture
Cell = tuple[int, str]  # row and method
MapsOfRows = dict[str, attribution_payloads.AttributionPayload | attribution_payloads.NoMap]


class GridPart(Part):
    """Holds and shows the maps and the evidence; `JobPart` computes them in the background."""

    traits: AttributionTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self.settings_part, self.superpixels = self.view.part(SettingsPart), self.view.part(SuperpixelsPart)
        self._rows = self.view.part(RowsPart)
        self.errors: dict[Cell, str] = {}
        self.asked: list[tuple[str, int, Check]] = []
        self.showing = threading.RLock()  # the worker and a cell must not write the same trait
        self.generation = 0  # of what is wanted: results of an earlier one are not shown
        self._agreement: dict[tuple[int, ...], attribution_payloads.Agreement] = {}
        self.traits.method = self.traits.methods[0]
        for row, method in self.cells():
            if self.cost(row, method) <= AT_ONCE:
                self.compute(row, method)

    def start(self) -> None:
        self.observe(["row", "methods"], self.show_agreement)

    # What the grid holds.

    @property
    def settings(self) -> Settings:
        return self.settings_part.settings

    def rows(self) -> list[Row]:
        return self._rows.rows()

    def row(self, number: int) -> tuple[Sample, int]:
        """The image and the class of a row."""
        return self._rows.row(number)

    def cells(self) -> list[Cell]:
        """The cheapest first, and of these the selected row's."""
        rows = sorted(range(len(self.rows())), key=lambda row: row != self.traits.row)
        cells = [(row, method) for row in rows for method in self.traits.methods]
        return sorted(cells, key=lambda cell: self.cost(*cell))

    def map(self, row: int, method: str) -> Attribution | None:
        return self.session.attributions.map(*self.row(row), method, self.settings)

    def evidence(self, row: int, method: str) -> Evidence | None:
        return self.session.attributions.evidence(*self.row(row), method, self.settings)

    def cost(self, row: int, method: str) -> int:
        """About how many forward passes a map takes."""
        return self.session.attributions.cost(self.row(row)[0], method, self.settings)

    def evidence_steps(self, row: int, method: str, **options: Any) -> Iterator[Evidence | None]:
        """The evidence of a map as it comes in."""
        part = self.settings_part
        return self.session.attributions.evidence_steps(
            *self.row(row), method, self.settings, **{"checks": part.checks, "max_passes": part.max_passes, **options}
        )

    def compute(self, row: int, method: str) -> None:
        """The whole map, now."""
        try:
            for _map in self.session.attributions.map_steps(*self.row(row), method, self.settings):
                pass
        except Exception as error:
            self.fail(row, method, error)

    def complete(self) -> None:
        """All maps, and the evidence that is computed without being asked for, now."""
        if self.view.update(full=True):
            # The background job has begun again: only one can compute a map.
            self.view.cancel_job("map")
            self.view.wait()
        for row, method in self.cells():
            self.compute(row, method)
            if self.map(row, method) is not None:
                for _evidence in self.evidence_steps(row, method):
                    pass
        self.superpixels.compute()
        with self.showing:
            self.show_all()

    @property
    def result(self) -> Attributions:
        """All maps and their evidence."""
        self.view.wait()
        self.complete()
        rows = self.rows()
        cells = [(method, row) for row in range(len(rows)) for method in self.traits.methods]
        maps = {(method, row): self.map(row, method) for method, row in cells}
        evidence = {(method, row): self.evidence(row, method) for method, row in cells}
        return Attributions(
            methods=tuple(self.traits.methods),
            rows=tuple((row.sample.input.name, row.target, row.label) for row in rows),
            maps={cell: item for cell, item in maps.items() if item is not None},
            evidence={cell: item for cell, item in evidence.items() if item is not None},
            errors={(method, row): words for (row, method), words in self.errors.items()},
        )

    # What is shown.

    def _put(self, trait: str, row: int, value: Mapping[str, Any]) -> None:
        setattr(self.view, trait, {**getattr(self.view, trait), str(row): value})

    def fail(self, row: int, method: str, error: Exception, generation: int | None = None) -> None:
        """Show an error in the place of a map."""
        with self.showing:
            if generation in (None, self.generation):
                self.errors[row, method] = reason(error)
                self._put(f"map_{method}", row, {"error": self.errors[row, method]})

    def show_map(self, row: int, method: str, attribution: Attribution, generation: int) -> None:
        with self.showing:
            if generation == self.generation:
                self._put(f"map_{method}", row, attribution_texture(attribution))

    def show_evidence(self, row: int, method: str, generation: int) -> None:
        with self.showing:
            if generation == self.generation:
                known = self.evidence(row, method)
                if known is not None:
                    self._put(f"evidence_{method}", row, evidence_payload(known))

    def show_all(self) -> None:
        """All traits of the grid, from its current state."""
        rows = self.rows()
        with self.view.hold_sync():
            self.traits.rows = [self._row_payload(row) for row in rows]
            self.settings_part.show_costs(rows[0].sample)
            for method in METHODS:
                maps: MapsOfRows = {}
                evidence: dict[str, attribution_payloads.EvidencePayload] = {}
                for row in range(len(rows)) if method in self.traits.methods else ():
                    attribution, known = self.map(row, method), self.evidence(row, method)
                    if attribution is not None:
                        maps[str(row)] = attribution_texture(attribution)
                    elif (row, method) in self.errors:
                        maps[str(row)] = {"error": self.errors[row, method]}
                    if known is not None:
                        evidence[str(row)] = evidence_payload(known)
                for trait, value in ((f"map_{method}", maps), (f"evidence_{method}", evidence)):
                    if getattr(self.view, trait) != value:
                        setattr(self.view, trait, value)
            self.show_agreement()

    def _row_payload(self, row: Row) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "image": row.sample.input.name,
            "target": row.target,
            "label": row.label,
            "probability": float(row.sample.probabilities[row.target]),
            "logit": float(row.sample.logits[row.target]),
        }
        if row.sample is not self.sample:
            shown["photo"] = small_photo_payload(row.sample.input)
        return shown

    def show_agreement(self, change: Any = None) -> None:
        """How the maps of each row agree; and the selected row's superpixels, once they are made."""
        with self.showing:
            agreement = {}
            for row in range(len(self.rows())):
                maps = {method: self.map(row, method) for method in self.traits.methods}
                known = {method: item for method, item in maps.items() if item is not None}
                key = (row, *map(id, known.values()))
                agreement[key] = self._agreement.get(key) or agreement_payload(known)
            self._agreement = agreement
            shown = {str(key[0]): value for key, value in agreement.items()}
            if self.traits.agreement != shown:
                self.traits.agreement = shown
            self.superpixels.show()

    # Without a kernel.

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"progress": None, "stopped": False, "check_request": None}

    def smaller(self, name: str, value: Any) -> Any:
        if not name.startswith("map_"):
            return None
        halves = {row: smaller_texture(map_) for row, map_ in value.items()}
        return {row: halves[row] or map_ for row, map_ in value.items()} if any(halves.values()) else None

    def contents(self, name: str) -> str:
        return _("the maps of {method}", method=method_words(METHODS[name.removeprefix("map_")].title))

    def panels(self) -> list[Panel]:
        panels = []
        for number, row in enumerate(self.rows()):
            for method in self.panel_methods:
                attribution = self.map(number, method)
                title = _("{method} of {label}", method=method_words(METHODS[method].title), label=row.label)
                title = title.replace("×", "x")  # which the font lacks
                if attribution is None:
                    panels.append(
                        Panel(
                            title=_("{title}: no map", title=title),
                            image=row.sample.input.shown.convert("L").convert("RGB"),
                        )
                    )
                    continue
                encoded_text = row.sample.input.text
                if encoded_text is None:
                    picture, limits = attribution_over(row.sample.input.shown, attribution)
                else:
                    values = attribution.importance().ravel()
                    largest = float(np.abs(values).max()) or 1.0
                    picture, limits = text_picture(encoded_text, values, largest), (-largest, largest)
                title = _("{title} (all zero)", title=title) if attribution.all_zero else title
                panels.append(Panel(title=title, image=picture, legend=limits))
        return panels

    @property
    def panel_methods(self) -> Sequence[str]:
        """The methods that a picture has room for."""
        methods: list[str] = self.traits.methods
        return methods[:PANELS]

    def describe(self) -> str:
        words = []
        for method in self.traits.methods:
            known = self.evidence(0, method)
            if known is not None and known.findings():
                words.append(f"{method_words(METHODS[method].title)}: {known.findings()[0].words}")
        return " ".join(words)
