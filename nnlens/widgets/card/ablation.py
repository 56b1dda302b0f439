"""Does the unit matter? The scores without it, of this image and over a data set."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import numpy as np
import torch
import traitlets as t

from ...kernels import Ablation, ablation
from ...recording import version_of
from ..view import synced
from .part import CardPart

INSTEAD = ("zero", "mean")
BATCH = 16
SHOWN = 6  # classes


class AblationPart(CardPart):
    """The most probable classes with the unit taken out."""

    instead = synced(t.Enum(INSTEAD, "zero", help="what stands in the place of the unit's map"))
    ablated = synced(t.Dict(help="the shown classes' probabilities as they are, and without the unit"))
    ablate_all = synced(t.Int(0, help="counts up when the user asks what the unit does over the data set"))
    ablate_stop = synced(t.Int(0, help="counts up when the user stops that"))
    ablated_all = synced(t.Dict(help="what it does over the data set, so far: done, total, turned, classes"))

    def _card_shows(self) -> list[Callable[[], None]]:
        return [*super()._card_shows(), self._show_ablation]

    def _start(self) -> None:
        self.observe(self._follow_card, "instead")
        self.observe(self._ablate_all, "ablate_all")
        self.observe(self._stop_ablating, "ablate_stop")
        super()._start()

    def _ablation(self, instead: Any) -> Ablation:
        sample, layer, unit = self._selection.sample, self._selection.layer, self._selection.unit

        def make() -> Ablation:
            return ablation(
                self._lens.model,
                sample.input.x,
                layer,
                unit,
                instead=instead,
                output=sample.scored(),
                recording=sample.recording,
                prepared=self._lens.prepared(sample),
            )

        found: Ablation = sample.once("ablation", layer, unit, instead, make=make, most=24)
        return found

    def _show_ablation(self) -> None:
        selection = self._selection
        made_of = selection.sample, selection.layer, selection.unit, selection.target, self.instead
        self._publish("ablated", made_of, partial(self._ablation_payload, self.instead))

    def _ablation_payload(self, instead: str) -> dict[str, Any]:
        found = self._ablation(instead)
        before, after = (rows[0] for rows in found.probabilities())
        # The best with and without it: a class that comes up must be seen.
        best = [*self.shown_classes(), *np.argsort(-after, kind="stable")[:3].tolist()]
        shown = list(dict.fromkeys(int(index) for index in best))[:SHOWN]
        return {
            "instead": found.instead,
            "classes": shown,
            "clean": before[shown].tolist(),
            "probability": after[shown].tolist(),
            "turned": bool(found.turned()[0]),
        }

    def _ablate_all(self, change: Any = None) -> None:
        if self._lens.collection.data is None:
            self._show_error(ValueError("the card has no data set yet: lens.examples(dataset, layers=[…]) brings one"))
            return
        self._lens.worker.submit(self, "data", self._ablating)

    def _stop_ablating(self, change: Any = None) -> None:
        self._lens.worker.cancel(self, "data")
        self.ablated_all = {**self.ablated_all, "running": False}

    def _ablating(self) -> Generator[None, None, None]:
        self._refresh()
        # All that decides, taken once.
        sample, layer, unit, instead = self._selection.sample, self._selection.layer, self._selection.unit, self.instead
        collection, version = self._lens.collection, version_of(self._lens.model)
        data = collection.data
        assert data is not None
        # The data set's own pass, where it still holds: its images may have another size than this one.
        own = collection.current
        recording = collection.recording if own else sample.recording
        prepared = collection.prepared if own else self._lens.prepared(sample)
        change, turned, seen, told = np.zeros(len(sample.names)), 0, 0, 0.0
        about = {"layer": layer, "unit": unit, "instead": instead, "total": len(data)}
        try:
            for start in range(0, len(data), BATCH):
                if version_of(self._lens.model) != version:
                    raise ValueError("the model's weights have changed meanwhile")
                rows = [row for row in map(data.tensor, range(start, min(start + BATCH, len(data)))) if row is not None]
                if rows:
                    found = ablation(
                        self._lens.model,
                        torch.stack(rows).to(sample.input.x),
                        layer,
                        unit,
                        instead=instead,
                        output=sample.scored(),
                        recording=recording,
                        prepared=prepared,
                    )
                    change += found.change() * len(rows)
                    turned, seen = turned + int(found.turned().sum()), seen + len(rows)
                done = min(start + BATCH, len(data))
                if seen and (time.monotonic() - told > 0.25 or done == len(data)):
                    most = np.argsort(-np.abs(change), kind="stable")[:SHOWN]
                    classes = [[int(index), float(change[index] / seen)] for index in most]
                    running = done < len(data)
                    self.ablated_all = {
                        **about, "done": done, "seen": seen, "turned": turned, "classes": classes, "running": running
                    }  # fmt: skip
                    told = time.monotonic()
                yield
        except GeneratorExit:
            self.ablated_all = {**self.ablated_all, "running": False}
            raise
        except Exception as error:
            self.ablated_all = {**about, "error": str(error), "running": False}
