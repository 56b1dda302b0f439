"""The two checkpoints of a training that are compared."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import traitlets as t

from nnlens.kernels.training import Checkpoints
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import synced

from .differences import DifferencePart


class CheckpointsTraits(t.HasTraits):
    """The traits of `CheckpointsPart`."""

    compared_steps = synced(t.List(t.Int(), help="the steps with a checkpoint; empty for other models"), list[int])
    first_step = synced(t.Int(-1, help="the checkpoint of the first side"), state="compared_steps")
    second_step = synced(t.Int(-1, help="the checkpoint of the second side"), state="compared_steps")


class CheckpointsPart(Part):
    """Loads a checkpoint into the copy of the model that its side has."""

    traits: CheckpointsTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._checkpoints: Checkpoints | None = None
        given = options["compared checkpoints"]
        if given is not None:
            self._checkpoints, self.traits.first_step, self.traits.second_step = given
            self.traits.compared_steps = given[0].steps

    def start(self) -> None:
        if self._checkpoints is not None:
            self.observe(["first_step", "second_step"], self._load)

    def _load(self, change: Any) -> None:
        def steps() -> Generator[None, None, None]:
            yield
            assert self._checkpoints is not None
            # Both: of two changes in quick succession only the later job is done.
            for name, session in (("first_step", self.session), ("second_step", self._second)):
                step = self._checkpoints.nearest(getattr(self.traits, name))
                session.model.load_state_dict(self._checkpoints.load(step))
                setattr(self.traits, name, step)
            self.view.update(full=True)

        self.view.submit("hand", lambda: self.view.reported(_("loading the checkpoint"), steps()))

    @property
    def _second(self) -> Any:
        return self.view.part(DifferencePart).second.session
