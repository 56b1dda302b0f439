"""The scores with the occluder where the mouse is, and at that place under other sizes."""

from __future__ import annotations

import time
from collections.abc import Generator
from functools import partial
from typing import Any

import numpy as np
import torch
import traitlets as t
from torch import nn

from nnlens.kernels import size_curve
from nnlens.kernels.occlusion.laid_out import as_image
from nnlens.kernels.occlusion.occluded import is_undecided, scores_under
from nnlens.kernels.occlusion.occluder import Occluder, Shape
from nnlens.kernels.occlusion.occluder import occluder as make_occluder
from nnlens.passes.prepared import TRIALS
from nnlens.render import payloads, scores_of_several_payload, scores_with_top_payload
from nnlens.session.sample import Sample
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced

from .experiment import REST, ExperimentPart
from .settings import OccluderTraits, curve_sizes, filling


class LiveTraits(OccluderTraits):
    """The traits of `LivePart`."""

    occluder = synced(
        t.List(t.Int(), default_value=None, allow_none=True, help="[top, left] under the mouse"),
        payloads.Position | None,
        state="pinned",
        echo=False,  # it moves often
    )
    pinned = synced(t.Bool(False, help="whether the occluder stays where it is"), state=True)
    occluded = payload(payloads.OccludedScores, "the scores with the occluder where it is")
    size_curve = payload(payloads.SizeCurve, "the scores at the occluder's place under other sizes")


class LivePart(Part):
    """Computes the scores as the user moves the occluder."""

    traits: LiveTraits

    def start(self) -> None:
        self.observe(["occluder", "size", "fill", "shape"], self._move)
        self.observe(["occlusion_map", "target"], self._look_at_lowest)

    def new_image(self) -> dict[str, Any]:
        return {"occluder": None, "pinned": False, "occluded": None, "size_curve": None}

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"occluder": None, "pinned": False, "occluded": None}

    def _move(self, change: Any = None) -> None:
        if self.traits.occluder is None:
            self.traits.occluded = None
            self._look_at_lowest()
            return
        self.view.part(ExperimentPart).hand_moves()
        self.view.submit("live", self._look_under_occluder)
        self.view.submit("curve", self._look_under_sizes)

    def _look_at_lowest(self, change: Any = None) -> None:
        """Without an occluder the curve is that of the map's lowest place: it is never empty."""
        if self.traits.occluder is None and self._occluder() is not None and not self.view.is_static:
            self.view.submit("curve", self._look_under_sizes)

    def _occluder(self) -> payloads.Occluder | None:
        """The occluder as it is now, for the user moves on while the model computes; else at the map's lowest place."""
        traits = self.traits
        position = traits.occluder or self.view.part(ExperimentPart).lowest()
        if position is None:
            return None
        return {"position": position, "size": traits.size, "fill": traits.fill, "shape": traits.shape}

    def _look_under_occluder(self) -> Generator[None, None, None]:
        sample, occluder = self.sample, self._occluder()
        try:
            if self.traits.occluder is None or occluder is None or self.view.update():
                return
            begin = time.perf_counter()
            make = partial(self._under, sample, occluder)
            scores = sample.cache.once("scores under the occluder", *_key(occluder), make=make)
            shown = scores_with_top_payload(sample.scored(), scores[None], self.view.shown_classes())
            self.traits.occluded = {**occluder, **shown, "ms": (time.perf_counter() - begin) * 1000}
        except Exception as error:
            self.view.show_error(error)
        yield

    def _look_under_sizes(self) -> Generator[float | None, None, None]:
        """The scores at the occluder's place under other sizes, one after the other, once the occluder is at rest."""
        sample, occluder = self.sample, self._occluder()
        yield REST
        if occluder is None or sample is not self.sample:
            return
        sizes, rows = curve_sizes(self.traits.sizes, occluder["size"]), []
        try:
            # The engines are compared now, when no hand waits.
            for _trial in range(TRIALS):
                if is_undecided(self.session.prepared(sample)):
                    self._under(sample, occluder, compare=True)
                    yield None
            for size in sizes:
                make = partial(self._around, sample, occluder, size)
                rows.append(sample.cache.once("scores under other sizes", *_key(occluder), size, make=make))
                yield None
            scores = scores_of_several_payload(sample.scored(), np.concatenate(rows), self.view.shown_classes())
            self.traits.size_curve = {**occluder, "sizes": sizes, **scores}
        except Exception as error:
            self.view.show_error(error)

    def _under(self, sample: Sample, occluder: payloads.Occluder, *, compare: bool = False) -> np.ndarray:
        (top, left), what = occluder["position"], _key(occluder)[2:]
        # Made once: only its place changes while it moves.
        model, window = sample.cache.once("occluder", *what, make=partial(self._made, sample, *what))
        prepared = self.session.prepared(sample)
        scored, places = sample.scored(), [(top, left)]
        scores = scores_under(model, window, places, output=scored, prepared=prepared, compare=compare)[0]
        if problem := scored.problem(torch.from_numpy(scores)):
            raise ValueError(f"the model returned {problem} with the occluder at ({top}, {left})")
        result: np.ndarray = scores
        return result

    @staticmethod
    def _made(sample: Sample, size: int, fill: str, shape: Shape) -> tuple[nn.Module, Occluder]:
        model, x = as_image(sample.model, sample.input.x)
        return model, make_occluder(x, size=size, fill=filling(sample, fill), shape=shape)

    def _around(self, sample: Sample, occluder: payloads.Occluder, size: int) -> np.ndarray:
        top, left = occluder["position"]
        height, width = sample.input.x.shape[2:]
        return size_curve(
            sample.model,
            sample.input.x,
            (top + min(occluder["size"], height) / 2, left + min(occluder["size"], width) / 2),
            [size],
            fill=filling(sample, occluder["fill"]),
            shape=occluder["shape"],
            output=sample.scored(),
            prepared=self.session.prepared(sample),
        )


def _key(occluder: payloads.Occluder) -> tuple[Any, ...]:
    return *occluder["position"], occluder["size"], occluder["fill"], occluder["shape"]
