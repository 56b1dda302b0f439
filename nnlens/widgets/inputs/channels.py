"""Which channel matters: the scores with each channel of the input hidden, of bands, leads and sensors."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import traitlets as t

from nnlens.kernels import channel_scores
from nnlens.render import scores_of_several_payload
from nnlens.render.payloads import ScoresOfSeveral
from nnlens.session.sample import Sample
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload

_COLOURS, _MOST = 4, 64  # channels: a picture's colours are no question of their own


class ChannelScores(ScoresOfSeveral):
    """The scores with each channel hidden, one after the other."""

    count: int


class ChannelsTraits(t.HasTraits):
    """The traits of `ChannelsPart`."""

    channel_scores = payload(ChannelScores, "the scores with each channel of the input hidden")


def has_channels(sample: Sample) -> bool:
    """Whether each channel of an input is worth a question."""
    if sample.meaning is None or not sample.input.is_image or sample.input.text is not None or sample.is_blank:
        return False
    count, kind = sample.input.x.shape[1], sample.input.kind
    return count <= _MOST and (count > 1 if kind == "signal" else count > _COLOURS and kind == "image")


class ChannelsPart(Part):
    """One pass for each channel, in the background."""

    traits: ChannelsTraits

    def start(self) -> None:
        if not self.view.is_static:
            self._run()

    def new_image(self) -> dict[str, Any]:
        return {"channel_scores": None}

    def followed(self, change: Any) -> None:
        if not self.view.is_static:
            self._run()

    def _run(self) -> None:
        sample, shown = self.sample, tuple(self.view.shown_classes())
        if has_channels(sample) and self.view.is_outdated("channel_scores", (sample, shown)):
            self.view.submit("curve", lambda: self.view.reported(_("channels"), self._steps()))

    def _steps(self) -> Generator[None, None, None]:
        yield
        self._show()

    def _show(self) -> None:
        sample = self.sample
        if not has_channels(sample):
            return

        def make() -> Any:
            return channel_scores(
                sample.model, sample.input.x, output=sample.scored(), prepared=self.session.prepared(sample)
            )

        scores = sample.cache.once("channel scores", make=make)
        made = scores_of_several_payload(sample.scored(), scores, self.view.shown_classes())
        self.traits.channel_scores = {**made, "count": len(scores)}

    def complete(self) -> None:
        self._show()
