"""The unit's best images in a data set, with the middle and the lowest ones beside them."""

from __future__ import annotations

import time
from collections.abc import Generator
from io import BytesIO
from typing import Any

import numpy as np
import traitlets as t
from PIL import Image

from nnlens.export.bundle import Response, within_budget
from nnlens.inputs import Input
from nnlens.inputs.laid_out import with_layout
from nnlens.inputs.trace import row_picture
from nnlens.kernels import BackProjection, Example, back_projection
from nnlens.render import Panel, colours_of, encoded, payloads, unit_payloads
from nnlens.utils.language import _
from nnlens.widgets.base.traits import payload, synced

from .card import CardPart, UnitPart

KINDS = ("top", "median", "bottom")
SHARES = np.linspace(0, 1, 41)  # of the inputs, at which the distribution is shown
EXAMPLES = 9  # that are shown
SIDE = 112  # pixels of an example in a still picture
REFRESH = 1.5  # seconds between two looks at a growing search


class ExamplesTraits(t.HasTraits):
    """The traits of `ExamplesPart`."""

    kind = synced(
        t.Enum(KINDS, "top", help="which images: those with the largest, the middle or the smallest maxima"), state=True
    )
    crop = synced(t.Enum(("field", "whole", "deconvnet"), "field", help="what of them is shown"), state=True)
    examples = payload(
        unit_payloads.ExamplesPayload | unit_payloads.NoExamples | payloads.Failed,
        "the unit's images of this kind, and the distribution of its maxima",
    )
    search = payload(unit_payloads.SearchProgress, "how far the data set has been searched; null without one")
    search_request = synced(t.Enum(("", "run", "stop"), "", help="a request to continue the search, or to stop it"))
    example_request = synced(t.Int(-1, help="a request to look at an image of the data set"))


