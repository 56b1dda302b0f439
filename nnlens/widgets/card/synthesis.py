"""The unit's synthesised image, frame by frame."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import traitlets as t

from ...kernels import Synthesis, synthesis_steps
from ...render import synthesis_payload
from ..view import synced
from .part import CardPart

GOALS = ("channel", "position", "class")
EVERY = 4  # steps between two frames


class SynthesisPart(CardPart):
    """Activation maximisation of the selected unit, of one place of it, or of the target."""

    recipe = synced(t.Enum(("fourier", "yosinski"), "fourier", help="how the image is held to be an image"))
    goal = synced(t.Enum(GOALS, "channel", help="what is to become large: the map's mean, one place, the target"))
    several = synced(t.Int(1, help="how many images, 1…4"))
    negative = synced(t.Bool(False, help="what the unit answers to least"))
    seed = synced(t.Int(0, help="the same seed, the same image"))
    steps = synced(t.Int(128, help="how many steps, 8…1024"))
    synthesise = synced(t.Int(0, help="counts up when the user asks for an image"))
    synthesis_stop = synced(t.Int(0, help="counts up when the user stops it"))
    synthesised = synced(t.Dict(help="the latest frame, see render.synthesis_payload"))

    def _start(self) -> None:
        self._synthesis: Synthesis | None = None
        self.observe(self._synthesise, "synthesise")
        self.observe(self._stop_synthesis, "synthesis_stop")
        super()._start()

    @t.validate("several", "steps")
    def _check_counts(self, proposal: Any) -> int:
        name, value = proposal["trait"].name, int(proposal["value"])
        low, high = {"several": (1, 4), "steps": (8, 1024)}[name]
        if not low <= value <= high:
            raise t.TraitError(f"{name} must be {low}…{high}, got {value}")
        return value

    def _synthesise(self, change: Any = None) -> None:
        self._lens.worker.submit(self, "synthesis", self._synthesising)

    def _stop_synthesis(self, change: Any = None) -> None:
        self._lens.worker.cancel(self, "synthesis")
        self.synthesised = {**self.synthesised, "running": False}

    def _synthesising(self) -> Generator[None, None, None]:
        self._refresh()
        # All that decides, taken once.
        selection = self._selection
        sample, layer, unit, goal = selection.sample, selection.layer, selection.unit, self.goal
        place = selection.position or tuple(int(one) // 2 for one in selection.activations.values.shape[1:])
        of: Any = {"channel": (layer, unit), "position": (layer, unit, place), "class": selection.target}[goal]
        about = {"layer": layer, "unit": unit, "goal": goal, "target": selection.target}
        self.synthesised = {**about, "running": True}
        scale = sample.input.scale
        try:
            frames = synthesis_steps(
                self._lens.model,
                sample.input.x,
                of,
                recipe=self.recipe,
                count=self.several,
                steps=self.steps,
                every=EVERY,
                negative=self.negative,
                seed=self.seed,
                mean=scale.mean,
                std=scale.std,
                output=sample.scored(),
                recording=sample.recording,
                prepared=self._lens.prepared(sample),
            )
            for frame in frames:
                self._synthesis = frame
                self.synthesised = {**about, **synthesis_payload(frame), "running": frame.step < frame.steps}
                yield
        except GeneratorExit:
            self.synthesised = {**self.synthesised, "running": False}
            raise
        except Exception as error:
            self.synthesised = {**about, "error": str(error), "running": False}
