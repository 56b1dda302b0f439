"""The scores with the pixels hidden that the user has painted over."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import traitlets as t

from nnlens.kernels import masked_scores
from nnlens.render import payloads, scores_with_top_payload
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced

from .settings import OccluderTraits, filling


class MaskTraits(OccluderTraits):
    """The traits of `MaskPart`."""

    # The browser's bytes arrive as a memoryview.
    mask = synced(
        t.Bytes(default_value=None, allow_none=True, help="painted pixels, a bit each, row by row"),
        bytes | None,
        echo=False,
        from_json=lambda value, _: None if value is None else bytes(value),
    )
    masked = payload(payloads.MaskedScores, "the scores with these pixels hidden")


class MaskPart(Part):
    """Hides the painted pixels."""

    traits: MaskTraits

    def start(self) -> None:
        self.observe(["mask", "fill"], self._paint)

    def new_image(self) -> dict[str, Any]:
        return {"mask": None, "masked": None}

    def _paint(self, change: Any = None) -> None:
        if self.traits.mask is None:
            self.traits.masked = None
            return
        self.view.submit("hand", self._look_under_mask)

    def _look_under_mask(self) -> Generator[None, None, None]:
        # All settings are read once: the user continues to paint while the model computes.
        sample, packed, chosen = self.sample, self.traits.mask, self.traits.fill
        fill = "mean" if chosen == "surround" else chosen  # a mask has no surround
        try:
            if packed is None or self.view.update():
                return
            height, width = sample.input.x.shape[2:]
            bits = np.unpackbits(np.frombuffer(packed, np.uint8))
            if len(bits) < height * width:
                raise ValueError(f"mask must have a bit for each of {height} × {width} pixels, got {len(bits)} bits")
            hidden = bits[: height * width].reshape(height, width).astype(bool)
            if not hidden.any():
                self.traits.masked = None
            else:
                scores = masked_scores(
                    sample.model,
                    sample.input.x,
                    hidden[None],
                    fill=filling(sample, fill),
                    output=sample.scored(),
                    prepared=self.session.prepared(sample),
                )
                # The number of hidden pixels and the sum of their places say which mask it was.
                mark = [int(hidden.sum()), int(np.flatnonzero(hidden).sum())]
                shown = scores_with_top_payload(sample.scored(), scores, self.view.shown_classes())
                self.traits.masked = {"mark": mark, "fill": chosen, **shown}
        except Exception as error:
            self.view.show_error(error)
        yield
