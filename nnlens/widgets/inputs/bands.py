"""The bands of an image of more than four: which are shown as red, green and blue, and the values of each."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import traitlets as t
from typing_extensions import TypedDict

from nnlens.inputs.input import shown_of
from nnlens.inputs.laid_out import with_layout
from nnlens.session.sample import Sample
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced

_COLOURS = 4  # channels: a picture with transparency has no bands to choose


class Bands(TypedDict):
    """The values of each band, in the model's input units, and which bands are shown."""

    shown: list[int] | None  # red, green and blue; null for their mean
    least: list[float]
    mean: list[float]
    most: list[float]
    deviation: list[float]


class BandsTraits(t.HasTraits):
    """The traits of `BandsPart`."""

    bands = payload(Bands, "the bands of an image of more than four")
    asked_bands = synced(
        t.List(t.Int(), default_value=None, allow_none=True, help="a request to show bands as red, green and blue"),
        list[int] | None,
        echo=False,
    )


def has_bands(sample: Sample) -> bool:
    """Whether an image has more bands than colours."""
    given = sample.input
    return given.is_image and given.kind == "image" and given.text is None and given.x.shape[1] > _COLOURS


class BandsPart(Part):
    """Another choice of bands is another picture of the same input: nothing is computed again."""

    traits: BandsTraits

    def start(self) -> None:
        self.observe("asked_bands", self._show)

    def updates(self) -> dict[str, Any]:
        sample = self.sample
        if not self.view.is_outdated("bands", sample):
            return {}
        if sample.is_blank or not has_bands(sample):
            return {"bands": None}
        values = sample.input.x[0].float().flatten(1).cpu().numpy()
        shown = sample.input.bands
        made: Bands = {
            "shown": None if shown is None else [int(band) for band in shown],
            "least": values.min(1).tolist(),
            "mean": values.mean(1).tolist(),
            "most": values.max(1).tolist(),
            "deviation": values.std(1).tolist(),
        }
        return {"bands": made}

    def _show(self, change: Any) -> None:
        asked = self.traits.asked_bands
        if not asked:
            return

        def steps() -> Generator[None, None, None]:
            try:
                sample = self.sample
                given = sample.input
                if given.around is None:
                    picture, words, _scale = shown_of(given.x, given.scale, asked)
                    made = replace(given, shown=picture, shown_as=words, bands=tuple(asked))
                else:
                    made = with_layout(given, given.around.as_image, asked)
                self.session.setup.bands = tuple(asked)
                self.selection.show(replace(sample, input=made))  # with all that is known of it
            finally:
                self.traits.asked_bands = None
            yield

        self.view.submit("image", lambda: self.view.reported(_("other bands"), steps()))

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"asked_bands": None}
