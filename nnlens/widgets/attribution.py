"""Attributions side by side: one column a method, one row a class or an image, the evidence under each."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import traitlets as t
from PIL import Image

from ..comparison import Comparison, Settings, default_segmentation
from ..export.bundle import Response, packed_size, within_budget
from ..kernels import CHECKS, METHODS, Attribution, Evidence, agreement
from ..kernels.attribution.class_maps import map_layers
from ..kernels.attribution.evidence import ORDERS, STEPS, Check
from ..kernels.attribution.lime import Switches
from ..kernels.attribution.methods import method_named
from ..kernels.attribution.superpixels import Segmentation
from ..kernels.scores import check_kind
from ..names import nearest
from ..render import (
    Panel,
    attribution_over,
    attribution_texture,
    draw,
    encoded,
    evidence_payload,
    finite,
    stacked,
    superpixel_texture,
)
from ..selection import Sample, resolve_target
from .attribution_result import Attributions, Row
from .view import View, built, synced

PUBLISH_EVERY = 0.2  # seconds between two states of a growing map
AT_ONCE = 10  # forward passes: maps that cost no more are there before the view is shown
BY_ITSELF = 400  # forward passes: checks that cost more wait until they are asked for
ROWS = 6
PANELS = 6  # maps in a row of a picture
MAPS_BUDGET = 1_200_000  # bytes of all maps in a saved page
LOOKS = ("own", "signed", "magnitude")
SCALES_OF_MAPS = ("each", "method", "all")
SETTINGS = ("samples", "segments", "segmentation", "width", "seed", "cam_layer")


def _agreement(maps: dict[str, Attribution]) -> dict[str, Any]:
    values = agreement(list(maps.values())).round(3).tolist() if len(maps) > 1 else []
    return {"methods": list(maps), "values": finite(values)}


class AttributionWidget(View):
    """Maps of several methods with the evidence that could refute them. `.result` has the numbers, `Attributions`."""

    _esm = built("attribution.js")
    _css = built("nnlens.css")
    parts: ClassVar[tuple[str, ...]] = ("photo", "bars", "controls", "grid", "evidence", "superpixels", "code")
    controls: ClassVar[tuple[str, ...]] = (*View.controls, "controls")
    options: ClassVar[tuple[str, ...]] = (
        *("layer", "target", "methods", "score", "look", "maps_scale", "opacity", "checks", "most"),
        "upsample",
        *SETTINGS[:-1],
    )

    methods = synced(t.List(t.Unicode(), help="the columns"))
    rows = synced(t.List(t.Dict(), help="image, target, label, probability; photo where it is another image"))
    others = synced(t.List(t.Int(), help="classes that are compared with the target"))
    method = synced(t.Unicode("", help="the selected column"))
    row = synced(t.Int(0, help="the selected row"))
    known = synced(t.List(t.Dict(), help="all methods: name, title, passes, and whether they fit the model"))
    look = synced(t.Enum(LOOKS, "own", help="with signs, as magnitude, or as suits each method"))
    maps_scale = synced(t.Enum(SCALES_OF_MAPS, "each", help="which maps share a scale: none, a method's, all"))
    opacity = synced(t.Float(0.75, help="of the maps over the photograph, 0…1"))
    samples = synced(t.Int(1000, help="of LIME, KernelSHAP and RISE"))
    segments = synced(t.Int(50, help="about how many superpixels"))
    segmentation = synced(t.Enum(get_args(Segmentation), "slic", help="how superpixels are made"))
    width = synced(t.Float(0.25, help="of LIME's kernel"))
    seed = synced(t.Int(0, help="the same seed, the same result"))
    cam_layer = synced(t.Unicode("", help="the layer of Grad-CAM, empty for the last one with places"))
    cam_layers = synced(t.List(t.Unicode(), help="the layers that it can be"))
    superpixels = synced(t.Dict(help="of the selected row, see render.superpixel_texture"))
    off = synced(t.List(t.Int(), help="superpixels of the selected row that are switched off"))
    switched = synced(t.Dict(default_value=None, allow_none=True, help="the scores with these superpixels off"))
    check = synced(t.Dict(default_value=None, allow_none=True, help="a check that is asked for: method, row, check"))
    resume = synced(t.Int(0, help="counts up when the user goes on with what was stopped"))
    progress = synced(t.Dict(help="what is being made, passes done and in all, seconds that are left"))
    stopped = synced(t.Bool(False, help="whether the user stopped it"))
    agreements = synced(t.Dict(help="row → methods, and the rank correlations of their maps"))

    # For each method a trait of its own: a new map must not send all others again.
    for _name in METHODS:
        locals()[f"map_{_name}"] = synced(t.Dict(help="row → its map, see render.attribution_texture"))
        locals()[f"evidence_{_name}"] = synced(t.Dict(help="row → its evidence, see render.evidence_payload"))
    del _name

    def __init__(self, lens: Any, image: Any = None, **options: Any):
        images = list(image) if isinstance(image, (list, tuple)) else [image]
        if not images or len(images) > ROWS:
            raise ValueError(f"image must be one or up to {ROWS} images, got {len(images)}")
        self._asked_layer = options.pop("layer", None)
        targets = options.pop("target", None)
        if isinstance(targets, tuple) and images[0] is not None:
            # Of a model that gives a map, a class and a place in it; else several classes.
            looked = lens.look(images[0])
            targets = targets if looked.scored().axes else list(targets)
        several = targets if isinstance(targets, list) else [targets]
        if not several or len(several) > ROWS:
            raise ValueError(f"target must be one or up to {ROWS} classes, got {len(several)}")
        if len(images) > 1 and len(several) > 1:
            raise ValueError("rows are either several images or several targets, got both")
        self._images = [lens.look(one) for one in images[1:]]
        self._asked_targets = several
        self._fixed = several[0] is not None  # the same class in every image
        super().__init__(lens, images[0], target=several[0], **options)

    @property
    def result(self) -> Attributions:
        """All maps and their evidence; what is missing is computed, but for checks that have to be asked for."""
        self.wait()
        self._make_all()
        rows = self._rows
        maps, evidence = {}, {}
        for number, row in enumerate(rows):
            for name in self.methods:
                found = self._comparison.map(row.sample, row.target, name, self._settings)
                known = self._comparison.evidence(row.sample, row.target, name, self._settings)
                if found is not None:
                    maps[name, number] = found
                if known is not None:
                    evidence[name, number] = known
        about = tuple((row.sample.input.name, row.target, row.label) for row in rows)
        return Attributions(tuple(self.methods), about, maps, evidence, dict(self._errors))

    @property
    def _settings(self) -> Settings:
        return Settings(
            self.samples,
            self.segments,
            self.segmentation,
            self.width,
            self.seed,
            self.cam_layer,
            self._score,
            self._upsample,
        )

    @property
    def _rows(self) -> list[Row]:
        first = Row(self._selection.sample, self._selection.target)
        if self._images:
            # The weights may have changed since.
            self._images = [self._lens.current(sample) for sample in self._images]
            return [first, *(Row(one, first.target if self._fixed else one.top(1)[0]) for one in self._images)]
        return [first, *(Row(first.sample, target) for target in self.others if target != first.target)]

    @t.validate("methods")
    def _check_methods(self, proposal: Any) -> list[str]:
        try:
            names = [method_named(name).name for name in proposal["value"]]
        except ValueError as error:
            raise t.TraitError(str(error).replace("method must", "methods must")) from None
        return list(dict.fromkeys(names))

    @t.validate("others")
    def _check_others(self, proposal: Any) -> list[int]:
        names = self._selection.sample.names
        try:
            found = [resolve_target(one, names) for one in proposal["value"]]
        except (TypeError, ValueError) as error:
            raise t.TraitError(str(error)) from None
        if len(found) >= ROWS:
            raise t.TraitError(f"others must be at most {ROWS - 1} classes, got {len(found)}")
        return list(dict.fromkeys(found))

    @t.validate("samples", "segments", "seed", "width", "opacity")
    def _check_numbers(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        low, high = {
            "samples": (10, 20_000),
            "segments": (1, 400),
            "seed": (0, 2**31 - 1),
            "width": (0.01, 100.0),
            "opacity": (0.0, 1.0),
        }[name]
        if not low <= value <= high:
            raise t.TraitError(f"{name} must be {low:g}…{high:g}, got {value:g}")
        return value

    @t.validate("cam_layer")
    def _check_cam_layer(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if not name:
            return name
        try:
            return self._selection.sample.recording.resolve(name)
        except ValueError as error:
            raise t.TraitError(str(error)) from None

    @t.validate("off")
    def _check_off(self, proposal: Any) -> list[int]:
        count = self.superpixels.get("count", 0)
        for one in proposal["value"]:
            if not 0 <= one < count:
                raise t.TraitError(f"off must name superpixels 0…{count - 1}, got {one}")
        return sorted(set(proposal["value"]))

    def _prepare(self, options: dict[str, Any]) -> None:
        super()._prepare(options)
        self._comparison = Comparison(self._lens.model, self._lens.prepared)
        self._errors: dict[tuple[str, int], str] = {}
        self._score = options.get("score")
        if self._score is not None:
            check_kind(self._score)
        self._upsample = options.get("upsample") or "bilinear"
        if self._upsample not in ("bilinear", "nearest"):
            raise ValueError(f'upsample must be "bilinear" or "nearest", got {self._upsample!r}')
        checks = options.get("checks")
        if isinstance(checks, (str, bool)):
            raise TypeError(f"checks must be a list of names, got {checks!r}")
        self._checks = CHECKS if checks is None else tuple(checks)
        self._most: int | None = options.get("most", BY_ITSELF)
        self._showing = threading.RLock()  # the worker and a cell must not write the same trait
        self._generation = 0  # of what is wanted: what an earlier one brings is not shown
        self._asked: list[tuple[str, int, Check]] = []
        self._agreed: dict[tuple[int, ...], dict[str, Any]] = {}
        for name in self._checks:
            if name not in CHECKS:
                raise ValueError(f"checks must be of {', '.join(CHECKS)}, got {name!r}{nearest(str(name), CHECKS)}")
        try:
            self._take(options)
        except t.TraitError as error:
            raise ValueError(str(error)) from None
        for row in range(len(self._rows)):
            for name in self.methods:
                if self._cost(row, name) <= AT_ONCE:
                    self._finish(row, name)

    def _take(self, options: dict[str, Any]) -> None:
        """The options that are traits."""
        sample = self._selection.sample
        self.segmentation = options.get("segmentation") or default_segmentation()
        for name in ("samples", "segments", "width", "seed", "look", "maps_scale", "opacity"):
            if options.get(name) is not None:
                setattr(self, name, options[name])
        self.cam_layers = map_layers(sample.recording)
        if self._asked_layer is not None:
            self.cam_layer = self._asked_layer
        asked = options.get("methods")
        if isinstance(asked, str):
            asked = [asked]
        self.methods = self._usual() if asked is None else list(asked)
        if not self.methods:
            raise ValueError("methods must name at least one method, got none")
        self.method = self.methods[0]
        self.others = [resolve_target(one, sample.names) for one in self._asked_targets[1:]]

    def _usual(self) -> list[str]:
        """The methods of a first look: they answer in different ways, and one of them is known not to."""
        attends = any(
            op.op in ("attention_weights", "multi_head_attention_forward") for op in self._selection.sample.recording
        )
        return ["grad_cam", "gradient", "attention_rollout" if attends else "guided_backprop", "occlusion", "lime"]

    def _start(self) -> None:
        self.observe(self._restart, ["methods", "others", *SETTINGS])
        self.observe(self._resume, "resume")
        self.observe(self._show_chosen, ["row", "methods"])
        self.observe(self._stop, "cancel")
        self.observe(self._switch, "off")
        self.observe(self._make_check, "check")
        self._restart()
        super()._start()

    def _follow(self, change: Any = None) -> None:
        super()._follow(change)
        if not self._ready:
            return
        now = [(row.sample, row.target) for row in self._rows]
        if now != getattr(self, "_followed", None):
            self._followed = now
            if change is not None and change["name"] == "sample" and change["old"].input is not change["new"].input:
                with self.hold_trait_notifications():
                    self.others, self.off, self.row = [], [], 0
                self.cam_layers = map_layers(self._selection.sample.recording)
                if self.cam_layer not in self.cam_layers:
                    self.cam_layer = ""
            self._restart()

    # Making the maps and the evidence.

    def _restart(self, change: Any = None) -> None:
        """Something else is wanted: show what there is of it, and make the rest."""
        with self._showing:
            self._generation += 1
            self._errors, self._asked, self.stopped, self.progress = {}, [], False, {}
            if self.row >= len(self._rows):
                self.row = 0
            if self.method not in self.methods:
                self.method = self.methods[0] if self.methods else ""
            self._show_all()
        self._go_on()

    def _resume(self, change: Any = None) -> None:
        self.stopped = False
        self._go_on()

    def _go_on(self) -> None:
        if not self._static:
            generation = self._generation
            self._lens.worker.submit(self, "map", lambda: self._steps("attribution", self._guarded(generation)))

    def _guarded(self, generation: int) -> Generator[None, None, None]:
        """The work, step by step, until something else is wanted or the weights have changed."""
        for _ in self._work(generation):
            # A refresh begins everything anew.
            if generation != self._generation or self._refresh():
                return
            yield

    def _work(self, generation: int) -> Generator[None, None, None]:
        yield
        with contextlib.suppress(Exception):  # each method will say what is wrong with them
            self._superpixels()
        self._show_chosen()
        cells = self._cells()
        left = {cell: self._cost(*cell) for cell in cells if self._wants_map(*cell)}
        more = {cell: self._evidence_passes(*cell) for cell in cells}
        total: float = sum(left.values()) + sum(more.values()) + self._yardstick_passes()
        spent, shown, begin = 0.0, 0.0, time.monotonic()

        def tell(what: str, row: int, share: float, cost: float, *, force: bool = False) -> bool:
            """Whether it is time to show something."""
            nonlocal shown
            now = time.monotonic()
            if not force and now - shown < PUBLISH_EVERY:
                return False
            shown = now
            done = spent + share * cost
            pace = (now - begin) / done if done > 5 else None
            remaining = None if pace is None else pace * max(0.0, total - done)
            with self._showing:
                if generation == self._generation and not self.stopped:
                    self.progress = {"what": what, "row": row, "done": done, "total": total, "remaining": remaining}
            return True

        for (row, name), cost in left.items():
            tell(METHODS[name].title, row, 0, cost, force=True)
            yield
            try:
                for found in self._comparison.map_steps(*self._of(row), name, self._settings):
                    if tell(METHODS[name].title, row, found.done, cost) or found.complete:
                        self._show_map(row, name, found, generation)
                    yield
            except Exception as error:
                self._fail(row, name, error, generation)
            spent += cost
        self._show_chosen()
        yield
        while self._asked:
            name, row, check = self._asked[0]
            total = 0.0  # what was asked for goes first, and counts for itself
            tell(f"{check} of {METHODS[name].title}", row, 0, 0, force=True)
            yield from self._examine(row, name, generation, checks=(check,), most=None)
            self._asked = self._asked[1:]
        total, begin, spent = sum(more.values()) + self._yardstick_passes(), time.monotonic(), 0.0
        for row, name in cells:
            if not self._wants_map(row, name):
                tell(f"evidence of {METHODS[name].title}", row, 0, 0, force=True)
                yield from self._examine(row, name, generation)
            spent += more[row, name]
        self.progress = {}

    def _examine(self, row: int, name: str, generation: int, **options: Any) -> Generator[None, None, None]:
        """The checks of a map, shown as they come in."""
        shown = time.monotonic()
        for _ in self._evidence_steps(row, name, **options):
            if time.monotonic() - shown > PUBLISH_EVERY:
                self._show_evidence(row, name, generation)
                shown = time.monotonic()
            yield
        self._show_evidence(row, name, generation)
        yield

    def _cells(self) -> list[tuple[int, str]]:
        """The cheapest first, and of these the selected row's."""
        rows = sorted(range(len(self._rows)), key=lambda row: row != self.row)
        cells = [(row, name) for row in rows for name in self.methods]
        return sorted(cells, key=lambda cell: self._cost(*cell))

    def _of(self, row: int) -> tuple[Sample, int]:
        one = self._rows[row]
        return one.sample, one.target

    def _cost(self, row: int, name: str) -> int:
        return self._comparison.cost(self._of(row)[0], name, self._settings)

    def _wants_map(self, row: int, name: str) -> bool:
        return self._comparison.map(*self._of(row), name, self._settings) is None

    def _evidence_passes(self, row: int, name: str) -> int:
        """About how many passes the checks take that are made by themselves."""
        most = 10**9 if self._most is None else self._most
        return self._comparison.evidence_cost(self._of(row)[0], name, self._settings, self._checks, most)

    def _yardstick_passes(self) -> int:
        """Those of the random orders and the edges, which the methods of a row share."""
        return 2 * (STEPS + 1) * (ORDERS + 1) * len(self._rows) if "faithfulness" in self._checks else 0

    def _evidence_steps(self, row: int, name: str, **options: Any) -> Iterator[Evidence | None]:
        return self._comparison.evidence_steps(
            *self._of(row), name, self._settings, **{"checks": self._checks, "most": self._most, **options}
        )

    def _finish(self, row: int, name: str) -> None:
        """The whole map, now."""
        try:
            for _ in self._comparison.map_steps(*self._of(row), name, self._settings):
                pass
        except Exception as error:
            self._fail(row, name, error)

    def _make_all(self) -> None:
        """All maps, and the evidence that is made by itself, now."""
        if self._refresh(full=True):
            # The background has begun anew: two cannot make one map.
            self._lens.worker.cancel(self, "map")
            self.wait()
        for row, name in self._cells():
            self._finish(row, name)
            if not self._wants_map(row, name):
                for _ in self._evidence_steps(row, name):
                    pass
        with contextlib.suppress(Exception):
            self._superpixels()
        with self._showing:
            self._show_all()

    def _make_check(self, change: Any = None) -> None:
        asked = self.check
        if not asked:
            return
        name, row, check = asked.get("method"), asked.get("row"), asked.get("check")
        if name not in self.methods or check not in CHECKS or row not in range(len(self._rows)):
            rule = f"check must name a method, a row and one of {', '.join(CHECKS)}"
            self._show_error(ValueError(f"{rule}, got {asked}"))
            return
        self._asked = [*self._asked, (name, row, check)]
        self._resume()

    def stop(self) -> None:
        """Stop what is being made; what there is stays, and setting `resume` to another number goes on."""
        with self._showing:
            self.stopped = bool(self.busy)
            self.progress = {}
        self._lens.worker.cancel(self, "map")
        self.busy = ""

    def _stop(self, change: Any) -> None:
        self.stop()

    def _fail(self, row: int, name: str, error: Exception, generation: int | None = None) -> None:
        with self._showing:
            if generation in (None, self._generation):
                self._errors[name, row] = str(error) or type(error).__name__
                self._put(f"map_{name}", row, {"error": self._errors[name, row]})

    # Showing.

    def _put(self, trait: str, row: int, payload: dict[str, Any]) -> None:
        setattr(self, trait, {**getattr(self, trait), str(row): payload})

    def _show_map(self, row: int, name: str, found: Attribution, generation: int) -> None:
        with self._showing:
            if generation == self._generation:
                self._put(f"map_{name}", row, attribution_texture(found))

    def _show_evidence(self, row: int, name: str, generation: int) -> None:
        with self._showing:
            if generation == self._generation:
                known = self._comparison.evidence(*self._of(row), name, self._settings)
                if known is not None:
                    self._put(f"evidence_{name}", row, evidence_payload(known))

    def _show_all(self) -> None:
        """Every trait of the grid as things stand."""
        rows = self._rows
        with self.hold_sync():
            self.rows = [self._row_payload(number, row) for number, row in enumerate(rows)]
            costs = {name: self._cost(0, name) for name in METHODS}
            self.known = [
                {"name": one.name, "title": one.title, "passes": costs[one.name], "gradient": one.gradient}
                for one in METHODS.values()
            ]
            for name in METHODS:
                maps, evidence = {}, {}
                for number, row in enumerate(rows if name in self.methods else ()):
                    found = self._comparison.map(row.sample, row.target, name, self._settings)
                    known = self._comparison.evidence(row.sample, row.target, name, self._settings)
                    if found is not None:
                        maps[str(number)] = attribution_texture(found)
                    elif (name, number) in self._errors:
                        maps[str(number)] = {"error": self._errors[name, number]}
                    if known is not None:
                        evidence[str(number)] = evidence_payload(known)
                for trait, value in ((f"map_{name}", maps), (f"evidence_{name}", evidence)):
                    if getattr(self, trait) != value:
                        setattr(self, trait, value)
            self._show_chosen()

    def _row_payload(self, number: int, row: Row) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "image": row.sample.input.name,
            "target": row.target,
            "label": row.label,
            "probability": float(row.sample.probabilities[row.target]),
            "logit": float(row.sample.logits[row.target]),
        }
        if row.sample is not self._selection.sample:
            width, height = row.sample.input.shown.size
            payload["photo"] = {"data": encoded(row.sample.input.shown), "width": width, "height": height}
        return payload

    def _show_chosen(self, change: Any = None) -> None:
        """How the maps of each row agree, and the selected row's superpixels, once they are made."""
        with self._showing:
            agreed = {}
            for number, row in enumerate(self._rows):
                sample, target = row.sample, row.target
                maps = {name: self._comparison.map(sample, target, name, self._settings) for name in self.methods}
                there = {name: found for name, found in maps.items() if found is not None}
                key = (number, *map(id, there.values()))
                agreed[key] = self._agreed.get(key) or _agreement(there)
            self._agreed = agreed
            shown = {str(key[0]): value for key, value in agreed.items()}
            if self.agreements != shown:
                self.agreements = shown
            labels = None
            if self._has_superpixels and self.row < len(self._rows):
                sample, how = self._of(self.row)[0], (self.segmentation, self.segments)
                labels = sample.superpixels.get(how)
            texture: dict[str, Any] = {}
            if labels is not None:
                texture = {**superpixel_texture(labels), "words": sample.superpixel_notes.get(how, "")}
            if self.superpixels != texture:
                self.off, self.switched = [], None
                self.superpixels = texture

    @property
    def _has_superpixels(self) -> bool:
        return bool({"lime", "kernel_shap"} & set(self.methods))

    def _superpixels(self) -> None:
        """Make the superpixels of all rows."""
        for row in self._rows if self._has_superpixels else ():
            self._comparison.superpixels(row.sample, self._settings)

    # Superpixels switched off by hand.

    def _switch(self, change: Any = None) -> None:
        if not self.off:
            self.switched = None
            return
        self._lens.worker.submit(self, "hand", self._look_without)

    def _look_without(self) -> Generator[None, None, None]:
        off, number = list(self.off), self.row
        try:
            if not off or self._refresh():
                return
            row = self._rows[number]
            self.switched = {"off": off, "row": number, **self._switched(row, self._without(row.sample, [off]))}
        except Exception as error:
            self._show_error(error)
        yield

    def _switched(self, row: Row, scores: np.ndarray) -> dict[str, Any]:
        """One row of class scores as the bars show them: of the image's best classes, and those of its rows."""
        first = self.shown_classes() if row.sample is self._selection.sample else row.sample.top(5)
        own = [one.target for one in self._rows if one.sample is row.sample]
        return self.scored(row.sample, scores, list(dict.fromkeys([*first, *own])))

    def _without(self, sample: Sample, sets: Sequence[Sequence[int]]) -> np.ndarray:
        """The class scores with each of these sets of superpixels off, (sets, classes)."""
        subject = self._comparison.subject(sample, sample.top_class())
        labels = self._comparison.superpixels(sample, self._settings)
        switches = Switches(subject, segments=labels, segmentation="grid", fill="own mean", seed=0)
        on = np.ones((len(sets), switches.parts), bool)
        for row, one in zip(on, sets, strict=True):
            row[list(one)] = False
        scores = [subject.passes.scores(switches.images(some)).cpu().numpy() for some in switches.portions(on)]
        return np.concatenate(scores)

    # Beyond the kernel.

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        others = super().bake(budget, whole=whole)
        # What the picture needs is made already: see `save` and `picture`.
        if not whole or not self.superpixels or len({row.sample.input.name for row in self._rows}) > 1:
            return others
        left = budget - sum(packed_size(one.table) for one in others)
        row, count = self._rows[self.row], self.superpixels["count"]
        scores = self._without(row.sample, [[one] for one in range(count)])
        candidates = (
            (str(one), {"switched": {"off": [one], "row": self.row, **self._switched(row, scores[one : one + 1])}})
            for one in range(count)
        )
        return [*others, Response(("off",), within_budget(candidates, left))]

    def state(self) -> dict[str, Any]:
        found = {**super().state(), "progress": {}, "stopped": False, "check": None, "off": [], "switched": None}
        names = [f"map_{name}" for name in self.methods]
        # Noise hardly packs: where all maps together are too much for a page, they are reduced.
        for most_side in (160, 112, 80, 56):
            if packed_size([found[name] for name in names]) <= MAPS_BUDGET:
                break
            found |= self._reduced(most_side)
            found["note"] = f"maps are reduced to {most_side} pixels a side in this page"
        return found

    def _reduced(self, most_side: int) -> dict[str, Any]:
        reduced: dict[str, Any] = {}
        for name in self.methods:
            maps = dict(getattr(self, f"map_{name}"))
            for number in range(len(self._rows)):
                found = self._comparison.map(*self._of(number), name, self._settings)
                if found is not None and str(number) in maps:
                    maps[str(number)] = attribution_texture(found, most_side=most_side)
            reduced[f"map_{name}"] = maps
        return reduced

    def save(self, path: str | Path, *, title: str = "", text: str = "") -> Path:
        """Write the grid to `path`, .html or .png, as `View.save`; what is missing is made first."""
        self.wait()
        self._make_all()
        return super().save(path, title=title, text=text)

    def picture(self) -> Image.Image:
        """The photograph, and a strip of maps for each row."""
        if self._static:
            self._make_all()
        panels = self.panels()
        across = min(len(self.methods), PANELS)
        rows = [panels[start : start + across] for start in range(1, len(panels), across)]
        return stacked([draw([panels[0], *rows[0]] if rows else panels), *map(draw, rows[1:])])

    def panels(self) -> list[Panel]:
        panels = super().panels()[:1]
        for row in self._rows:
            for name in self.methods[:PANELS]:
                found = self._comparison.map(row.sample, row.target, name, self._settings)
                title = f"{METHODS[name].title} of {row.label}".replace("×", "x")  # which the font lacks
                if found is None:
                    panels.append(Panel(f"{title}: no map", row.sample.input.shown.convert("L").convert("RGB")))
                    continue
                picture, limits = attribution_over(row.sample.input.shown, found)
                panels.append(Panel(f"{title}{' (all zero)' if found.all_zero else ''}", picture, legend=limits))
        return panels

    def describe(self) -> str:
        sample, target = self._of(0)
        words = [super().describe()]
        for name in self.methods:
            known = self._comparison.evidence(sample, target, name, self._settings)
            if known is not None and known.statements():
                words.append(f"{METHODS[name].title}: {known.statements()[0].words}")
        return " ".join(words)
