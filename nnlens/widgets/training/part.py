"""The curves, figures and alarms of a training, and the maps of a layer at each checkpoint."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from typing import Any, Protocol

import numpy as np
import traitlets as t
from PIL import Image, ImageDraw
from torch import Tensor, nn
from typing_extensions import TypedDict

from nnlens.geometry.axes import as_maps
from nnlens.kernels.training import Checkpoints, Film, History, film_steps
from nnlens.kernels.training.film import chosen_units
from nnlens.recording import Recording
from nnlens.render import Panel
from nnlens.render.textures import quantise, reduce_maps
from nnlens.utils.language import _
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload, synced

_POINTS = 300  # of a curve
_COLUMNS = 60  # measurements that are shown
_SIDE = 28  # pixels of a tile of the film
_TILES = 16
LAYER_FIGURES = ("zeros", "dead", "saturated", "size", "spread")
MODULE_FIGURES = ("weight", "gradient", "update", "ratio", "singular", "rank")


class TrainingCurve(TypedDict):
    """A number over the steps; None where it is not known."""

    name: str
    values: list[float | None]


class TrainingRow(TypedDict):
    """The figures of one layer or module: a list over the measurements for each."""

    name: str
    values: dict[str, list[float | None]]


class TrainingAlarm(TypedDict):
    """An alarm in words."""

    step: int
    kind: str
    words: str


class WatchedPayload(TypedDict):
    """How far a training has come."""

    count: int
    running: bool
    stopping: bool
    share: float
    steps: list[int]
    curves: list[TrainingCurve]
    measured: list[int]
    layers: list[TrainingRow]
    modules: list[TrainingRow]
    alarms: list[TrainingAlarm]
    checkpoints: list[int]


class FilmPayload(TypedDict):
    """The maps of some units: codes (steps, units, rows, columns) of values from `low` to `high`."""

    layer: str
    units: list[int]
    steps: list[int]
    rows: int
    columns: int
    low: float
    high: float
    codes: bytes


class Watched(Protocol):
    """What the view uses of a `Watch`."""

    history: History
    checkpoints: Checkpoints
    layers: tuple[str, ...]
    count: int
    stop_requested: bool

    @property
    def is_running(self) -> bool: ...

    @property
    def cost(self) -> float: ...

    @property
    def first_input(self) -> Tensor | None: ...

    def stop(self) -> None: ...

    def load_at(self, step: int) -> None: ...


class TrainingTraits(t.HasTraits):
    """The traits of `TrainingPart`."""

    watched = payload(WatchedPayload, "how far the training has come")
    film = payload(FilmPayload, "the maps of some units at each checkpoint; null before any was read")
    shown_step = synced(t.Int(-1, help="the checkpoint that is shown; -1 for the latest"), state=True)
    layer_figure = synced(
        t.Enum((*LAYER_FIGURES, *MODULE_FIGURES), "zeros", help="which figure of the layers is shown"), state=True
    )
    film_layer = synced(t.Unicode("", help="the layer of the film"), state=True)
    film_layers = synced(t.List(t.Unicode(), help="those that can be chosen"), list[str])
    stop_training = counter("a request to end the training")


class TrainingPart(Part):
    """The loop sets its traits while it runs; the film is read afterwards, in the background."""

    traits: TrainingTraits
    watch: Watched
    model: nn.Module

    def prepare(self, options: Mapping[str, Any]) -> None:
        self.watch, self._read = options["watch"], ()
        names = list(self.watch.layers)
        self.traits.film_layers = names
        self.traits.film_layer = options.get("film_layer") or names[len(names) // 2]
        if self.traits.film_layer not in names:
            raise ValueError(f"film_layer must be one of {', '.join(names)}, got {options['film_layer']!r}")
        if options.get("layer_figure") is not None:
            self.traits.layer_figure = options["layer_figure"]
        self.tell()

    def start(self) -> None:
        self.observe("shown_step", self._go)
        self.observe("film_layer", self._film_again)
        self.observe("stop_training", lambda _change: self._stop())
        self.read_film()

    def tell(self) -> None:
        """Send what is known so far."""
        watch, history = self.watch, self.watch.history
        steps = history.metrics.steps
        places = _spread(len(steps), _POINTS)
        measured = [history.measurements[place] for place in _spread(len(history.measurements), _COLUMNS)]
        layers = [row.layer for row in measured[-1].activations] if measured else []
        modules = [row.module for row in measured[-1].weights] if measured else []
        self.traits.watched = {
            "count": watch.count,
            "running": watch.is_running,
            "stopping": watch.stop_requested,
            "share": watch.cost,
            "steps": [steps[place] for place in places],
            "curves": [
                {"name": name, "values": [_known(values[place]) for place in places]}
                for name, values in history.metrics.values.items()
            ],
            "measured": [item.step for item in measured],
            "layers": [
                _row(name, LAYER_FIGURES, [item.activations[place] for item in measured])
                for place, name in enumerate(layers)
            ],
            "modules": [
                _row(name, MODULE_FIGURES, [item.weights[place] for item in measured])
                for place, name in enumerate(modules)
            ],
            "alarms": [{"step": item.step, "kind": item.kind, "words": item.words} for item in history.alarms[-50:]],
            "checkpoints": watch.checkpoints.steps,
        }

    def _stop(self) -> None:
        self.watch.stop()
        if self.traits.watched is not None:
            self.traits.watched = {**self.traits.watched, "stopping": True}

    def _go(self, change: Any) -> None:
        def steps() -> Generator[None, None, None]:
            yield
            asked = self.traits.shown_step
            if len(self.watch.checkpoints):
                step = self.watch.checkpoints.steps[-1] if asked < 0 else self.watch.checkpoints.nearest(asked)
                self.watch.load_at(step)
                self.traits.shown_step = asked if asked < 0 else step

        self.view.submit("hand", lambda: self.view.reported(_("loading the checkpoint"), steps()))

    # The film.

    def look(self, step: int, recording: Recording) -> None:
        """While the loop runs the film is one picture: the first watched input at the latest measurement."""
        layer = self.traits.film_layer
        if layer not in recording:
            return
        maps, _layout = as_maps(recording[layer][:1], recording, recording.operation(layer))
        before = self.traits.film
        same = before is not None and before["layer"] == layer and max(before["units"]) < len(maps)
        units = tuple(before["units"]) if same else chosen_units(maps, _TILES)
        film = Film(layer=layer, units=units, steps=(step,), values=maps[list(units)][None])
        self.traits.film, self._read = film_payload(film), ()

    def _film_again(self, change: Any) -> None:
        self.read_film()

    def read_film(self) -> None:
        """Read the maps of all checkpoints in the background, unless that was done."""
        if self._wanted() != self._read:
            self.view.submit("map", lambda: self.view.reported(_("reading the checkpoints"), self._film()))

    def _wanted(self) -> tuple[Any, ...]:
        steps = tuple(self.watch.checkpoints.steps)
        return (self.traits.film_layer, steps) if steps and self.watch.first_input is not None else ()

    def _film(self) -> Generator[None, None, None]:
        yield
        wanted, x = self._wanted(), self.watch.first_input
        if not wanted or wanted == self._read or x is None:
            return
        steps = film_steps(self.session.model, self.watch.checkpoints, x, self.traits.film_layer)
        film = next(steps)
        for _same in steps:
            yield
        self.traits.film, self._read = film_payload(film), wanted

    def complete(self) -> None:
        for _step in self._film():
            pass
        self.tell()

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"watched": state["watched"] and {**state["watched"], "running": False}}

    def describe(self) -> str:
        history = self.watch.history
        words = [_("A training of {count} steps.", count=self.watch.count)]
        words += [alarm.words for alarm in history.alarms[-3:]]
        return " ".join(words)

    def panels(self) -> list[Panel]:
        watched = self.traits.watched
        image = Image.new("RGB", (480, 200), "white")
        pen = ImageDraw.Draw(image)
        for curve, color in zip(watched["curves"], ("#4878a8", "#c2410c", "#15803d"), strict=False):
            known = [(place, value) for place, value in enumerate(curve["values"]) if value is not None]
            if len(known) > 1:
                low, high = min(value for _place, value in known), max(value for _place, value in known)
                scale = len(curve["values"]) - 1
                pen.line(
                    [(8 + p / scale * 464, 192 - (v - low) / ((high - low) or 1) * 184) for p, v in known],
                    fill=color,
                    width=2,
                )
        return [Panel(title=_("A training of {count} steps.", count=self.watch.count), image=image)]


def _spread(count: int, most: int) -> list[int]:
    """At most so many places of a list, evenly spread, with its ends."""
    return list(range(count)) if count <= most else [round(k * (count - 1) / (most - 1)) for k in range(most)]


def _known(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _row(name: str, figures: tuple[str, ...], rows: list[Any]) -> TrainingRow:
    return {"name": name, "values": {figure: [_known(getattr(row, figure)) for row in rows] for figure in figures}}


def film_payload(film: Film) -> FilmPayload:
    """The film with tiles of at most 28 pixels, all on one scale."""
    count, units, height, width = film.values.shape
    step = max(1, -(-max(height, width) // _SIDE))
    maps = reduce_maps(film.values.reshape(count * units, height, width), step)
    known = maps[np.isfinite(maps)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    codes = quantise(maps, np.full(len(maps), low), np.full(len(maps), high))
    return {
        "layer": film.layer,
        "units": list(film.units),
        "steps": list(film.steps),
        "rows": maps.shape[1],
        "columns": maps.shape[2],
        "low": low,
        "high": high,
        "codes": codes.tobytes(),
    }
