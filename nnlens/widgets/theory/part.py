"""The experiment that is shown: run in the background, and kept for each of its settings."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import traitlets as t
from typing_extensions import TypedDict

from nnlens.export.bundle import Response
from nnlens.render import Panel
from nnlens.render.plots import PlotPayload, plot_image
from nnlens.utils.language import language
from nnlens.utils.suggestions import nearest
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.state import as_json
from nnlens.widgets.base.traits import counter, payload, synced

from .experiments import EXPERIMENTS, Outcome, Setting, Value

_BAKING = 2.0  # seconds that a saved page may take for other settings


class TheorySetting(TypedDict):
    """A setting: its slider stops at `values`; words are a choice."""

    name: str
    label: str
    values: list[float | str]
    words: list[str]
    usual: float | str


class TheoryPayload(TypedDict):
    """An experiment and what came out so far."""

    title: str
    about: str
    check: str
    settings: list[TheorySetting]
    plots: list[PlotPayload]
    words: str
    share: float
    running: bool


class TheoryTraits(t.HasTraits):
    """The traits of `TheoryPart`."""

    theory = synced(t.Enum(tuple(EXPERIMENTS), "edge of stability", help="which theory"), state=True)
    theory_settings = synced(
        t.Unicode("", help="the settings that are not the usual ones, as JSON in their order; empty where all are"),
        state=True,
    )
    theories = synced(t.Dict(help="the titles of the theories, by name"), dict[str, str])
    experiment = payload(TheoryPayload, "the experiment and what came out so far")
    resume = counter("a request to continue what was stopped")


class TheoryPart(Part):
    """Runs what is chosen, and keeps what came out."""

    traits: TheoryTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._done: dict[tuple[str, str, str], Outcome] = {}  # by theory, settings and language
        self._going: tuple[tuple[str, str, str], Iterator[Outcome]] | None = None  # what was stopped can go on
        name = options["theory"]
        if name not in EXPERIMENTS:
            raise ValueError(
                f"name must be one of {', '.join(EXPERIMENTS)}, got {name!r}{nearest(str(name), list(EXPERIMENTS))}"
            )
        self.traits.theories = {key: item.title() for key, item in EXPERIMENTS.items()}
        self.traits.theory = name
        self.traits.theory_settings = settings_text(name, options.get("settings") or {})

    def start(self) -> None:
        self.observe(["theory", "theory_settings"], self._run)
        self.observe("resume", self._run)
        self.observe("cancel", self._stop)
        self._run()

    # The settings.

    def values(self) -> dict[str, Value]:
        """All settings as they are chosen; ValueError for some that do not fit."""
        return chosen_values(self.traits.theory, self.traits.theory_settings)

    def choose(self, settings: Mapping[str, Any]) -> None:
        """Choose some settings; the others are the usual ones."""
        self.traits.theory_settings = settings_text(self.traits.theory, settings)

    # Running it.

    def _run(self, change: Any = None) -> None:
        try:
            self.values()
        except ValueError as error:
            # Those of another theory, unless both were set together; or what nobody can read.
            self.traits.theory_settings = ""  # which runs it
            if change is None or change["name"] != "theory":
                self.view.show_error(error)
            return
        self.view.error = None
        self.view.submit("data", lambda: self.view.reported(EXPERIMENTS[self.traits.theory].title(), self._steps()))

    def _stop(self, change: Any = None) -> None:
        self.view.cancel_job("data", self._stopped)

    def _stopped(self) -> None:
        if self.traits.experiment is not None:
            self.traits.experiment = {**self.traits.experiment, "running": False}

    def _steps(self) -> Generator[None, None, None]:
        yield
        key, values = self._key(), self.values()
        if key in self._done:
            self._tell(self._done[key], running=False)
            return
        if self._going is None or self._going[0] != key:
            self._tell(Outcome([], "", 0.0), running=True)
            self._going = key, EXPERIMENTS[key[0]].steps(values, self.session.model)
        outcomes, self._going = self._going[1], None  # begun anew after an error
        for outcome in outcomes:
            self._going = key, outcomes
            self._tell(outcome, running=outcome.share < 1)
            if outcome.share >= 1:
                self._done[key] = outcome
            yield

    def _key(self) -> tuple[str, str, str]:
        return self.traits.theory, self.traits.theory_settings, language()

    def _tell(self, outcome: Outcome, *, running: bool) -> None:
        self.traits.experiment = experiment_payload(self.traits.theory, outcome, running=running)

    def outcome(self) -> Outcome:
        """What came out; it is computed now where it is not known."""
        key = self._key()
        if key not in self._done:
            for _step in self._steps():
                pass
        return self._done[key]

    # A saved page.

    def complete(self) -> None:
        self._tell(self.outcome(), running=False)

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """Other settings, the nearest first, as far as some seconds allow; and what was run before."""
        theory, began = self.traits.theory, time.monotonic()
        if whole:
            values = self.values()
            for other in _others(EXPERIMENTS[theory].settings(), values):
                text = settings_text(theory, other)
                if (theory, text, language()) in self._done:
                    continue
                for outcome in EXPERIMENTS[theory].steps(other, self.session.model):
                    if outcome.share >= 1:
                        self._done[theory, text, language()] = outcome
                    if time.monotonic() - began > _BAKING:
                        break
                if time.monotonic() - began > _BAKING:
                    break
        table: dict[str, dict[str, Any]] = {}
        for (name, text, spoken), outcome in self._done.items():
            if spoken != language():
                continue
            made = experiment_payload(name, outcome, running=False)
            budget -= len(json.dumps(made))
            if budget < 0:
                break
            table[f"{name}|{text}"] = {"experiment": made}
        return [Response(("theory", "theory_settings"), table)] if len(table) > 1 else []

    def page_state(self, state: dict[str, Any]) -> dict[str, Any]:
        shown = state["experiment"]
        return {"experiment": shown and {**shown, "running": False}}

    def describe(self) -> str:
        shown = self.traits.experiment
        return "" if shown is None else f"{shown['title']}. {shown['words']}"

    def panels(self) -> list[Panel]:
        charts = [] if self.traits.experiment is None else self.traits.experiment["plots"]
        return [Panel(title=chart["title"], image=plot_image(chart)) for chart in charts]


def chosen_values(theory: str, text: str) -> dict[str, Value]:
    """All settings of an experiment, given those that are not the usual ones as JSON."""
    try:
        given = json.loads(text) if text else {}
    except ValueError as error:
        raise ValueError(f"theory_settings must be JSON, got {text!r}") from error
    if not isinstance(given, dict):
        raise ValueError(f"theory_settings must be names with values, got {text!r}")
    known = {item.name: item for item in EXPERIMENTS[theory].settings()}
    for name in given:
        if name not in known:
            raise ValueError(
                f"settings must be of {', '.join(known)} for the theory {theory!r}, got {name!r}"
                f"{nearest(name, list(known))}"
            )
    return {name: item.checked(given.get(name, item.value)) for name, item in known.items()}


def settings_text(theory: str, settings: Mapping[str, Any]) -> str:
    """The settings that are not the usual ones as JSON, in the order of the experiment; "" where all are usual."""
    if not isinstance(settings, Mapping):
        raise TypeError(f"settings must be names with values, got a {type(settings).__name__}")
    values = chosen_values(theory, json.dumps(dict(settings), default=str))
    usual = {item.name: item.value for item in EXPERIMENTS[theory].settings()}
    other = {name: value for name, value in values.items() if value != usual[name]}
    return as_json(other) if other else ""


def experiment_payload(theory: str, outcome: Outcome, *, running: bool) -> TheoryPayload:
    """An experiment for the browser."""
    experiment = EXPERIMENTS[theory]
    return {
        "title": experiment.title(),
        "about": experiment.about(),
        "check": experiment.check(),
        "settings": [
            {
                "name": item.name,
                "label": item.label,
                "values": list(item.values),
                "words": list(item.words),
                "usual": item.value,
            }
            for item in experiment.settings()
        ],
        "plots": list(outcome.plots),
        "words": outcome.words,
        "share": outcome.share,
        "running": running,
    }


def _others(settings: list[Setting], values: Mapping[str, Value]) -> list[dict[str, Value]]:
    """All settings, those first that differ in the fewest."""
    names = [item.name for item in settings]
    every = [dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*(item.values for item in settings))]
    return sorted(every, key=lambda other: sum(other[name] != values[name] for name in names))
