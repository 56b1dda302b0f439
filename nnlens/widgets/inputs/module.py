"""The JavaScript of the panes of inputs and results, of the time axis and of labels: sent where it is needed."""

from __future__ import annotations

from typing import Any

import traitlets as t

from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import synced
from nnlens.widgets.base.view import built

_SHOWN_BY = ("slices", "class_map", "channel_scores", "bands", "boxes", "made_picture", "neighbours", "volume")


class InputsModuleTraits(t.HasTraits):
    """The traits of `InputsModulePart`."""

    inputs_module = synced(t.Unicode("", help="the JavaScript of the panes of inputs and results, where it is needed"))


class InputsModulePart(Part):
    """Sends it with the first payload that needs it: most views never do."""

    traits: InputsModuleTraits

    def start(self) -> None:
        self.observe(["inputs", "photo", "meaning", *_SHOWN_BY], self._send)
        self._send()

    def _send(self, change: Any = None) -> None:
        if self.traits.inputs_module:
            return
        sample = self.sample
        stretches = sample.input.kind == "signal" and hasattr(self.traits, "occlusion_map")
        labels = sample.meaning is not None and sample.meaning.task == "multilabel"
        if stretches or labels or any(getattr(self.traits, name) for name in ("inputs", *_SHOWN_BY)):
            self.traits.inputs_module = built("inputs.js")
