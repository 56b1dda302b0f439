"""The loss along one or two directions, from coarse to fine, with the path of a training."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
import traitlets as t
from torch import Tensor
from typing_extensions import TypedDict

from nnlens.export.bundle import Response
from nnlens.kernels.training import Checkpoints, Landscape, MeanLoss, WeightPath, landscape_steps, weight_path
from nnlens.recording import version_of
from nnlens.recording.record import copy_of, unwrapped
from nnlens.render import Panel
from nnlens.render.plots import plot, plot_image, series
from nnlens.session.dataset_search import store_folder
from nnlens.session.training.labelled import dataset_loss
from nnlens.utils.language import _, number
from nnlens.widgets.base.options import sharding_options
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import counter, payload, synced

from .picture import plane_image

_IMAGES, _PLANE, _LINE = 256, 21, 41
_PATH = 24  # checkpoints, at most
_ROOM = 0.2  # around the path, as a share of its extent
_TOLD = 12  # the view is told of so many points at a time
DIRECTIONS = ("one", "two", "path")


class PathPoint(TypedDict):
    """A checkpoint in the plane."""

    step: int
    x: float
    y: float


class LandscapePayload(TypedDict):
    """The loss at the points of a grid, `values[row * len(x) + column]`; None where it is not known or not finite."""

    x: list[float]
    y: list[float]
    names: list[str]
    values: list[float | None]
    centre: float
    share: float
    running: bool
    words: str
    skipped: list[tuple[int, str]]  # examples that could not be read, and why
    path: list[PathPoint]


class LandscapeTraits(t.HasTraits):
    """The traits of `LandscapePart`."""

    landscape = payload(LandscapePayload, "the loss around the weights, as far as it is known")
    directions = synced(
        t.Enum(DIRECTIONS, "two", help="one or two random directions, or the plane of the training's path"), state=True
    )
    span = synced(t.Float(1.0, min=0.01, max=10, help="how far the random directions are followed"), state=True)
    has_path = synced(t.Bool(False, help="whether the path of a training is known"))
    resume = counter("a request to continue what was stopped")


class LandscapePart(Part):
    """Moves a copy of the model; the model itself is left as it is."""

    traits: LandscapeTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        count, kind = options.get("count", _IMAGES), options.get("loss", "")
        self._sharding = sharding_options(options, store=store_folder() / "landscapes")
        in_memory = not self._sharding  # in shards the images are read where they are worked on
        self.loss, self._images = dataset_loss(
            self.session, options["data"], count=count, kind=kind, in_memory=in_memory
        )
        self._in_memory: MeanLoss | None = None
        self._checkpoints = checkpoints_of(options.get("watch"))
        self._points, self._seed = options.get("points"), options.get("seed", 0)
        if self._points is not None and (
            not isinstance(self._points, int) or self._points < 3 or self._points % 2 == 0
        ):
            raise ValueError(f"points must be an odd number of at least 3, got {self._points!r}")
        self._path: WeightPath | None = None
        self._path_of: list[int] = []  # the checkpoints there were
        self._steps_of_path: list[int] = []  # those that are shown
        self._found: dict[tuple[Any, ...], Landscape] = {}
        self._going: tuple[tuple[Any, ...], Iterator[Landscape]] | None = None  # what was stopped can go on
        self.traits.has_path = self._checkpoints is not None
        chosen = options.get("directions") or ("path" if self._checkpoints is not None else "two")
        if chosen not in DIRECTIONS:
            raise ValueError(f"directions must be one of {', '.join(DIRECTIONS)}, got {chosen!r}")
        if chosen == "path" and self._checkpoints is None:
            raise ValueError("directions must be 'one' or 'two' without a watch: the path is that of its checkpoints")
        self.traits.directions = chosen
        if options.get("span") is not None:
            self.traits.span = options["span"]

    def start(self) -> None:
        self.observe(["directions", "span", "resume"], self._run)
        self.observe("cancel", self._stop)
        self._run()

    def model_changed(self) -> None:
        self._run()

    # Computing it.

    def _run(self, change: Any = None) -> None:
        if self.traits.directions == "path" and self._checkpoints is None:
            self.traits.directions = "two"
            self.view.show_error(ValueError("directions must be 'one' or 'two' without a watch"))
            return
        self.view.submit("data", lambda: self.view.reported(_("loss around the weights"), self.steps()))

    def _stop(self, change: Any = None) -> None:
        self.view.cancel_job("data", self._stopped)

    def _stopped(self) -> None:
        if self.traits.landscape is not None:
            self.traits.landscape = {**self.traits.landscape, "running": False}

    def steps(self) -> Generator[None, None, None]:
        """Compute what is chosen, telling the view as it fills up."""
        key, directions = self._key(), self.traits.directions
        if key not in self._found or self._found[key].done < 1:
            if self._going is None or self._going[0] != key:
                self._going = key, self._landscape()
            landscapes, self._going = self._going[1], None  # begun anew after an error
            for place, found in enumerate(landscapes):
                self._found[key], self._going = found, (key, landscapes)
                if place % _TOLD == 0:
                    self.traits.landscape = self._payload(found, directions, running=True)
                yield
        self.traits.landscape = self._payload(self._found[key], directions, running=False)

    def _key(self, directions: str = "") -> tuple[Any, ...]:
        chosen = directions or self.traits.directions
        if chosen == "path":
            return (chosen, *(() if self._checkpoints is None else self._checkpoints.steps))
        return version_of(self.session.model, full=True), chosen, self.traits.span

    def _landscape(self) -> Generator[Landscape, None, None]:
        model, directions = self.session.model, self.traits.directions
        if directions != "path":
            count = 1 if directions == "one" else 2
            points = self._points or (_LINE if count == 1 else _PLANE)
            yield from landscape_steps(
                model,
                self.loss,
                directions=count,
                span=self.traits.span,
                points=points,
                seed=self._seed,
                **self._sharding,
            )
            return
        path = self.path()
        last = copy_of(unwrapped(model))
        assert self._checkpoints is not None
        last.load_state_dict(self._checkpoints.load(self._steps_of_path[-1]))
        low, high = path.places.min(0), path.places.max(0)
        room = _ROOM * np.maximum(high - low, 1e-6)
        span = [(float(a - r), float(b + r)) for a, b, r in zip(low, high, room, strict=True)]
        yield from landscape_steps(
            last,
            self.loss,
            directions=path.directions,
            span=span,
            points=self._points or _PLANE,
            **self._sharding,
        )

    def path(self) -> WeightPath:
        """The path of the training in the plane that shows most of it."""
        assert self._checkpoints is not None
        if self._path is None or self._path_of != self._checkpoints.steps:
            steps = self._path_of = self._checkpoints.steps
            if len(steps) > _PATH:
                steps = [steps[round(place * (len(steps) - 1) / (_PATH - 1))] for place in range(_PATH)]
            states = {step: self._checkpoints.load(step) for step in steps}
            # A training that has failed ends with weights that are not finite: its path is the part before.
            states = {step: state for step, state in states.items() if _is_finite(state)}
            if len(states) < 3:
                raise ValueError("watch must have at least three checkpoints with finite weights")
            self._steps_of_path = list(states)
            # Running statistics stay those of the last checkpoint; a weight that has several names counts once.
            names = {name for name, _item in unwrapped(self.session.model).named_parameters()}
            self._path = weight_path(list(states.values()), names=names)
        return self._path

    def loss_in_memory(self) -> MeanLoss:
        """The loss over examples in memory, for what needs all of them at once: some of those that workers read."""
        if self._in_memory is None:
            self._in_memory, _problems = self.loss.readable(_IMAGES)
        return self._in_memory

    def result(self) -> Landscape:
        """What is chosen, computed to its end."""
        for _step in self.steps():
            pass
        return self._found[self._key()]

    # Showing it.

    def _payload(self, found: Landscape, directions: str, *, running: bool) -> LandscapePayload:
        values = found.values if found.values.ndim == 2 else found.values[:, None]
        names = [_("first direction"), _("second direction")][: found.values.ndim]
        words = found.describe(_("the last checkpoint") if directions == "path" else _("the model"))
        words += " " + _("{count} examples.", count=len(self.loss) - len(found.skipped))
        points = list[PathPoint]()
        if directions == "path":
            path = self.path()
            names = [
                _("component {which}: {share} % of the variance", which=which + 1, share=number(f"{100 * share:.0f}"))
                for which, share in enumerate(path.explained)
            ]
            points = [
                {"step": step, "x": float(x), "y": float(y)}
                for step, (x, y) in zip(self._steps_of_path, path.places, strict=True)
            ]
            share = number(f"{100 * path.explained.sum():.0f}")
            words += " " + _("The plane shows {share} % of the variance of the checkpoints.", share=share)
        ordered = values.T  # rows along the second direction
        return {
            "x": [float(step) for step in found.steps[0]],
            "y": [float(step) for step in found.steps[1]] if len(found.steps) > 1 else [0.0],
            "names": names,
            "values": [_drawn(value) for value in ordered.reshape(-1)],
            "centre": found.centre,
            "share": found.done,
            "running": running,
            "words": words,
            "skipped": [] if self._images is None else self._images.all_skipped(found.skipped),
            "path": points,
        }

    # A saved page.

    def complete(self) -> None:
        self.result()

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """The other directions that were computed, at the span that is shown."""
        table = {}
        for directions in DIRECTIONS:
            found = self._found.get(self._key(directions))
            if found is not None and found.done == 1:
                table[directions] = {"landscape": self._payload(found, directions, running=False)}
        return [Response(("directions",), table)] if len(table) > 1 else []

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        shown = state["landscape"]
        return {"landscape": shown and {**shown, "running": False}}

    def describe(self) -> str:
        shown = self.traits.landscape
        return "" if shown is None else shown["words"]

    def panels(self) -> list[Panel]:
        found, title = self._found.get(self._key()), _("loss around the weights")
        if found is None:
            return []
        if found.values.ndim == 2:
            return [Panel(title=title, image=plane_image(found.values))]
        drawn = [series(_("loss"), "measured", found.steps[0], found.values)]
        return [Panel(title=title, image=plot_image(plot(title, _("first direction"), _("loss"), drawn)))]


def checkpoints_of(watch: Any) -> Checkpoints | None:
    """The checkpoints of a watched training, at least three."""
    if watch is None:
        return None
    found = getattr(watch, "checkpoints", None)
    if not isinstance(found, Checkpoints):
        raise TypeError(f"watch must be a Watch, got a {type(watch).__name__}")
    if len(found) < 3:
        raise ValueError(f"watch must have at least three checkpoints, got {len(found)}")
    return found


def _is_finite(state: Mapping[str, Tensor]) -> bool:
    return all(bool(value.isfinite().all()) for value in state.values() if value.is_floating_point())


def _drawn(value: float) -> float | None:
    return float(f"{value:.7g}") if np.isfinite(value) else None  # fewer digits would make steps in flat places
