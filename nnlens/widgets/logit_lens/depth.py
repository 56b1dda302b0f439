"""The predictions of every state of the residual stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets as t

from nnlens.kernels.text import LogitLens, logit_lens
from nnlens.render import Panel
from nnlens.render.text import logit_lens_payload, logit_lens_picture, payloads
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.text import TextPart, TokenTraits
from nnlens.widgets.base.traits import payload, synced


class DepthTraits(TokenTraits):
    """The traits of `DepthPart`."""

    logit_lens = payload(payloads.LogitLensPayload, "what each state would predict at each token")
    color_by = synced(
        t.Enum(("probability", "rank", "bits"), "probability", help="what colours the predictions"), state=True
    )


class DepthPart(Part):
    """One pass, and the head once for each state."""

    traits: DepthTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        result = self.result()
        token = options.get("token")
        if token is not None:
            positions = result.ranks.shape[1]
            if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < positions:
                raise ValueError(f"token must be 0…{positions - 1}, got {token!r}")
            self.traits.token = token

    def result(self) -> LogitLens:
        """The logit lens of the pass."""
        sample = self.sample
        made: LogitLens = sample.cache.once(
            "logit lens", make=lambda: logit_lens(sample.recording, sample.input.x, k=5)
        )
        return made

    def updates(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.view.is_outdated("logit_lens", self.sample):
            result = self.result()
            made["logit_lens"] = logit_lens_payload(result, self._name)
            if self.traits.token is not None and self.traits.token >= result.ranks.shape[1]:
                made["token"] = None
        return made

    def _name(self, token: int) -> str:
        if self.sample.names:
            return self.sample.names[token]
        return self.view.part(TextPart).name(token)

    def describe(self) -> str:
        result = self.result()
        first = next((layer for layer, share in zip(result.layers, result.agreement, strict=True) if share >= 0.5), "")
        words = _(
            "{count} states are read by {head}", count=len(result.layers), head=" → ".join(result.head) or _("nothing")
        )
        return f"{words}; {result.describe(first)}" if first else words

    def panels(self) -> list[Panel]:
        title = _("probability of the best prediction, from the first state below to the last above")
        return [Panel(title=title, image=logit_lens_picture(self.result()), legend=(0, 1))]