class ExamplesPart(UnitPart):
    """The images of `lens.examples` for the selected unit, whole, as receptive fields, and deconvolved."""

    traits: ExamplesTraits

    def start(self) -> None:
        self._refreshed = 0.0
        self.observe("kind", self.view.part(CardPart).follow)
        self.observe("search_request", self._start_or_stop)
        self.observe("example_request", self._look_at)
        self.session.search.observe(self._progressed, "progress")
        self._progressed()

    def close(self) -> None:
        self.session.search.unobserve(self._progressed, "progress")

    def _progressed(self, change: Any = None) -> None:
        progress = self.session.search.progress
        self.traits.search = progress or None
        if progress and (not progress["running"] or time.monotonic() - self._refreshed > REFRESH):
            self._refreshed = time.monotonic()
            self.view.part(CardPart).follow()

    def _start_or_stop(self, change: Any) -> None:
        search = self.session.search
        if change["new"] == "run" and search.data is not None:
            search.start()
        elif change["new"] == "stop":
            search.stop()
        if change["new"]:
            self.traits.search_request = ""

    def _look_at(self, change: Any) -> None:
        data, item = self.session.search.data, change["new"]
        if item < 0 or data is None:
            return

        def steps() -> Generator[None, None, None]:
            self.selection.show(self.session.samples.of(data.input(item)))
            self.traits.example_request = -1
            yield

        self.view.submit("image", lambda: self.view.reported(_("reading the image"), steps()))

    def show(self) -> None:
        search = self.session.search
        if search.data is None:
            return
        layer, unit, kind = self.selection.layer, self.selection.unit, self.traits.kind
        done = 0 if search.results is None else search.results.done
        made_of = search.data, search.layers, done, search.current, layer, unit, kind
        self.publish("examples", made_of, lambda: self._payload(kind))

    def _payload(self, kind: Any) -> dict[str, Any]:
        search, layer, unit = self.session.search, self.selection.layer, self.selection.unit
        if layer not in search:
            return {"searched": ", ".join(search.layers)}
        if not search.current:
            raise ValueError("the model's weights have changed since: search again with lens.examples(dataset)")
        index = search[layer]
        return {
            "kind": kind,
            "items": [self._picture(example) for example in index.examples(unit, kind, EXAMPLES)],
            "quantiles": [float(value) for value in index.quantiles(unit, SHARES)],
            "mean": float(index.mean[unit]),
            "zeros": float(index.zeros[unit]),
            "active": float(index.active[unit]),
            "seen": index.seen,
        }

    def _picture(self, example: Example) -> unit_payloads.ExampleItem:
        """An example with its pictures; made once for each place, however often it is shown."""
        search, layer, unit = self.session.search, self.selection.layer, self.selection.unit

        def make() -> unit_payloads.ExamplePictures:
            assert search.data is not None
            value = search.data.input(example.item)
            if value.is_row:
                return self._snippet(example, value)
            value, channels = self._slice(example, value)
            width, height = value.shown.size
            made: unit_payloads.ExamplePictures = {
                "name": value.name,
                "label": search.data.label(example.item),
                "width": width,
                "box": search.receptive_box(layer, example.position) or [0, 0, height - 1, width - 1],
                "whole": encoded(value.shown, exact=64),
                "back": None,
            }
            try:
                back = self._deconvnet(example, search.data.input(example.item))
            except ValueError as error:
                made["why"] = str(error)
                return made
            top, left, bottom, right = made["box"]
            values = back.values
            if values.ndim == 3:
                values = values[channels, top : bottom + 1, left : right + 1]
            made["back"] = encoded(colours_of(values), exact=64)
            return made

        key = layer, unit, example.item, example.position
        made: unit_payloads.ExamplePictures = search.pictures.once("example", *key, make=make)
        return {
            **made,
            "item": example.item,
            "value": example.value,
            "position": example.position,
            "rank": example.rank,
        }

    def _slice(self, example: Example, value: Input) -> tuple[Input, slice]:
        """Of a volume or a video the slice with the unit's maximum, and the channels of the input that it takes up."""
        around = value.around
        if around is None or not around.as_image.along:
            return value, slice(None)
        layout, shape = around.as_image, tuple(around.value.shape)
        first = self.session.search.slice_of(
            self.selection.layer, self.selection.unit, example.position, layout.slices(shape)
        )
        count = value.x.shape[1] // layout.count
        own = with_layout(value, layout.at(shape, first=first, count=1), self.session.setup.bands)
        return own, slice(first * count, (first + 1) * count)

    def _deconvnet(self, example: Example, value: Input) -> BackProjection:
        search = self.session.search
        return back_projection(
            search.model,
            value.x,
            (self.selection.layer, self.selection.unit, example.position),
            rule="deconvnet",
            recording=search.recording,
            prepared=search.prepared,
        )

    def _snippet(self, example: Example, value: Input) -> unit_payloads.ExamplePictures:
        """A signal whole, and the stretch of it that the unit sees."""
        search = self.session.search
        assert search.data is not None
        values = value.x[0, :, 0].float().cpu().numpy()
        steps = values.shape[1]
        _top, left, _bottom, right = search.receptive_box(self.selection.layer, example.position) or (
            *(0, 0, 0),
            steps - 1,
        )
        by = 2 * SIDE / steps
        made: unit_payloads.ExamplePictures = {
            "name": value.name,
            "label": search.data.label(example.item),
            "width": 2 * SIDE,
            "box": [0, round(left * by), SIDE - 1, max(round(left * by), round((right + 1) * by) - 1)],
            "whole": encoded(row_picture(values, (2 * SIDE, SIDE))),
            "field": encoded(row_picture(values[:, left : right + 1], (2 * SIDE, SIDE))),
            "back": None,
        }
        try:
            back = self._deconvnet(example, value).values
        except ValueError as error:
            made["why"] = str(error)
            return made
        rows = back.reshape(-1, back.shape[-1])[:, left : right + 1]
        made["back"] = encoded(row_picture(rows, (2 * SIDE, SIDE)))
        return made

    def panels(self) -> list[Panel]:
        shown = self.traits.examples
        if not shown or not shown.get("items") or not self.is_whole_view:
            return []
        titles = {"top": _("top images"), "median": _("median images"), "bottom": _("bottom images")}
        return [Panel(title=titles[self.traits.kind], image=contact_sheet(shown["items"]))]

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """What a page without a kernel shows of each kind."""
        if not self.is_open:
            return []
        kinds: dict[str, dict[str, Any]] = {}
        if self.selection.layer in self.session.search:
            now = self.traits.kind
            asked = [now, *(kind for kind in KINDS if kind != now)] if whole else [now]
            kinds = within_budget(
                ((kind, {"examples": self.made(self._payload, kind)}) for kind in asked), budget * 2 // 3
            )
        return [Response(("kind",), kinds)]


def contact_sheet(items: list[dict[str, Any]]) -> Image.Image:
    """Examples three in a row, whole."""
    sheet = Image.new("RGB", (3 * SIDE, max(1, -(-len(items) // 3)) * SIDE), "white")
    for position, item in enumerate(items):
        with Image.open(BytesIO(item["whole"])) as whole:
            picture = whole.convert("RGB").resize((SIDE - 2, SIDE - 2), Image.Resampling.LANCZOS)
        sheet.paste(picture, (position % 3 * SIDE, position // 3 * SIDE))
    return sheet
