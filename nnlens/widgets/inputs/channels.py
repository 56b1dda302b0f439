"""Which channels matter: the scores with each of them hidden, or a group of them; of bands, leads and sensors."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import traitlets as t

from nnlens.kernels import channel_scores
from nnlens.render import scores_of_several_payload, scores_with_top_payload
from nnlens.render.payloads import ScoresOfSeveral, ScoresWithTop
from nnlens.session.sample import Sample
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced

_COLOURS, _MOST = 4, 64  # channels: a picture's colours are no question of their own


class ChannelScores(ScoresOfSeveral):
    """The scores with each channel hidden, one after the other."""

    count: int


class WithoutChannels(ScoresWithTop):
    """The scores with some channels hidden together."""

    channels: list[int]


class ChannelsTraits(t.HasTraits):
    """The traits of `ChannelsPart`."""

    channel_scores = payload(ChannelScores, "the scores with each channel of the input hidden")
    hidden_channels = synced(
        t.List(t.Int(), help="channels of the input that are hidden together"), list[int], state="channel_scores"
    )
    without_channels = payload(WithoutChannels, "the scores with some channels hidden together")

    @t.validate("hidden_channels")
    def _check_hidden(self, proposal: Any) -> Any:
        known = self.channel_scores
        if known is not None and not all(0 <= channel < known["count"] for channel in proposal["value"]):
            raise ValueError(f"hidden_channels must be channels 0…{known['count'] - 1}, got {proposal['value']}")
        return proposal["value"]


def has_channels(sample: Sample) -> bool:
    """Whether each channel of an input is worth a question."""
    if sample.meaning is None or not sample.input.is_image or sample.input.text is not None or sample.is_blank:
        return False
    count, kind = sample.input.x.shape[1], sample.input.kind
    return count <= _MOST and (count > 1 if kind == "signal" else count > _COLOURS and kind == "image")


class ChannelsPart(Part):
    """One pass for each channel in the background, and one for the channels that are hidden together."""

    traits: ChannelsTraits

    def start(self) -> None:
        self.observe("hidden_channels", self._look)
        if not self.view.is_static:
            self._run()

    def new_image(self) -> dict[str, Any]:
        count = self.sample.input.x.shape[1] if has_channels(self.sample) else 0
        hidden = [channel for channel in self.traits.hidden_channels if channel < count]
        return {"channel_scores": None, "without_channels": None, "hidden_channels": hidden}

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
        yield
        self._show_without()

    def _show(self) -> None:
        sample = self.sample
        if not has_channels(sample):
            return
        scores = sample.cache.once("channel scores", make=lambda: self._scores(sample, None))
        made = scores_of_several_payload(sample.scored(), scores, self.view.shown_classes())
        self.traits.channel_scores = {**made, "count": len(scores)}

    def _scores(self, sample: Sample, group: Sequence[int] | None) -> np.ndarray:
        """With each channel hidden alone, or those of one group."""
        scores: np.ndarray = channel_scores(
            sample.model,
            sample.input.x,
            None if group is None else [list(group)],
            output=sample.scored(),
            prepared=self.session.prepared(sample),
        )
        return scores

    def _look(self, change: Any) -> None:
        if has_channels(self.sample) and not self.view.is_static:
            self.view.submit("live", lambda: self.view.reported(_("channels"), self._look_without()))

    def _look_without(self) -> Generator[None, None, None]:
        self._show_without()
        yield

    def _show_without(self) -> None:
        """The scores without the channels that are hidden together; none where no channel is."""
        sample, hidden = self.sample, tuple(sorted(set(self.traits.hidden_channels)))
        if not has_channels(sample) or not hidden:
            self.traits.without_channels = None
            return
        scores = sample.cache.once("channel scores", *hidden, make=lambda: self._scores(sample, hidden))
        made = scores_with_top_payload(sample.scored(), scores, self.view.shown_classes())
        self.traits.without_channels = {"channels": list(hidden), **made}

    def complete(self) -> None:
        self._show()
        self._show_without()

    def describe(self) -> str:
        hidden = self.traits.without_channels
        if hidden is None:
            return ""
        return _("Channels {channels} are hidden together.", channels=", ".join(map(str, hidden["channels"])))
