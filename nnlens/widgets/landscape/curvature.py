"""How sharp the loss is at the model: the largest eigenvalues of its Hessian."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
import traitlets as t
from typing_extensions import TypedDict

from nnlens.kernels.training import hessian_steps
from nnlens.recording import version_of
from nnlens.utils.language import _, number
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload

from .part import LandscapePart

_COUNT, _TOLERANCE = 3, 1e-4
_FLAT = 1e-3  # of the largest: what is less below 0 is not counted as negative


class CurvaturePayload(TypedDict):
    """The largest eigenvalues so far, and the bound of gradient descent, 2 ÷ rate, where the rate is known."""

    values: list[float]
    bound: float | None
    running: bool
    words: str


class CurvatureTraits(t.HasTraits):
    """The traits of `CurvaturePart`."""

    curvature = payload(CurvaturePayload, "the largest eigenvalues of the loss's Hessian, as far as they are known")


class CurvaturePart(Part):
    """Lanczos' method in the background, after the landscape."""

    traits: CurvatureTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._rate = options.get("rate")
        if self._rate is not None and not (isinstance(self._rate, (int, float)) and 0 < self._rate < math.inf):
            raise ValueError(f"rate must be above 0, got {self._rate!r}")
        self._found: tuple[Any, np.ndarray] | None = None
        self._going: tuple[Any, Iterator[np.ndarray]] | None = None  # what was stopped can go on

    def start(self) -> None:
        self.observe("resume", self._run)
        self.observe("cancel", self._stop)
        self._run()

    def _stop(self, change: Any = None) -> None:
        self.view.cancel_job("synthesis", self._stopped)

    def _stopped(self) -> None:
        if self.traits.curvature is not None:
            self.traits.curvature = {**self.traits.curvature, "running": False}

    def model_changed(self) -> None:
        self._run()

    def _run(self, change: Any = None) -> None:
        self.view.submit("synthesis", lambda: self.view.reported(_("eigenvalues of the Hessian"), self._steps()))

    def _steps(self) -> Generator[None, None, None]:
        yield
        version = version_of(self.session.model, full=True)
        if self._found is None or self._found[0] != version:
            if self._going is None or self._going[0] != version:
                self._going = version, self._begin()
            estimates, self._going = self._going[1], None  # begun anew after an error
            values = np.zeros(0)
            for values in estimates:
                self._going = version, estimates
                self._tell(values, running=True)
                yield
            self._found = version, values
        self._tell(self._found[1], running=False)

    def _begin(self) -> Iterator[np.ndarray]:
        model = self.session.model
        trained = [item for item in model.parameters() if item.requires_grad] or list(model.parameters())
        count = min(_COUNT, sum(item.numel() for item in trained))
        if not count:
            raise ValueError("a model without weights has no Hessian")
        return hessian_steps(model, self.view.part(LandscapePart).loss_in_memory(), count=count, tolerance=_TOLERANCE)

    def _tell(self, values: np.ndarray, *, running: bool) -> None:
        bound = None if self._rate is None else 2 / self._rate
        words = _("The eigenvalue of the Hessian that is largest in size: {value}.", value=number(f"{values[0]:.3g}"))
        used, there = len(self.view.part(LandscapePart).loss_in_memory()), len(self.view.part(LandscapePart).loss)
        if used < there:
            words += " " + _("Of {used} of the {count} examples.", used=used, count=there)
        negative = min(values) < -_FLAT * abs(values[0])
        if negative:
            words += " " + _("Some are negative: there the loss falls on both sides, and this is no minimum.")
        if bound is not None and not negative:
            below = max(values) < bound
            limit = number(f"{bound:.3g}")
            words += " " + (
                _("At this rate gradient descent is stable below {bound}, as it is here.", bound=limit)
                if below
                else _("At this rate gradient descent is stable below {bound} only.", bound=limit)
            )
        self.traits.curvature = {
            "values": [float(value) for value in values],
            "bound": bound,
            "running": running,
            "words": words,
        }

    def result(self) -> np.ndarray | None:
        """The largest eigenvalues; None, and the reason in the view, where there are none."""
        try:
            for _step in self._steps():
                pass
        except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            self.view.show_error(error)
            return None
        return None if self._found is None else self._found[1]

    def complete(self) -> None:
        self.result()

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        shown = state["curvature"]
        return {"curvature": shown and {**shown, "running": False}}

    def describe(self) -> str:
        shown = self.traits.curvature
        return "" if shown is None else shown["words"]
