"""The map of the whole experiment: computed coarse to fine in the background, kept with the image."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import traitlets as t

from nnlens.export.bundle import Response, within_budget
from nnlens.kernels import Occlusion, occlusion_steps
from nnlens.kernels.occlusion.occluder import shorter_side
from nnlens.recording import version_of
from nnlens.render import Panel, occlusion_texture, payloads, smaller_occlusion_map
from nnlens.render.picture import heat_over
from nnlens.scores.meaning import score_words
from nnlens.session.sample import Sample
from nnlens.utils.language import _
from nnlens.widgets.base.options import one_of
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload, synced

from .settings import SHAPES, OccluderTraits, color_of, fill_name, filling, fills_of, side, slider

Key = tuple[int, int, str, str]  # size, stride, fill, shape
PUBLISH_EVERY = 0.15  # seconds between two states of a growing map
SKETCH = 9  # positions that are computed before the view is shown
WHILE_MOVING = 2.0  # seconds between two steps of a map while the pointer is moving: one takes up to 0.3
REST = 0.15  # seconds without movement of the occluder after which other work continues


class ExperimentTraits(OccluderTraits):
    """The traits of `ExperimentPart`."""

    score = synced(t.Enum(("probability", "logit"), "probability", help="which score the map shows"), state=True)
    definition = synced(
        t.Enum(("position", "pixel"), "position", help="per occluder position, or per pixel"), state=True
    )
    resume = counter("a request to continue a stopped computation")
    occlusion_map = payload(payloads.OcclusionMapPayload, "the occlusion map, as far as it is computed")


class ExperimentPart(Part):
    """The occlusion map of the chosen size, stride, fill and shape."""

    traits: ExperimentTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        traits, sample = self.traits, self.sample
        most, is_row = shorter_side(sample.input.x), sample.input.is_row
        traits.sizes = slider(most, is_row)
        step = traits.sizes[2]
        usual = most / (16 if is_row else 4)
        traits.size = side(options.get("size"), "size", most, max(1, round(usual / step) * step))
        traits.stride = side(options.get("stride"), "stride", None, max(1, round(most / (128 if is_row else 14))))
        shape = one_of(options.get("shape"), "shape", SHAPES, "rectangle")
        score = one_of(options.get("score"), "score", ("probability", "logit"), "probability")
        if score == "logit" and sample.scored().averaged:
            raise ValueError(
                "score must be 'probability' for the mean over a map: choose a position for its logit, "
                "target=(class, row, column)"
            )
        traits.fills = fills_of(sample)
        try:
            traits.fill = fill_name(options.get("fill"), sample)
        except t.TraitError as error:
            raise ValueError(str(error)) from None
        traits.shape, traits.score = shape, score
        keep = options.get("sizes")
        self._sizes_to_keep = None if keep is None else [side(size, "sizes", most, 1) for size in keep]
        self._stopped, self._hand_moved = False, 0.0
        if sample.cache.get("occlusion map", *self.key) is None:
            # The first positions are computed at once, so that no view is empty.
            for result in self._grow(sample, self.key):
                if result.computed.sum() >= SKETCH:
                    break

    def start(self) -> None:
        self.observe("fill", self.view.follow)
        self.observe(["size", "fill", "shape", "stride", "photo", "resume"], self.remap)
        self.observe("cancel", self._stop)
        if not self.view.is_static:
            self.remap()

    @property
    def key(self) -> Key:
        """What determines a map, besides the image."""
        return self.traits.size, self.traits.stride, self.traits.fill, self.traits.shape

    @property
    def result(self) -> Occlusion:
        """The map of the chosen size and fill: complete, or as far as it got if it was stopped."""
        self.view.update(full=True)
        self.view.wait()
        sample, key = self.sample, self.key
        if not self._is_complete(sample, key) and not (self._stopped and self._known(sample, key) is not None):
            for _map in self._grow(sample, key):
                pass
        known = self._known(sample, key)
        assert known is not None
        return replace(known.snapshot(), target=self.selection.target)

    @property
    def known(self) -> Occlusion | None:
        """The map of the chosen size and fill as far as it is computed."""
        return self._known(self.sample, self.key)

    def complete_now(self) -> None:
        """Compute what is missing of the map."""
        self.view.wait()  # one at a time: the worker may be computing the same map
        while not self._is_complete(self.sample, self.key):
            deque(self._grow(self.sample, self.key), maxlen=0)
        self._show()

    def lowest(self) -> payloads.Position | None:
        """(top, left) where hiding lowers the target's probability the most; None before the map is complete."""
        known = self._known(self.sample, self.key)
        if known is None or not known.complete:
            return None
        change = known.change(self.selection.target)
        if not np.isfinite(change).any():
            return None
        row, column = np.unravel_index(np.nanargmin(change), change.shape)
        return int(known.tops[row]), int(known.lefts[column])

    def hand_moves(self) -> None:
        """The occluder is being moved: the map yields to the scores that the user is waiting for."""
        self._hand_moved = time.monotonic()

    def new_image(self) -> dict[str, Any]:
        sample = self.sample
        most = shorter_side(sample.input.x)
        made = {
            "fills": fills_of(sample),
            "sizes": slider(most, sample.input.is_row),
            "size": min(self.traits.size, most),
        }
        if self.traits.fill == "background" and sample.input.background is None:
            made["fill"] = sample.input.usual_fill
        return made

    def updates(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.view.is_outdated("fill_color", (self.sample, self.traits.fill)):
            made["fill_color"] = color_of(self.sample, self.traits.fill)
        if (texture := self._map_payload()) is not None:
            made["occlusion_map"] = texture
        return made

    def model_changed(self) -> None:
        self.remap()

    def _known(self, sample: Sample, key: Key) -> Occlusion | None:
        known: Occlusion | None = sample.cache.get("occlusion map", *key)
        return known

    def _is_complete(self, sample: Sample, key: Key) -> bool:
        known = self._known(sample, key)
        return known is not None and known.complete

    def _map_payload(self) -> payloads.OcclusionMapPayload | None:
        """The map as far as it is computed; None where the browser has it already."""
        result, shown = self._known(self.sample, self.key), self.view.shown_classes()
        if result is None or not self.view.is_outdated("occlusion_map", (result, result.forwards, tuple(shown))):
            return None
        return occlusion_texture(result, shown)

    def _grow(self, sample: Sample, key: Key) -> Iterator[Occlusion]:
        """The map of one size, stride, fill and shape as it grows; what there is stays with the image."""
        size, stride, fill, shape = key
        if sample.version != version_of(self.session.model):
            raise ValueError("the model has changed since this image was recorded: open it again")
        steps = occlusion_steps(
            sample.model,
            sample.input.x,
            size=size,
            stride=stride,
            fill=filling(sample, fill),
            shape=shape,
            output=sample.scored(),
            known=self._known(sample, key),
            prepared=self.session.prepared(sample),
        )
        for result in steps:
            result = replace(result, fill=fill)
            sample.cache.put("occlusion map", *key, value=result)
            yield result

    def remap(self, change: Any = None) -> None:
        """Show the map of the chosen size and fill, and compute what is missing of it."""
        sample, key = self.sample, self.key
        self._stopped = False
        self._show()
        if sample.version == version_of(self.session.model) and self._is_complete(sample, key):
            self.view.cancel_job("map")
            self.view.busy = ""
            return
        self.view.submit("map", lambda: self.view.reported(_("occlusion map"), self._steps(sample, key)))

    def _steps(self, sample: Sample, key: Key) -> Generator[float | None, None, None]:
        shown = stepped = 0.0
        while not self._is_complete(sample, key):
            # A moving occluder must not wait for a step of the map.
            rest = self._hand_moved + REST - time.monotonic()
            if rest > 0 and time.monotonic() < stepped + WHILE_MOVING:
                yield rest
                continue
            stepped = time.monotonic()
            if self.view.update():
                return
            # Views that show the same map take turns at one experiment.
            experiment = sample.cache.once("running experiment", *key, make=lambda: self._grow(sample, key))
            if next(experiment, None) is None:
                sample.cache.drop("running experiment", *key)
            if time.monotonic() - shown > PUBLISH_EVERY:
                self._show()
                shown = time.monotonic()
            yield None
        self._show()

    def _show(self) -> None:
        texture = self._map_payload()
        if texture is not None:
            self.traits.occlusion_map = texture

    def _stop(self, change: Any) -> None:
        self._stopped = True
        self.view.cancel_job("map")
        self.view.busy = ""
        self._show()

    # Without a kernel.

    def describe(self) -> str:
        result = self._known(self.sample, self.key)
        if result is None:
            return ""
        words = result.describe(self.selection.target)
        return _("Of {label}: {words}.", label=self.selection.label, words=words)

    def panels(self) -> list[Panel]:
        result, score = self._known(self.sample, self.key), self.traits.score
        if result is None:
            return []
        change = result.change(self.selection.target, score)
        largest = float(np.max(np.abs(change), where=np.isfinite(change), initial=0))
        largest = max(largest, result.floor(self.selection.target, score)) or 1.0
        picture = heat_over(self.sample.input.shown, result, change, largest)
        title = _("change of {score} where {size} px are hidden", score=score_words(score), size=self.traits.size)
        return [Panel(title=title, image=picture, legend=(-largest, largest))]

    def smaller(self, name: str, value: Any) -> Any:
        return smaller_occlusion_map(value) if name == "occlusion_map" and value is not None else None

    def contents(self, name: str) -> str:
        return _("the occlusion map, as far as it is computed")

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        sample, step, now = self.sample, self.traits.sizes[2], self.key
        shares = (1 / 32, 1 / 16, 1 / 8) if sample.input.is_row else (1 / 8, 1 / 4, 3 / 8)
        usual = [max(1, round(shorter_side(sample.input.x) * share / step) * step) for share in shares]
        wanted = [now[0], *(usual if self._sizes_to_keep is None else self._sizes_to_keep)]
        keys: list[Key] = [(size, *now[1:]) for size in dict.fromkeys(wanted)]
        if whole:
            self.view.wait()  # one at a time: the worker may be computing the same map
            for key in keys:
                while not self._is_complete(sample, key):
                    for _map in self._grow(sample, key):
                        pass
            self._show()
        maps = sample.cache.of_kind("occlusion map")
        keys += [key for key in maps if key not in keys and (key[1], key[3]) == (now[1], now[3])]
        shown = self.view.shown_classes()
        candidates = (
            (f"{key[0]}|{key[2]}", {"occlusion_map": occlusion_texture(maps[key], shown)})
            for key in keys
            if key in maps
        )
        return [Response(("size", "fill"), within_budget(candidates, budget // 2))]
