"""What a watched training has shown so far, within a bounded memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

from .alarms import Alarm, alarms_of, whole_gradient
from .figures import ActivationFigures, WeightFigures

MOST_ROWS = 2048
MOST_MEASUREMENTS = 256

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | int | bool | None"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The figures of all layers at one step.

    Attributes
    ----------
    step : int
    seconds : float
        Since the training began to be watched.
    activations : tuple of ActivationFigures
    weights : tuple of WeightFigures
    """

    step: int
    seconds: float
    activations: tuple[ActivationFigures, ...]
    weights: tuple[WeightFigures, ...]


@dataclass
class Metrics:
    """The loss and other numbers of each step; where there are too many steps, means over several.

    Attributes
    ----------
    stride : int
        Over how many steps each mean is.
    steps : list of int
        The last step of each mean.
    values : dict of str to list of float
        The means, by name; NaN where a step had no such number.
    """

    stride: int = 1
    steps: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    _waiting: list[tuple[int, dict[str, float]]] = field(default_factory=list)

    def add(self, step: int, row: Mapping[str, float]) -> None:
        """Note the numbers of one step."""
        self._waiting.append((step, dict(row)))
        if len(self._waiting) < self.stride:
            return
        for name in row:
            self.values.setdefault(name, [math.nan] * len(self.steps))
        names = {name for _step, numbers in self._waiting for name in numbers} | set(self.values)
        for name in names:
            known = [numbers[name] for _step, numbers in self._waiting if name in numbers]
            values = self.values.setdefault(name, [math.nan] * len(self.steps))
            values.append(sum(known) / len(known) if known else math.nan)
        self.steps.append(step)
        self._waiting.clear()
        if len(self.steps) >= MOST_ROWS:
            self._halve()

    def _halve(self) -> None:
        self.stride *= 2
        self.steps = self.steps[1::2]
        for name, values in self.values.items():
            pairs = zip(values[::2], values[1::2], strict=True)
            self.values[name] = [_mean_of_known(pair) for pair in pairs]

    def latest(self, name: str) -> float:
        """The last value; NaN without one."""
        values = self.values.get(name)
        return values[-1] if values else math.nan


def _mean_of_known(pair: tuple[float, float]) -> float:
    known = [value for value in pair if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


@dataclass
class History:
    """Metrics, measurements and alarms of a training."""

    metrics: Metrics = field(default_factory=Metrics)
    measurements: list[Measurement] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    _sounding: set[tuple[str, str]] = field(default_factory=set)  # kinds and places of the alarms that hold on

    def add(self, measurement: Measurement) -> list[Alarm]:
        """Note a measurement; returns its alarms that did not hold at the one before."""
        before = [whole_gradient(item.weights) for item in self.measurements]
        found = alarms_of(measurement.step, measurement.activations, measurement.weights, before)
        new = [alarm for alarm in found if (alarm.kind, alarm.where) not in self._sounding]
        self._sounding = {(alarm.kind, alarm.where) for alarm in found}
        self.alarms += new
        self.measurements.append(measurement)
        if len(self.measurements) > MOST_MEASUREMENTS:
            self.measurements = self.measurements[::2] + self.measurements[-1:] * (len(self.measurements) % 2 == 0)
        return new

    def figure(self, name: str, of: str) -> tuple[list[int], list[float]]:
        """The steps and values of one figure ("zeros", "gradient", "ratio", …) of one layer or module.

        Raises ValueError for a figure, layer or module that was not measured.
        """
        steps, values = [], []
        for item in self.measurements:
            rows: tuple[ActivationFigures | WeightFigures, ...] = (*item.activations, *item.weights)
            for row in rows:
                where = row.layer if isinstance(row, ActivationFigures) else row.module
                if where == of and hasattr(row, name) and name not in ("layer", "module"):
                    steps.append(item.step)
                    values.append(float(getattr(row, name)))
        if not steps:
            measured = self.measurements[-1] if self.measurements else None
            layers = [] if measured is None else [row.layer for row in measured.activations]
            modules = [] if measured is None else [row.module for row in measured.weights]
            raise ValueError(
                f"name and of must be a figure that was measured, got {name!r} of {of!r}: zeros, dead, saturated, "
                f"size, spread of {', '.join(layers)}; weight, gradient, update, ratio, singular, rank of "
                f"{', '.join(modules)}"
            )
        return steps, values

    def as_json(self) -> dict[str, Json]:
        """Everything as plain lists and dictionaries; NaN and infinity as words, which JSON does not have."""
        metrics = self.metrics
        plain = {
            "metrics": {"stride": metrics.stride, "steps": metrics.steps, "values": metrics.values},
            "measurements": [asdict(item) for item in self.measurements],
            "alarms": [asdict(item) for item in self.alarms],
        }
        return _plain(plain)  # type: ignore[return-value]

    @classmethod
    def from_json(cls, data: dict[str, Json]) -> History:
        """What `as_json` made."""
        read: dict[str, object] = _numbers(data)  # type: ignore[assignment]
        metrics: dict[str, object] = read["metrics"]  # type: ignore[assignment]
        made = cls(metrics=Metrics(metrics["stride"], metrics["steps"], metrics["values"]))  # type: ignore[arg-type]
        for item in read["measurements"]:  # type: ignore[attr-defined]
            made.measurements.append(
                Measurement(
                    step=item["step"],
                    seconds=item["seconds"],
                    activations=tuple(ActivationFigures(**row) for row in item["activations"]),
                    weights=tuple(WeightFigures(**row) for row in item["weights"]),
                )
            )
        made.alarms = [Alarm(**item) for item in read["alarms"]]  # type: ignore[attr-defined]
        return made


def _plain(value: object) -> Json:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": repr(value)}
    assert value is None or isinstance(value, (str, int, float, bool))
    return value


def _numbers(value: Json) -> object:
    if isinstance(value, dict):
        if set(value) == {"number"}:
            return float(str(value["number"]))
        return {key: _numbers(item) for key, item in value.items()}
    return [_numbers(item) for item in value] if isinstance(value, list) else value
