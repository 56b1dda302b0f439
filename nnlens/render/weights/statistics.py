"""The statistics of all layers, and replacements of one, as payloads."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlens.kernels.weights import (
    Comparison,
    Orientation,
    Spectrum,
    Sweep,
    measures,
)
from nnlens.kernels.weights.moments import histogram
from nnlens.kernels.weights.replacement.replacing import setting_words
from nnlens.render.scores import finite
from nnlens.utils.language import number, plural

from . import payloads as shapes

_BINS = 41
_RANKS = 64  # singular values that a chart shows, at most


def weight_row(comparison: Comparison, before: shapes.WeightRow | None = None) -> shapes.WeightRow:
    """A layer's charts and numbers beside those of its reference; `before` is its row with fewer draws."""
    statistics, weight = comparison.statistics, comparison.statistics.weight
    # The charts show the first draw.
    charts = before if before is not None and before["draws"] and comparison.references else _charts(comparison)
    tail = statistics.spectrum.tail
    return {
        "name": weight.name,
        "label": weight.label,
        "filters": len(weight),
        "same_as": list(weight.same_as),
        "problem": "",
        "weights": charts["weights"],
        "norms": charts["norms"],
        "angles": charts["angles"],
        "uniformity": charts["uniformity"],
        "frequencies": charts["frequencies"],
        "singular": charts["singular"],
        "tail": None
        if tail is None
        else {
            "alpha": tail.alpha,
            "error": tail.error,
            "xmin": tail.xmin,
            "distance": tail.distance,
            "critical": tail.critical,
            "count": tail.count,
            "of": tail.of,
        },
        "numbers": {
            name: {
                "value": item.value,
                "low": finite(float(item.low)),
                "high": finite(float(item.high)),
                "score": finite(float(item.score)),
                "differs": item.differs,
            }
            for name, item in comparison.numbers.items()
        },
        "findings": comparison.findings(),
        "draws": len(next(iter(comparison.numbers.values())).references) if comparison.numbers else 0,
    }


def _charts(comparison: Comparison) -> dict[str, Any]:
    statistics = comparison.statistics
    other = comparison.references[0] if comparison.references else None
    orientation, beside = statistics.orientation, None if other is None else other.orientation
    angles = frequencies = None
    if orientation is not None:
        angles = _distribution(orientation.angle, None if beside is None else beside.angle, (0.0, 180.0), bins=12)
        reference = None if beside is None else beside.frequency
        frequencies = _distribution(orientation.frequency, reference, (0.0, 0.75), bins=15)
    return {
        "weights": _distribution(statistics.rows, None if other is None else other.rows, symmetric=True),
        "norms": _distribution(statistics.norms, None if other is None else other.norms),
        "angles": angles,
        "uniformity": None if orientation is None else [_uniformity(orientation, period) for period in (1, 2)],
        "frequencies": frequencies,
        "singular": _singular(statistics.spectrum, None if other is None else other.spectrum),
    }


def _uniformity(orientation: Orientation, period: int) -> tuple[float, float]:
    test = orientation.uniformity(period)
    return finite(test.resultant) or 0.0, 1.0 if finite(test.p) is None else test.p


def failed_weight_row(name: str, label: str, problem: str) -> shapes.WeightRow:
    """A layer that cannot be analysed, with the reason."""
    return {
        "name": name,
        "label": label,
        "filters": 0,
        "same_as": [],
        "problem": problem,
        "weights": None,
        "norms": None,
        "angles": None,
        "uniformity": None,
        "frequencies": None,
        "singular": None,
        "tail": None,
        "numbers": {},
        "findings": [],
        "draws": 0,
    }


def _distribution(
    values: np.ndarray,
    reference: np.ndarray | None,
    limits: tuple[float, float] | None = None,
    *,
    symmetric: bool = False,
    bins: int | None = None,
) -> shapes.Distribution | None:
    """The shares of both in the same bins, which cover all but the outermost values."""
    known = [item[np.isfinite(item)] for item in (values, reference) if item is not None]
    if not len(known[0]):
        return None
    if limits is None:
        reach = max(float(np.quantile(np.abs(item), 0.999)) for item in known if len(item)) or 1.0
        low = -reach if symmetric else min(float(item.min()) for item in known if len(item))
        limits = (low, reach if reach > low else low + 1)
    if bins is None:  # fewer where there are few numbers, so that most bins hold some
        bins = int(np.clip(2 * len(known[0]) ** 0.5, 8, _BINS))
    edges = np.linspace(*limits, bins + 1)
    return {
        "low": limits[0],
        "high": limits[1],
        "shares": histogram(known[0], edges).tolist(),
        "reference": histogram(known[1], edges).tolist() if len(known) > 1 and len(known[1]) else None,
    }


def _singular(spectrum: Spectrum, reference: Spectrum | None) -> shapes.SingularValues:
    count = len(spectrum.values)
    ranks = np.unique(np.linspace(0, count - 1, min(count, _RANKS)).round().astype(int))
    return {
        "values": spectrum.values[ranks].tolist(),
        "random": spectrum.random[ranks].tolist(),
        "reference": None if reference is None or len(reference.values) != count else reference.values[ranks].tolist(),
        "threshold": spectrum.threshold,
        "count": count,
    }


def measure_words() -> list[shapes.MeasureWords]:
    """What the numbers of the table are called, in the user's language."""
    return [{"name": name, "title": item.title, "meaning": item.meaning} for name, item in measures().items()]


def sweep_payload(
    sweep: Sweep,
    label: str,
    parameters: int,
    *,
    running: bool,
    loss: float,
    images: int,
    skipped: list[tuple[int, str]],
) -> shapes.SweepPayload:
    """The replacements that were tried so far."""
    smallest = sweep.smallest(loss)
    flops = sweep.results[0].flops if sweep.results else None
    return {
        "layer": sweep.layer,
        "label": label,
        "results": [
            {
                "method": result.method,
                "setting": result.setting,
                "words": setting_words(result.method, result.setting),
                "weight_error": result.weight_error,
                "parameters": result.parameters,
                "flops": result.flops,
                "accuracy": None if result.accuracy is None else result.accuracy[1],
                "agreement": result.agreement,
                "loss": (result.loss, *result.loss_interval),
            }
            for result in sweep.results
        ],
        "done": sweep.done,
        "total": sweep.total,
        "running": running,
        "images": images,
        "skipped": skipped,
        "accuracy": sweep.accuracy,
        "parameters": parameters,
        "flops": 0 if flops is None else flops[0],
        "smallest": None if smallest is None else sweep.results.index(smallest),
    }


def sweep_words(sweep: Sweep, loss: float) -> str:
    """The answer in words: the smallest replacement that is good enough."""
    smallest = sweep.smallest(loss)
    if smallest is None:
        return plural(
            "none of {count} replacement is simpler and loses at most {loss} %",
            "none of {count} replacements is simpler and loses at most {loss} %",
            len(sweep.results),
            loss=number(f"{100 * loss:.3g}"),
        )
    return smallest.describe()
