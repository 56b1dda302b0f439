"""The unit's synthesised image, frame by frame."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import traitlets as t

from nnlens.kernels import Synthesis, synthesis_steps
from nnlens.render import Panel, picture_of, synthesis_frame, unit_payloads
from nnlens.widgets.base.traits import counter, payload, synced

from .card import UnitPart

GOALS = ("channel", "position", "class")
EVERY = 4  # steps between two frames
LIMITS = {"count": (1, 4), "steps": (8, 1024)}


class SynthesisTraits(t.HasTraits):
    """The traits of `SynthesisPart`."""

    recipe = synced(t.Enum(("fourier", "yosinski"), "fourier", help="how the image is regularised"), state=True)
    goal = synced(
        t.Enum(GOALS, "channel", help="what is maximised: the map's mean, one position, the target"), state=True
    )
    count = synced(t.Int(1, help="how many images, 1…4"), state=True)
    negative = synced(t.Bool(False, help="minimise instead of maximise"), state=True)
    seed = synced(t.Int(0, help="the same seed, the same image"), state=True)
    steps = synced(t.Int(128, help="how many steps, 8…1024"), state=True)
    synthesis_run = counter("a request for an image")
    synthesis_stop = counter("a request to stop it")
    synthesis = payload(unit_payloads.SynthesisPayload, "the latest frame")

    @t.validate("count", "steps")
    def _check_counts(self, proposal: Any) -> int:
        name, value = proposal["trait"].name, int(proposal["value"])
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise t.TraitError(f"{name} must be {low}…{high}, got {value}")
        return value


class SynthesisPart(UnitPart):
    """Activation maximisation of the selected unit, of one position of it, or of the target."""

    traits: SynthesisTraits

    def start(self) -> None:
        self.result: Synthesis | None = None
        self.observe("synthesis_run", lambda _: self.view.submit("synthesis", self._steps))
        self.observe("synthesis_stop", self._stop)

    def _stop(self, change: Any = None) -> None:
        self.view.cancel_job("synthesis", self._stopped)

    def _stopped(self) -> None:
        if self.traits.synthesis is not None:
            self.traits.synthesis = {**self.traits.synthesis, "running": False}

    def _steps(self) -> Generator[None, None, None]:
        self.view.update()
        # All settings are read once.
        selection, traits = self.selection, self.traits
        sample, layer, unit, goal = selection.sample, selection.layer, selection.unit, traits.goal
        position = selection.position or tuple(int(side) // 2 for side in selection.activations.values.shape[1:])
        of: Any = {"channel": (layer, unit), "position": (layer, unit, position), "class": selection.target}[goal]
        about = {"layer": layer, "unit": unit, "goal": goal, "target": selection.target, "frame": None}
        traits.synthesis = {**about, "running": True}
        scale, bars = sample.input.scale, sample.input.kind == "vector"
        try:
            frames = synthesis_steps(
                sample.model,
                sample.input.x,
                of,
                recipe=traits.recipe,
                count=traits.count,
                steps=traits.steps,
                every=EVERY,
                negative=traits.negative,
                seed=traits.seed,
                mean=scale.mean,
                std=scale.std,
                output=sample.scored(),
                recording=sample.recording,
                prepared=self.session.prepared(sample),
            )
            for frame in frames:
                self.result = frame
                traits.synthesis = {
                    **about,
                    "frame": synthesis_frame(frame, bars=bars),
                    "running": frame.step < frame.steps,
                }
                yield
        except GeneratorExit:
            traits.synthesis = {**traits.synthesis, "running": False}
            raise
        except Exception as error:
            traits.synthesis = {**about, "error": str(error), "running": False}

    def panels(self) -> list[Panel]:
        result: Synthesis | None = getattr(self, "result", None)
        return (
            []
            if result is None or not self.is_whole_view
            else [
                Panel(
                    title=result.describe(), image=picture_of(result.pixels[0], bars=self.sample.input.kind == "vector")
                )
            ]
        )
