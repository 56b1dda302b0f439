"""The occluder under the mouse, and the map of the whole experiment."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
import traitlets as t

from ..export.bundle import Response, within_budget
from ..kernels import Occlusion, masked_scores, occluded_scores, occlusion_steps, size_curve
from ..kernels.occluder import Fill, named, pair
from ..names import nearest
from ..recording import version_of
from ..render import Panel, occlusion_texture
from ..render.picture import heat_over
from ..selection import Sample
from .view import View, built, synced

Key = tuple[int, int, str, str]  # size, stride, fill, shape
FILLS = ("background", "grey", "mean", "blur", "noise", "surround")
SHAPES = ("rectangle", "circle")
PUBLISH_EVERY = 0.15  # seconds between two states of a growing map
MAPS_KEPT = 24  # of one image
SKETCH = 9  # positions that are computed before the view is shown
CURVE = 8  # sizes at one place
REST = 0.15  # seconds after which a hand that moved the occluder rests: then other work goes on
WHILE_MOVING = 0.5  # seconds between two steps of a map while the hand does not rest


class OcclusionWidget(View):
    """Move an occluder over the photograph and watch the scores. `.result` is the map, an `Occlusion`."""

    _esm = built("occlusion.js")
    _css = built("nnlens.css")
    parts: ClassVar[tuple[str, ...]] = ("photo", "bars", "curve", "map", "fill", "code")
    controls: ClassVar[tuple[str, ...]] = (*View.controls, "paint", "size", "fill", "score", "pin")
    options: ClassVar[tuple[str, ...]] = (*View.options, "size", "stride", "fill", "shape", "score", "sizes")

    size = synced(t.Int(32, help="the occluder's side in pixels of the model's input"))
    sizes = synced(t.List(t.Int(), help="the smallest size, the largest, the slider's step"))
    stride = synced(t.Int(16, help="the steps of the experiment in pixels"))
    fill = synced(t.Unicode("grey", help="what the occluder shows: a name, an input value, or a colour"))
    fills = synced(t.List(t.Unicode(), help="the fills that this image has"))
    fill_color = synced(t.Unicode("#808080", help="how a fill of one value looks"))
    shape = synced(t.Enum(SHAPES, "rectangle", help="which pixels of its window the occluder covers"))
    score = synced(t.Enum(("probability", "logit"), "probability", help="which score the map shows"))
    definition = synced(t.Enum(("position", "pixel"), "position", help="per occluder position, or per pixel"))
    resume = synced(t.Int(0, help="counts up when the user goes on with a stopped experiment"))
    occluder = synced(t.List(t.Int(), default_value=None, allow_none=True, help="[top, left] under the mouse"))
    occluded = synced(t.Dict(default_value=None, allow_none=True, help="the scores with the occluder where it is"))
    # Bits come from the browser as a memory view, and need not travel back.
    mask: Any = t.Bytes(default_value=None, allow_none=True, help="pixels hidden by hand, a bit each, row by row")
    mask.tag(sync=True, echo_update=False, from_json=lambda value, _: None if value is None else bytes(value))
    masked = synced(t.Dict(default_value=None, allow_none=True, help="the scores with these pixels hidden"))
    curve = synced(t.Dict(default_value=None, allow_none=True, help="the scores at one place under other sizes"))
    heatmap = synced(t.Dict(default_value=None, allow_none=True, help="the map so far, see render.occlusion_texture"))

    @property
    def result(self) -> Any:
        """The map of the chosen size and fill: complete, or as far as it came if it was stopped."""
        return self._occlusion

    @property
    def _occlusion(self) -> Occlusion:
        self._refresh(full=True)
        self.wait()
        sample, key = self._selection.sample, self._key
        if not self._complete(sample, key) and not (self._stopped and key in sample.occlusions):
            for _ in self._grow(sample, key):
                pass
        return replace(sample.occlusions[key].snapshot(), target=self._selection.target)

    @property
    def _key(self) -> Key:
        return self.size, self.stride, self.fill, self.shape

    @t.validate("fill")
    def _check_fill(self, proposal: Any) -> str:
        name: str = proposal["value"]
        given = self._selection.sample.input
        try:
            if isinstance(given.fill(name), str) and name not in FILLS:
                known = f"one of {', '.join(FILLS)}, an input value, or a colour"
                raise ValueError(f"fill must be {known}, got {name!r}{nearest(name, FILLS)}")
        except ValueError as error:
            raise t.TraitError(str(error)) from None
        return name

    @t.validate("size", "stride")
    def _check_pixels(self, proposal: Any) -> int:
        name = proposal["trait"].name
        limit = tuple(self._selection.sample.input.x.shape[2:]) if name == "size" else None
        try:
            return pair(proposal["value"], name, limit)[0]
        except ValueError as error:
            raise t.TraitError(str(error)) from None  # traitlets puts the old value back for its own errors only

    def _prepare(self, options: dict[str, Any]) -> None:
        super()._prepare(options)
        sample = self._selection.sample
        height, width = sample.input.x.shape[2:]
        short = min(height, width)
        self.sizes = slider(short)
        step = self.sizes[2]
        self.size = side(options.get("size"), "size", short, max(1, round(short / 4 / step) * step))
        self.stride = side(options.get("stride"), "stride", None, max(1, round(short / 14)))
        score, shape = options.get("score") or "probability", options.get("shape") or "rectangle"
        for name, value, known in (("shape", shape, SHAPES), ("score", score, ("probability", "logit"))):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}{nearest(str(value), known)}")
        if score == "logit" and sample.scored().averaged:
            raise ValueError(
                "score must be 'probability' for the mean over a map: choose a place for its logit, "
                "target=(class, row, column)"
            )
        self.fills = [name for name in FILLS if name != "background" or sample.input.background is not None]
        try:
            self.fill = _as_fill(options.get("fill"), sample)
        except t.TraitError as error:
            raise ValueError(str(error)) from None
        self.shape, self.score = shape, score
        keep = options.get("sizes")
        self._sizes_to_keep = None if keep is None else [side(one, "sizes", short, 1) for one in keep]
        self._stopped, self._moved = False, 0.0
        if self._key not in sample.occlusions:
            # The first positions at once, so that no view is ever empty.
            for result in self._grow(sample, self._key):
                if result.computed.sum() >= SKETCH:
                    break

    def _start(self) -> None:
        self.observe(self._follow, "fill")
        self.observe(self._move, ["occluder", "size", "fill", "shape"])
        self.observe(self._hide_by_hand, ["mask", "fill"])
        self.observe(self._remap, ["size", "fill", "shape", "stride", "photo", "resume"])
        self.observe(self._stop, "cancel")
        if not self._static:
            self._remap()
        super()._start()

    def _payloads(self) -> dict[str, Any]:
        made = super()._payloads()
        sample = self._selection.sample
        if self._stale("fill_color", (sample, self.fill)):
            made["fill_color"] = colour_of(sample, self.fill)
        if "photo" in made:
            short = min(sample.input.x.shape[2:])
            made["fills"] = [name for name in FILLS if name != "background" or sample.input.background is not None]
            if self.fill == "background" and sample.input.background is None:
                made["fill"] = sample.input.usual_fill
            made.update(
                occluder=None,
                occluded=None,
                curve=None,
                mask=None,
                masked=None,
                sizes=slider(short),
                size=min(self.size, short),
            )
        if (heatmap := self._map_payload()) is not None:
            made["heatmap"] = heatmap
        return made

    def _map_payload(self) -> dict[str, Any] | None:
        """The map as far as it is computed; None where the browser has it already."""
        result = self._selection.sample.occlusions.get(self._key)
        if result is None or not self._stale("heatmap", (result, result.forwards, tuple(self.shown_classes()))):
            return None
        return occlusion_texture(result, self.shown_classes())

    # The experiment.

    def _grow(self, sample: Sample, key: Key) -> Iterator[Occlusion]:
        """The map of one size, stride, fill and shape as it grows; what there is stays with the sample."""
        size, stride, fill, shape = key
        if sample.version != version_of(self._lens.model):
            raise ValueError("the model has changed since this image was looked at: look at it again")
        steps = occlusion_steps(
            self._lens.model,
            sample.input.x,
            size=size,
            stride=stride,
            fill=filling(sample, fill),
            shape=shape,
            output=sample.scored(),
            known=sample.occlusions.get(key),
            prepared=self._lens.prepared(sample),
        )
        for result in steps:
            while len(sample.occlusions) >= MAPS_KEPT and key not in sample.occlusions:
                sample.occlusions.pop(next(iter(sample.occlusions)))
            sample.occlusions[key] = replace(result, fill=fill)
            yield sample.occlusions[key]

    def _remap(self, change: Any = None) -> None:
        """Show the map of the chosen size and fill, and compute what is missing of it."""
        sample, key = self._selection.sample, self._key
        self._stopped = False
        self._show_map()
        if sample.version == version_of(self._lens.model) and self._complete(sample, key):
            self._lens.worker.cancel(self, "map")
            self.busy = ""
            return

        def steps() -> Generator[float | None, None, None]:
            shown = stepped = 0.0
            while not self._complete(sample, key):
                # A hand that moves is not to wait for a step of the map.
                if (rest := self._moved + REST - time.monotonic()) > 0 and time.monotonic() < stepped + WHILE_MOVING:
                    yield rest
                    continue
                stepped = time.monotonic()
                if self._refresh():
                    return
                # Views that show the same map take turns at one experiment.
                experiment = sample.growing.setdefault(key, self._grow(sample, key))
                if next(experiment, None) is None:
                    sample.growing.pop(key, None)
                if time.monotonic() - shown > PUBLISH_EVERY:
                    self._show_map()
                    shown = time.monotonic()
                yield None
            self._show_map()

        self._lens.worker.submit(self, "map", lambda: self._steps("occlusion map", steps()))

    def _complete(self, sample: Sample, key: Key) -> bool:
        known = sample.occlusions.get(key)
        return known is not None and known.complete

    def _refresh(self, *, full: bool = False) -> bool:
        changed = super()._refresh(full=full)
        if changed:
            self._remap()
        return changed

    def _show_map(self) -> None:
        payload = self._map_payload()
        if payload is not None:
            self.heatmap = payload

    def _stop(self, change: Any) -> None:
        self._stopped = True
        self._lens.worker.cancel(self, "map")
        self.busy = ""
        self._show_map()

    # The occluder under the mouse.

    def _move(self, change: Any = None) -> None:
        if self.occluder is None:
            self.occluded = self.curve = None
            self._lens.worker.cancel(self, "curve")
            return
        self._moved = time.monotonic()
        self._lens.worker.submit(self, "live", self._look_under_occluder)
        self._lens.worker.submit(self, "curve", self._look_under_sizes)

    def _look_under_occluder(self) -> Generator[None, None, None]:
        # All that decides, taken once: the hand moves on while the model computes.
        sample, place, size, fill, shape = self._selection.sample, self.occluder, self.size, self.fill, self.shape
        about = {"place": place, "size": size, "fill": fill, "shape": shape}
        try:
            if place is None or self._refresh():
                return
            begin = time.perf_counter()
            where = place[0], place[1], size, fill, shape
            scores = sample.once("occluded", *where, make=partial(self._under, sample, *where), most=1024)
            took = (time.perf_counter() - begin) * 1000
            self.occluded = {**about, **self.scored(sample, scores[None]), "ms": took}
        except Exception as error:
            self._show_error(error)
        yield

    def _look_under_sizes(self) -> Generator[float | None, None, None]:
        """The scores at the occluder's place under other sizes, one after the other, once the hand rests."""
        sample, place, size, fill, shape = self._selection.sample, self.occluder, self.size, self.fill, self.shape
        yield REST
        if place is None or sample is not self._selection.sample:
            return
        sizes, rows = _curve_sizes(self.sizes, size), []
        try:
            for other in sizes:
                where = place[0], place[1], size, other, fill, shape
                rows.append(sample.once("curve", *where, make=partial(self._around, sample, *where), most=2048))
                yield None
            about = {"place": place, "size": size, "fill": fill, "shape": shape}
            self.curve = {**about, "sizes": sizes, **self.scored(sample, np.concatenate(rows))}
        except Exception as error:
            self._show_error(error)

    def _under(self, sample: Sample, top: int, left: int, size: int, fill: str, shape: str) -> np.ndarray:
        scores = occluded_scores(
            self._lens.model,
            sample.input.x,
            [(top, left)],
            size=size,
            fill=filling(sample, fill),
            shape=shape,
            output=sample.scored(),
            prepared=self._lens.prepared(sample),
        )[0]
        if problem := sample.scored().problem(torch.from_numpy(scores)):
            raise ValueError(f"the model returned {problem} with the occluder at ({top}, {left})")
        return scores

    def _around(self, sample: Sample, top: int, left: int, size: int, other: int, fill: str, shape: str) -> np.ndarray:
        return size_curve(
            self._lens.model,
            sample.input.x,
            (top + size / 2, left + size / 2),
            [other],
            fill=filling(sample, fill),
            shape=shape,
            output=sample.scored(),
            prepared=self._lens.prepared(sample),
        )

    # Pixels that are hidden by hand.

    def _hide_by_hand(self, change: Any = None) -> None:
        if self.mask is None:
            self.masked = None
            return
        self._lens.worker.submit(self, "hand", self._look_under_mask)

    def _look_under_mask(self) -> Generator[None, None, None]:
        sample, packed = self._selection.sample, self.mask
        fill = "mean" if self.fill == "surround" else self.fill  # a mask has no surround
        try:
            if packed is None or self._refresh():
                return
            height, width = sample.input.x.shape[2:]
            bits = np.unpackbits(np.frombuffer(packed, np.uint8))
            if len(bits) < height * width:
                raise ValueError(f"mask must have a bit for each of {height} × {width} pixels, got {len(bits)} bits")
            hidden = bits[: height * width].reshape(height, width).astype(bool)
            if hidden.any():
                rows = masked_scores(
                    self._lens.model,
                    sample.input.x,
                    hidden[None],
                    fill=filling(sample, fill),
                    output=sample.scored(),
                    prepared=self._lens.prepared(sample),
                )
                # The number of hidden pixels and the sum of their places say which mask it was.
                mark = [int(hidden.sum()), int(np.flatnonzero(hidden).sum())]
                self.masked = {"mark": mark, "fill": self.fill, **self.scored(sample, rows)}
            else:
                self.masked = None
        except Exception as error:
            self._show_error(error)
        yield

    # Beyond the kernel.

    def describe(self) -> str:
        result = self._selection.sample.occlusions.get(self._key)
        if result is None:
            return super().describe()
        return f"{super().describe()} Of {self._selection.label}: {result.describe(self._selection.target)}."

    def panels(self) -> list[Panel]:
        result = self._selection.sample.occlusions.get(self._key)
        if result is None:
            return super().panels()
        change = result.change(self._selection.target, self.score)
        largest = float(np.max(np.abs(change), where=np.isfinite(change), initial=0))
        largest = max(largest, result.floor(self._selection.target, self.score)) or 1.0
        picture = heat_over(self._selection.sample.input.shown, result, change, largest)
        title = f"change of {self.score} where {self.size} px are hidden"
        return [*super().panels(), Panel(title, picture, legend=(-largest, largest))]

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        sample, step = self._selection.sample, self.sizes[2]
        short = min(sample.input.x.shape[2:])
        usual = [max(1, round(short * share / step) * step) for share in (1 / 8, 1 / 4, 3 / 8)]
        wanted = [self.size, *(usual if self._sizes_to_keep is None else self._sizes_to_keep)]
        keys: list[Key] = [(size, self.stride, self.fill, self.shape) for size in dict.fromkeys(wanted)]
        if whole:
            self.wait()  # one at a time: the worker may be at the same map
            for key in keys:
                while not self._complete(sample, key):
                    for _ in self._grow(sample, key):
                        pass
            self._show_map()
        keys += [key for key in sample.occlusions if key not in keys and (key[1], key[3]) == (self.stride, self.shape)]
        shown = self.shown_classes()
        candidates = (
            (f"{size}|{fill}", {"heatmap": occlusion_texture(sample.occlusions[size, stride, fill, shape], shown)})
            for size, stride, fill, shape in keys
            if (size, stride, fill, shape) in sample.occlusions
        )
        return [*super().bake(budget, whole=whole), Response(("size", "fill"), within_budget(candidates, budget // 2))]


def slider(short: int) -> list[int]:
    """The smallest size, the largest and the step for images whose shorter side is `short`."""
    step = max(1, short // 56)
    return [step, max(1, short // 2), step]


def _curve_sizes(sizes: list[int], size: int) -> list[int]:
    """A few sizes from the smallest to the largest of the slider, the chosen one among them."""
    least, most, step = sizes
    even = np.geomspace(max(least, min(4 * step, most)), most, CURVE)
    return sorted({size, *(max(least, round(one / step) * step) for one in even)})


def side(value: Any, name: str, limit: int | None, default: int) -> int:
    """A size or stride of the widget, which is square: a whole number, checked as the kernel does."""
    if value is None:
        return default
    if isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be one whole number in a view (kernels.occlusion takes pairs), got {value!r}")
    return pair(value, name, None if limit is None else (limit, limit))[0]


def filling(sample: Sample, fill: str) -> Fill:
    """The kernel's fill for the widget's choice: grey, background and colours are values of the model's input."""
    return named(sample.input.fill(fill), fill)


def _as_fill(fill: Any, sample: Sample) -> str:
    """The option `fill` as the trait has it: a name, a number or a colour in words."""
    if fill is None:
        return sample.input.usual_fill
    if isinstance(fill, (tuple, list)) and len(fill) == 3 and all(type(one) is int and 0 <= one < 256 for one in fill):
        return "#" + "".join(f"{one:02x}" for one in fill)
    if isinstance(fill, bool) or not isinstance(fill, (str, int, float)):
        raise TypeError(f"fill must be a name, a number or a colour ('red', '#ff0000', (255, 0, 0)), got {fill!r}")
    return fill if isinstance(fill, str) else f"{fill:g}"


def colour_of(sample: Sample, fill: str) -> str:
    """How a fill of one value looks, as a colour of CSS."""
    values = sample.input.fill(fill)
    if isinstance(values, str):
        return "#808080"
    given, scale = sample.input, sample.input.scale
    levels = torch.as_tensor(values).float().cpu().reshape(-1).expand(given.x.shape[1])
    shown = (
        levels * torch.tensor(scale.std, dtype=torch.float32) + torch.tensor(scale.mean, dtype=torch.float32)
    ).clamp(0, 1)
    shown = shown if len(shown) == 3 else shown.mean().expand(3)
    return "#" + "".join(f"{round(float(one) * 255):02x}" for one in shown)
