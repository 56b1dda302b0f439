"""Weights as plotly figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlens.kernels.weights import Comparison, FilterStatistics, Sweep, measures
from nnlens.kernels.weights.replacement.replacing import method_words, setting_words
from nnlens.utils.language import _

_OWN, _OTHER = "#c2410c", "#8a8f98"


def weights_figure(comparisons: Sequence[Comparison]) -> Any:
    """Each number over the layers, with the range of the references as bars."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    known = measures()
    names = [name for name in known if any(name in comparison.numbers for comparison in comparisons)]
    figure = make_subplots(rows=-(-len(names) // 2), cols=2, subplot_titles=[known[name].title for name in names])
    for place, name in enumerate(names):
        at = {"row": place // 2 + 1, "col": place % 2 + 1}
        having = [comparison for comparison in comparisons if name in comparison.numbers]
        layers = [comparison.statistics.weight.name for comparison in having]
        items = [comparison.numbers[name] for comparison in having]
        if any(item.references for item in items):
            middle = [item.mean for item in items]
            errors = {
                "array": [item.high - item.mean for item in items],
                "arrayminus": [item.mean - item.low for item in items],
            }
            dots = {"color": _OTHER}
            trace = go.Scatter(x=layers, y=middle, error_y=errors, mode="markers", marker=dots, showlegend=False)
            figure.add_trace(trace, **at)
        values = [item.value for item in items]
        figure.add_trace(go.Scatter(x=layers, y=values, line={"color": _OWN}, showlegend=False), **at)
    against = comparisons[0].against if comparisons else ""
    title = _("orange: the layers; grey: {against}", against=against)
    return figure.update_layout(height=260 * -(-len(names) // 2), title=title, template="plotly_white")


def sweep_figure(sweep: Sweep) -> Any:
    """The share of images that each replacement gets right over its share of the network's FLOPs, a trace a method."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for method in dict.fromkeys(result.method for result in sweep.results):
        results = [result for result in sweep.results if result.method == method]
        right = [result.agreement if result.accuracy is None else result.accuracy[1] for result in results]
        costs = [result.flops[1] / result.flops[0] if result.flops else 1.0 for result in results]
        bounds = [result.loss_interval for result in results]
        errors = {
            "array": [result.loss - low for result, (low, _high) in zip(results, bounds, strict=True)],
            "arrayminus": [high - result.loss for result, (_low, high) in zip(results, bounds, strict=True)],
        }
        words = [setting_words(result.method, result.setting) for result in results]
        trace = go.Scatter(x=costs, y=right, error_y=errors, text=words, mode="markers", name=method_words(method))
        figure.add_trace(trace)
    if sweep.accuracy is not None:
        figure.add_hline(sweep.accuracy, line_dash="dash", line_color=_OTHER)
    figure.update_xaxes(title=_("share of the network's FLOPs"))
    figure.update_yaxes(title=_("agreement") if sweep.accuracy is None else _("accuracy"))
    return figure.update_layout(title=_("replacements of {layer}", layer=sweep.layer), template="plotly_white")


def filters_figure(statistics: FilterStatistics) -> Any:
    """The distributions of a layer's weights, norms, skewness, directions and frequencies, and its singular values."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    orientation = statistics.orientation
    charts = [
        (_("weights"), statistics.rows.reshape(-1)),
        (_("norms of filters"), statistics.norms),
        (_("skewness of filters"), statistics.skewness),
    ]
    if orientation is not None:
        charts += [(_("directions in degrees"), orientation.angle), (_("cycles per pixel"), orientation.frequency)]
    titles = [title for title, _values in charts] + [_("singular values; grey: random")]
    figure = make_subplots(rows=-(-len(titles) // 2), cols=2, subplot_titles=titles)
    for place, (_title, values) in enumerate(charts):
        known = values[np.isfinite(values)]
        shares, edges = np.histogram(known, min(60, max(8, int(2 * len(known) ** 0.5))))
        bars = go.Bar(x=(edges[1:] + edges[:-1]) / 2, y=shares, marker_color=_OWN, showlegend=False)
        figure.add_trace(bars, row=place // 2 + 1, col=place % 2 + 1)
    at = {"row": (len(titles) - 1) // 2 + 1, "col": (len(titles) - 1) % 2 + 1}
    spectrum = statistics.spectrum
    for values, color in ((spectrum.random, _OTHER), (spectrum.values, _OWN)):
        figure.add_trace(go.Scatter(y=values, line={"color": color}, showlegend=False), **at)
    title = f"{statistics.weight.name} · {statistics.weight.label}"
    return figure.update_layout(height=260 * -(-len(titles) // 2), title=title, template="plotly_white", bargap=0)
