"""The unit's best images in a data set, with those in the middle and the least beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from io import BytesIO
from typing import Any

import numpy as np
import traitlets as t
from PIL import Image

from ...export.bundle import Response, within_budget
from ...kernels import Example, back_projection
from ...render import colours_of, encoded
from ..view import synced
from .part import CardPart

KINDS = ("top", "median", "least")
SHARES = np.linspace(0, 1, 41)  # of the inputs, at which the distribution is told
SHOWN = 9
SIDE = 112  # pixels of an example in a still picture
REFRESH = 1.5  # seconds between two looks at a growing collection


class ExamplesPart(CardPart):
    """The images of `lens.examples` for the selected unit, whole, as receptive fields, and deconvolved."""

    kind = synced(t.Enum(KINDS, "top", help="which images: of the largest, the middle or the least maxima"))
    crop = synced(t.Enum(("field", "whole", "deconvnet"), "field", help="what of them is shown"))
    examples = synced(t.Dict(help="the unit's images of this kind, and how its maxima are distributed"))
    collection = synced(t.Dict(help="how far the data set is looked through: done, total, remaining, running, …"))
    look_at = synced(t.Int(-1, help="the image of the data set that the user wants to look at"))
    collect = synced(t.Enum(("", "run", "stop"), "", help="the user goes on with the data set, or stops"))

    def _card_shows(self) -> list[Callable[[], None]]:
        return [*super()._card_shows(), self._show_examples]

    def _start(self) -> None:
        self._refreshed = 0.0
        self.observe(self._follow_card, "kind")
        self.observe(self._start_or_stop, "collect")
        self.observe(self._look_at, "look_at")
        self._lens.collection.observe(self._news, "progress")
        self._news()
        super()._start()

    def _news(self, change: Any = None) -> None:
        progress = self._lens.collection.progress
        self.collection = progress
        if progress and (not progress["running"] or time.monotonic() - self._refreshed > REFRESH):
            self._refreshed = time.monotonic()
            self._follow_card()

    def _start_or_stop(self, change: Any) -> None:
        collection = self._lens.collection
        if change["new"] == "run" and collection.data is not None:
            collection.start()
        elif change["new"] == "stop":
            collection.stop()
        if change["new"]:
            self.collect = ""

    def _look_at(self, change: Any) -> None:
        data, item = self._lens.collection.data, change["new"]
        if item < 0 or data is None:
            return

        def look() -> Generator[None, None, None]:
            self._selection.show(self._lens.look(data.input(item)))
            self.look_at = -1
            yield

        self._lens.worker.submit(self, "image", lambda: self._steps("reading the image", look()))

    def _show_examples(self) -> None:
        collection = self._lens.collection
        if collection.data is None:
            return
        layer, unit, kind = self._selection.layer, self._selection.unit, self.kind
        done = 0 if collection.found is None else collection.found.done
        made_of = collection.data, collection.layers, done, collection.current, layer, unit, kind
        self._publish("examples", made_of, lambda: self._examples_payload(kind))

    def _examples_payload(self, kind: Any) -> dict[str, Any]:
        collection, layer, unit = self._lens.collection, self._selection.layer, self._selection.unit
        if layer not in collection:
            return {"absent": ", ".join(collection.layers)}
        if not collection.current:
            raise ValueError("the model's weights have changed since: lens.examples(dataset, layers=[…]) looks anew")
        index = collection[layer]
        return {
            "kind": kind,
            "items": [self._picture(one) for one in index.examples(unit, kind, SHOWN)],
            "quantiles": [float(value) for value in index.quantiles(unit, SHARES)],
            "mean": float(index.mean[unit]),
            "zeros": float(index.zeros[unit]),
            "fires": float(index.fires[unit]),
            "seen": index.seen,
        }

    def _picture(self, one: Example) -> dict[str, Any]:
        """An example with its pictures; made once for each place, however often it is shown."""
        collection, layer, unit = self._lens.collection, self._selection.layer, self._selection.unit

        def make() -> dict[str, Any]:
            assert collection.data is not None
            given = collection.data.input(one.item)
            width, height = given.shown.size
            box = collection.place_sees(layer, one.place) or [0, 0, height - 1, width - 1]
            made = {
                "name": given.name,
                "label": collection.data.label(one.item),
                "width": width,
                "box": box,
                "whole": encoded(given.shown, exact=64),
            }
            try:
                back = back_projection(
                    self._lens.model,
                    given.x,
                    (layer, unit, one.place),
                    rule="deconvnet",
                    recording=collection.recording,
                    prepared=collection.prepared,
                )
            except ValueError as error:
                return {**made, "back": None, "why": str(error)}
            top, left, bottom, right = box
            values = back.values[:, top : bottom + 1, left : right + 1] if back.values.ndim == 3 else back.values
            return {**made, "back": encoded(colours_of(values), exact=64)}

        key = "example", layer, unit, one.item, one.place
        made: dict[str, Any] = collection.pictures.once(*key, make=make, most=256)
        return {**made, "item": one.item, "value": one.value, "place": list(one.place), "rank": one.rank}

    def baked_kinds(self, budget: int, *, whole: bool) -> Response:
        """What a page without a kernel shows of each kind."""
        kinds: dict[str, dict[str, Any]] = {}
        if self._selection.layer in self._lens.collection:
            here = {"layer": self._selection.layer, "unit": self._selection.unit}
            asked = [self.kind, *(kind for kind in KINDS if kind != self.kind)] if whole else [self.kind]
            candidates = ((kind, {"examples": {**here, **self._examples_payload(kind)}}) for kind in asked)
            kinds = within_budget(candidates, budget)
        return Response(("kind",), kinds)

    def close(self) -> None:
        if getattr(self, "_ready", False):
            self._lens.collection.unobserve(self._news, "progress")
        super().close()


def contact_sheet(items: list[dict[str, Any]]) -> Image.Image:
    """Examples three in a row, whole."""
    sheet = Image.new("RGB", (3 * SIDE, max(1, -(-len(items) // 3)) * SIDE), "white")
    for place, item in enumerate(items):
        with Image.open(BytesIO(item["whole"])) as whole:
            picture = whole.convert("RGB").resize((SIDE - 2, SIDE - 2), Image.Resampling.LANCZOS)
        sheet.paste(picture, (place % 3 * SIDE, place // 3 * SIDE))
    return sheet
