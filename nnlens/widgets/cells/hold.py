"""Does the cell matter? Its predictions, and what the model writes, with the cell held at a value."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import traitlets as t

from nnlens.kernels.text import holding, predicts_tokens, token_logits, written_steps
from nnlens.render.text import payloads
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.text import TextPart
from nnlens.widgets.base.traits import counter, payload, synced

from .cells import CellsPart

_WRITTEN = 80  # tokens
_MOST_TOKENS = 3000  # of a text on which a cell is held


class HoldTraits(t.HasTraits):
    """The traits of `HoldPart`."""

    hold_at = synced(
        t.Float(None, allow_none=True, help="the value at which the cell is held"), float | None, state=True
    )
    held_cell = payload(payloads.HeldCell, "what changes with the cell held")
    write = counter("a request to let the model write, as it is and with the cell held")


class HoldPart(Part):
    """One more pass on the text; a pass for each token that is written."""

    traits: HoldTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._wrote = 0

    def start(self) -> None:
        self.observe(["hold_at", "write"], self.followed)
        self.observe("cancel", lambda change: self.view.cancel_job("map"))
        self.followed(None)

    def followed(self, change: Any) -> None:
        if self.traits.hold_at is None:
            if self.traits.held_cell is not None:
                self.view.cancel_job("map")
                self.traits.held_cell = None
                self.view.is_outdated("held_cell", None)
            return
        if not self.view.is_outdated("held_cell", self._about()):
            return
        if self.view.is_static:
            for _step in self._steps():
                pass
        else:
            self.view.submit("map", lambda: self.view.reported(_("holding the cell"), self._steps()))

    def _about(self) -> tuple[Any, ...]:
        layer = self.view.part(CellsPart).layer.layer
        return self.sample, layer, self.view.part(CellsPart).unit, self.traits.hold_at, self.traits.write

    def _steps(self) -> Generator[None, None, None]:
        value = self.traits.hold_at
        if value is None:
            return
        layer, unit = self.view.part(CellsPart).layer.layer, self.view.part(CellsPart).unit
        made: payloads.HeldCell = {
            "layer": layer,
            "unit": unit,
            "value": value,
            "words": "",
            "clean": math.nan,
            "loss": math.nan,
            "changed": 0.0,
            "bits": 0.0,
            "samples": [],
            "done": 0.0,
            "problem": "",
        }
        try:
            made |= self._effect(layer, unit, value)
            asked, self._wrote = self.traits.write > self._wrote, self.traits.write
            self.traits.held_cell = {**made, "done": 0.0 if asked else 1.0}
            yield
            if asked:
                yield from self._written(made, layer, unit, value)
        except Exception as error:
            self.traits.held_cell = {**made, "clean": 0.0, "loss": 0.0, "done": 1.0, "problem": str(error)}

    def _effect(self, layer: str, unit: int, value: float) -> Any:
        """The change of the predictions on the text."""
        sample, setup = self.sample, self.session.setup
        encoded = self.view.part(TextPart).encoded
        if len(encoded) > _MOST_TOKENS:
            raise ValueError(_("the text must have at most {most} tokens for this", most=_MOST_TOKENS))
        logits = token_logits(sample.recording, encoded, setup.pick)
        if not predicts_tokens(self.session.model, sample.recording, logits.shape[1]):
            raise ValueError(_("the model has no language head: nothing says what changes"))
        forward = self.view.part(TextPart).reads_forward()
        if forward and len(encoded) < 2:
            raise ValueError(_("the text must have at least two tokens"))
        result = holding(
            self.session.model,
            sample.recording,
            sample.input.call,
            encoded,
            layer,
            unit,
            value,
            next_token=forward,
            output=setup.pick,
        )
        return {
            "words": result.describe(),
            "clean": float(np.nanmean(result.clean)),
            "loss": float(np.nanmean(result.held)),
            "changed": result.changed,
            "bits": float(result.divergence.mean()),
        }

    def _written(self, made: payloads.HeldCell, layer: str, unit: int, value: float) -> Generator[None, None, None]:
        """What the model writes after the text, as it is and with the cell held, with the same random numbers."""
        setup = self.session.setup
        assert setup.codec is not None  # it made the text
        if not self.view.part(TextPart).reads_forward():
            raise ValueError(_("the model does not predict the next token, so it cannot write"))
        samples: list[payloads.Sampled] = []
        for held in (False, True):
            samples.append({"held": held, "text": ""})
            steps = written_steps(
                self.session.model,
                setup.codec,
                self.view.part(TextPart).encoded.text,
                hold=(layer, unit, value) if held else None,
                count=_WRITTEN,
                context=min(128, setup.part_tokens),
                steps_first=setup.steps_first,
                output=setup.pick,
            )
            for number, written in enumerate(steps, 1):
                samples[-1] = {"held": held, "text": written}
                if number % 4 == 0 or number == _WRITTEN:
                    done = (held * _WRITTEN + number) / (2 * _WRITTEN)
                    self.traits.held_cell = {**made, "samples": list(samples), "done": done}
                yield

    def complete(self) -> None:
        if self.traits.hold_at is not None and self.traits.held_cell is None:
            for _step in self._steps():
                pass

    def describe(self) -> str:
        held = self.traits.held_cell
        return "" if held is None else held["words"]
