"""A copy of the model is trained on the points while its linear pieces are shown."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
import traitlets as t
from torch import Tensor, nn

from nnlens.kernels.chaos import at_initialisation
from nnlens.recording import borrow
from nnlens.recording.record import copy_of
from nnlens.render.functions import payloads
from nnlens.scores.meaning import pick_output
from nnlens.utils.language import _, number
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload, synced

from .plane import PlanePart

_KEPT = 200  # losses that are shown


class TrainingTraits(t.HasTraits):
    """The traits of `TrainingPart`."""

    training = payload(payloads.TrainingPayload, "how far the training has come")
    train = synced(t.Bool(False, help="whether the copy is being trained"))
    rate = synced(t.Float(0.01, min=1e-5, max=1, help="the learning rate (Adam)"), state=True)
    steps_each = synced(t.Int(5, min=1, max=500, help="training steps between two drawings"), state=True)
    restart = counter("a request to draw the weights of the copy anew")
    can_train = synced(t.Bool(False, help="whether there are points with classes"))


class TrainingPart(Part):
    """The lens's model stays as it is: what is trained is a copy, `view.model`."""

    traits: TrainingTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        if options.get("rate") is not None:
            self.traits.rate = options["rate"]
        if options.get("steps") is not None:
            self.traits.steps_each = options["steps"]
        plane = self.view.part(PlanePart)
        self.traits.can_train = bool(len(plane.classes)) and bool((plane.classes >= 0).all()) and not self._images
        if self.traits.can_train:
            count = self._outputs(plane)
            most = int(plane.classes.max())
            if most >= max(2, count):
                raise ValueError(f"labels must be 0…{max(2, count) - 1} for a model with {count} outputs, got {most}")
        self._begin()

    def _outputs(self, plane: PlanePart) -> int:
        with borrow(plane.model), torch.no_grad():
            return pick_output(plane.model(plane.inputs()[:1]), self.session.setup.pick).shape[1]

    @property
    def _images(self) -> bool:
        points = self.view.part(PlanePart).traits.points
        return bool(points and points["names"])

    def _begin(self) -> None:
        self._step, self._rows, self._seconds = 0, list[tuple[int, float, int]](), list[float]()
        self._accuracy = float("nan")
        self._optimiser: torch.optim.Optimizer | None = None

    def start(self) -> None:
        self.observe("train", self._train)
        self.observe("restart", self._restart)

    def _train(self, change: Any) -> None:
        if not change["new"]:
            return  # the job sees it after its next drawing
        if not self.traits.can_train:
            self.traits.train = False
            self.view.show_error(ValueError("training needs points and their labels: lens.regions(points, labels)"))
            return
        self.view.submit("data", lambda: self.view.reported(_("training a copy"), self._job()))

    def _restart(self, change: Any) -> None:
        def steps() -> Generator[None, None, None]:
            plane = self.view.part(PlanePart)
            plane.model = at_initialisation(plane.model, seed=change["new"]).cpu().float().requires_grad_(True)
            self._begin()
            yield from plane.compute()
            self._tell()

        self.view.submit("hand", lambda: self.view.reported(_("drawing weights"), steps()))

    def _job(self) -> Generator[None, None, None]:
        try:
            while self.traits.train:
                yield from self.advance()
        finally:
            self.traits.train = False
            self._tell()

    def advance(self, steps: int | None = None) -> Generator[None, None, None]:
        """Some training steps, and the pieces after them."""
        started = time.perf_counter()
        plane = self.view.part(PlanePart)
        if plane.model is self.session.model:
            plane.model = self._copy(plane.model)
        if self._optimiser is None:
            self._optimiser = torch.optim.Adam(plane.model.parameters(), lr=self.traits.rate)
        for group in self._optimiser.param_groups:
            group["lr"] = self.traits.rate
        x, classes = plane.inputs(), torch.from_numpy(plane.classes)
        loss = torch.zeros(())
        with torch.inference_mode(False), torch.enable_grad():
            for _number in range(self.traits.steps_each if steps is None else steps):
                scores = pick_output(plane.model(x), self.session.setup.pick)
                loss = _loss(scores, classes)
                self._optimiser.zero_grad()
                loss.backward()
                self._optimiser.step()
                self._step += 1
        with torch.no_grad():
            scores = pick_output(plane.model(x), self.session.setup.pick)
            answers = (scores[:, 0] > 0).long() if scores.shape[1] == 1 else scores.argmax(1)
            self._accuracy = float((answers == classes).float().mean())
        yield from plane.compute()
        yield
        self._rows.append((self._step, float(loss.detach()), plane.count()))
        self._seconds = [*self._seconds[-9:], time.perf_counter() - started]
        self._tell()

    def _copy(self, model: nn.Module) -> nn.Module:
        return copy_of(model).cpu().float().requires_grad_(True).eval()

    def _tell(self) -> None:
        rows = self._rows
        if len(rows) > _KEPT:
            rows = [rows[round(place * (len(rows) - 1) / (_KEPT - 1))] for place in range(_KEPT)]
        mean = sum(self._seconds) / len(self._seconds) if self._seconds else 0.0
        self.traits.training = {
            "step": self._step,
            "losses": [loss for _step, loss, _count in rows],
            "regions": [count for _step, _loss, count in rows],
            "accuracy": self._accuracy if self._rows else 0.0,
            "running": self.traits.train,
            "per_second": 1 / mean if mean else 0.0,
        }

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        training = state["training"]
        return {"train": False, "training": training and {**training, "running": False}}

    def describe(self) -> str:
        if not self._rows:
            return ""
        return _(
            "A copy after {count} training steps: loss {loss}, accuracy {share} %.",
            count=self._step,
            loss=number(f"{self._rows[-1][1]:.3g}"),
            share=number(f"{100 * self._accuracy:.1f}"),
        )

    def close(self) -> None:
        self.traits.train = False


def _loss(scores: Tensor, classes: Tensor) -> Tensor:
    if scores.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(scores[:, 0], classes.to(scores))
    return F.cross_entropy(scores, classes)
