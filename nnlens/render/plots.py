"""Charts of what a theory says and what was measured: as payloads, as pictures without scripts, and for plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw
from typing_extensions import TypedDict

_WIDTH, _HEIGHT, _MARGIN = 480, 240, 12
_INKS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7")

PlotKind = Literal["theory", "measured", "dots", "limit"]


class PlotSeries(TypedDict):
    """A line of a theory, dots that were measured (joined or not), or a limit; None where it is unknown."""

    name: str
    kind: PlotKind
    x: list[float | None]
    y: list[float | None]
    low: list[float | None] | None
    high: list[float | None] | None


class PlotPayload(TypedDict):
    """A chart with axes."""

    title: str
    x: str
    y: str
    log_x: bool
    log_y: bool
    series: list[PlotSeries]


def series(name: str, kind: PlotKind, x: Any, y: Any, *, low: Any = None, high: Any = None) -> PlotSeries:
    """A series of a chart; numbers that are not finite are left out."""
    return {
        "name": name,
        "kind": kind,
        "x": _known(x),
        "y": _known(y),
        "low": None if low is None else _known(low),
        "high": None if high is None else _known(high),
    }


def limit(name: str, ends: Sequence[float], value: float) -> PlotSeries:
    """A horizontal line between two ends."""
    return series(name, "limit", [ends[0], ends[-1]], [value, value])


def plot(
    title: str, x: str, y: str, drawn: Sequence[PlotSeries], *, log_x: bool = False, log_y: bool = False
) -> PlotPayload:
    """A chart with labelled axes."""
    return {"title": title, "x": x, "y": y, "log_x": log_x, "log_y": log_y, "series": list(drawn)}


def _known(values: Any) -> list[float | None]:
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in np.asarray(values, float)]


def points_of(item: PlotSeries, *, log_x: bool, log_y: bool) -> list[tuple[float, float]]:
    """The points that can be drawn, on the scales of the chart."""
    found = []
    for x, y in zip(item["x"], item["y"], strict=True):
        if x is None or y is None or (log_x and x <= 0) or (log_y and y <= 0):
            continue
        found.append((math.log10(x) if log_x else x, math.log10(y) if log_y else y))
    return found


def plot_image(chart: PlotPayload) -> Image.Image:
    """The chart as a picture: lines of the theory in orange, limits in grey, dots for what was measured."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((_MARGIN, _MARGIN, _WIDTH - _MARGIN, _HEIGHT - _MARGIN), outline="#999999")
    lines = [points_of(item, log_x=chart["log_x"], log_y=chart["log_y"]) for item in chart["series"]]
    every = np.array([point for line in lines for point in line])
    if not len(every):
        return image
    low, high = every.min(0), every.max(0)
    size = np.where(high > low, high - low, 1)
    room = np.array([_WIDTH, _HEIGHT]) - 4 * _MARGIN
    measured = 0
    for item, line in zip(chart["series"], lines, strict=True):
        places = [tuple(2 * _MARGIN + (np.array(point) - low) / size * room) for point in line]
        corners = [(float(x), _HEIGHT - float(y)) for x, y in places]
        if item["kind"] in ("theory", "limit"):
            if len(corners) > 1:
                pen.line(corners, fill="#c2410c" if item["kind"] == "theory" else "#777777", width=2)
            continue
        for x, y in corners:
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_INKS[measured % len(_INKS)])
        measured += 1
    return image


def plots_figure(charts: Sequence[PlotPayload]) -> Any:
    """The charts as a plotly figure, side by side."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=1, cols=max(1, len(charts)), subplot_titles=[chart["title"] for chart in charts])
    for place, chart in enumerate(charts):
        for item in chart["series"]:
            dashes = {"dash": "dot", "color": "#777777"} if item["kind"] == "limit" else None
            mode = {"measured": "markers+lines", "dots": "markers"}.get(item["kind"], "lines")
            trace = go.Scatter(x=item["x"], y=item["y"], mode=mode, name=item["name"], line=dashes)
            figure.add_trace(trace, row=1, col=place + 1)
        figure.update_xaxes(title=chart["x"], type="log" if chart["log_x"] else "linear", row=1, col=place + 1)
        figure.update_yaxes(title=chart["y"], type="log" if chart["log_y"] else "linear", row=1, col=place + 1)
    return figure.update_layout(template="plotly_white")
