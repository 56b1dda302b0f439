"""The table of several attribution methods over many images, with its charts."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnlens.kernels import METHODS
from nnlens.kernels.attribution.registry import method_named
from nnlens.kernels.names import method_words
from nnlens.utils.language import _, number

# The columns, and which way is better.
COLUMNS = {
    "deletion": "less",
    "insertion": "more",
    "deletion gain": "more",
    "insertion gain": "more",
    "correlation after randomisation": "less",
    "seeds": "more",
    "sensitivity": "less",
    "R²": "more",
    "edges": "",
    "seconds": "less",
}


def _column_words(name: str) -> tuple[str, str]:
    """What a column is called, and what it means."""
    words = {
        "deletion": (_("deletion"), _("area under the deletion curve")),
        "insertion": (_("insertion"), _("area under the insertion curve")),
        "deletion gain": (_("deletion gain"), _("by how much deletion beats the mean random order")),
        "insertion gain": (_("insertion gain"), _("by how much insertion beats the mean random order")),
        "correlation after randomisation": (
            _("correlation after randomisation"),
            _("rank correlation that is left when the last layers are randomised"),
        ),
        "seeds": (_("seeds"), _("rank correlation between seeds")),
        "sensitivity": (
            _("sensitivity"),
            _("relative change of the map under noise of ±{noise}", noise=number("0.02")),
        ),
        "R²": ("R²", _("share of the samples' variance that the linear model explains")),
        "edges": (_("edges"), _("rank correlation with the image's edges")),
        "seconds": (_("seconds"), _("for one map")),
    }
    return words[name]


def _better(name: str) -> str:
    """Which way a column is better, in words."""
    return {"less": _("less is better"), "more": _("more is better"), "": ""}[COLUMNS[name]]


@dataclass(frozen=True, repr=False, kw_only=True)
class Report:
    """The results of the checks for each method, image by image.

    Attributes
    ----------
    rows : list of dict
        One for each image and method: image, class, method, seconds, and a number for each check that was made;
        `error` where there is no map. `pandas.DataFrame(report.rows)` takes them.
    methods : tuple of str
    images : int
        How many images were evaluated; `total` is the planned number.
    skipped : list of (str, str)
        Images that could not be read, and why.
    """

    rows: list[dict[str, Any]]
    methods: tuple[str, ...]
    images: int
    total: int
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all images were used."""
        return self.images == self.total

    def values(self, method: str, column: str) -> np.ndarray:
        """The finite numbers of a column, over the images."""
        name = method_named(method).name
        result = [row[column] for row in self.rows if row["method"] == name and column in row]
        return np.array([value for value in result if np.isfinite(value)], dtype=float)

    @property
    def columns(self) -> list[str]:
        """The columns that have numbers."""
        return [name for name in COLUMNS if any(name in row for row in self.rows)]

    def summary(self) -> list[dict[str, Any]]:
        """For each method the mean of each column, its standard error, and how many images it is over."""
        result = []
        for method in self.methods:
            line: dict[str, Any] = {"method": method}
            for column in self.columns:
                values = self.values(method, column)
                if len(values):
                    error = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")
                    line[column] = (float(values.mean()), error, len(values))
            result.append(line)
        return result

    def figure(self) -> Any:
        """The columns as a plotly figure: for each method the mean, its standard error, and every image as a point."""
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots

        names = [name for name in self.columns if name != "edges"]
        across = min(3, len(names))
        titles = [f"{_column_words(name)[0]} ({_better(name)})" if COLUMNS[name] else name for name in names]
        figure = make_subplots(rows=-(-len(names) // across), cols=across, subplot_titles=titles)
        labels = [method_words(METHODS[name].title) for name in self.methods]
        for index, column in enumerate(names):
            at = {"row": index // across + 1, "col": index % across + 1}
            per_method = [self.values(method, column) for method in self.methods]
            means = [float(values.mean()) if len(values) else None for values in per_method]
            errors = [float(v.std(ddof=1) / len(v) ** 0.5) if len(v) > 1 else 0 for v in per_method]
            bars = go.Bar(x=labels, y=means, error_y={"array": errors}, marker_color="#7fa8cf", showlegend=False)
            figure.add_trace(bars, **at)
            points = [(label, value) for label, values in zip(labels, per_method, strict=True) for value in values]
            if points:
                x, y = zip(*points, strict=True)
                dots = {"color": "#c2410c", "size": 4, "opacity": 0.5}
                figure.add_trace(go.Scatter(x=x, y=y, mode="markers", marker=dots, showlegend=False), **at)
        title = _("{count} images; bars: means with their standard errors; dots: images", count=self.images)
        return figure.update_layout(height=320 * -(-len(names) // across), title=title, template="plotly_white")

    def __repr__(self) -> str:
        lines = [f"Report({self.images} of {self.total} images)"]
        for line in self.summary():
            numbers = ", ".join(f"{name} {_words(value)}" for name, value in line.items() if name != "method")
            lines.append(f"  {METHODS[line['method']].title}: {numbers or 'no map'}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th title="{html.escape(_column_words(name)[1])}">{html.escape(_column_words(name)[0])}'
            f"{'<br><small>' + _better(name) + '</small>' if COLUMNS[name] else ''}</th>"
            for name in self.columns
        )
        body = ""
        for line in self.summary():
            cells = "".join(f"<td>{_words(line[name])}</td>" if name in line else "<td>–</td>" for name in self.columns)
            body += f"<tr><th>{html.escape(method_words(METHODS[line['method']].title))}</th>{cells}</tr>"
        words = _("{images} of {total} images; mean ± standard error", images=self.images, total=self.total)
        if self.skipped:
            words += _("; {count} could not be read", count=len(self.skipped))
        failed = {row["method"]: row["error"] for row in self.rows if "error" in row}
        for method, why in failed.items():
            words += f"; {method_words(METHODS[method].title)}: {why}"
        method_head = _("method")
        return f"<table><tr><th>{method_head}</th>{head}</tr>{body}</table><p>{html.escape(words)}</p>"


def _words(value: tuple[float, float, int]) -> str:
    mean, error, _ = value
    return number(f"{mean:.3g}" if np.isnan(error) else f"{mean:.3g} ± {error:.2g}")
