"""The evidence of several methods over many images: a table, and charts."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np

from nnlens.kernels import CHECKS, METHODS
from nnlens.kernels.attribution.evidence.evidence import Check
from nnlens.kernels.attribution.registry import method_named
from nnlens.kernels.names import method_words
from nnlens.utils.language import _, number
from nnlens.utils.suggestions import nearest

from .attribution_jobs import Settings
from .sample import Sample
from .session import Session


class HasSession(Protocol):
    """A `Lens`."""

    session: Session


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


def evaluate_steps(
    lens: HasSession,
    dataset: Any,
    methods: Sequence[str],
    *,
    count: int | None = None,
    checks: Sequence[Check] = CHECKS,
    max_passes: int | None = 400,
    **settings: Any,
) -> Iterator[Report]:
    """The report after each image; see `evaluate`."""
    _check_arguments(lens, methods, checks, settings)
    names = tuple(dict.fromkeys(method_named(name).name for name in methods))
    session = lens.session
    data = session.setup.dataset(dataset)
    if count is not None and count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    total = len(data) if count is None else min(count, len(data))
    chosen = Settings(**settings)
    rows: list[dict[str, Any]] = []
    skipped: list[tuple[str, str]] = []
    images = 0
    # Evenly spread, for the first images of a folder are often of one class; the others where some cannot be read.
    spread = [int(item) for item in np.linspace(0, len(data) - 1, total).round()]
    for item in [*spread, *(item for item in range(len(data)) if item not in set(spread))]:
        if images == total:
            break
        try:
            sample = session.samples.of(data.input(item))
            session.prepared(sample)  # so that no method's time includes it
        except Exception as error:
            skipped.append((data.name(item), str(error)))
            continue
        target = sample.top(1)[0]
        for name in names:
            row: dict[str, Any] = {"image": sample.input.name, "class": sample.names[target], "method": name}
            rows.append(row)
            try:
                for number, value in _numbers(session, sample, target, name, chosen, checks, max_passes):
                    row[number] = value
            except Exception as error:
                row["error"] = str(error) or type(error).__name__
        images += 1
        yield Report(rows=list(rows), methods=names, images=images, total=total, skipped=list(skipped))
    if not images:
        raise ValueError(f"dataset must hold images that can be read, but none can be read: {skipped[0][1]}")


def _check_arguments(lens: HasSession, methods: Sequence[str], checks: Sequence[Check], settings: Any) -> None:
    if not isinstance(getattr(lens, "session", None), Session):
        raise TypeError(f"lens must be a Lens, for example Lens(model, preprocess=…), got {type(lens).__name__}")
    if isinstance(methods, str) or not len(methods):
        raise ValueError(f"methods must be a list of names, got {methods!r}")
    known = [entry.name for entry in fields(Settings)]
    for name in settings:
        if name not in known:
            raise TypeError(
                f"evaluate has no option {name!r}{nearest(name, known)}; it takes count, checks, max_passes, progress, "
                f"{', '.join(known)}"
            )
    for check in checks:
        if check not in CHECKS:
            raise ValueError(f"checks must be of {', '.join(CHECKS)}, got {check!r}{nearest(str(check), CHECKS)}")


def _numbers(
    session: Session,
    sample: Sample,
    target: int,
    method: str,
    settings: Settings,
    checks: Sequence[Check],
    max_passes: int | None,
) -> Iterator[tuple[str, float]]:
    """The columns of one row: the seconds that the map took, unless it was known before, and its evidence."""
    jobs = session.attributions
    known_before = jobs.map(sample, target, method, settings) is not None
    begin = time.perf_counter()
    for _map in jobs.map_steps(sample, target, method, settings):
        pass
    if not known_before:
        yield "seconds", time.perf_counter() - begin
    *_, evidence = jobs.evidence_steps(sample, target, method, settings, checks=tuple(checks), max_passes=max_passes)
    if evidence is not None:
        yield from evidence.numbers().items()


def evaluate(
    lens: HasSession, dataset: Any, methods: Sequence[str], *, progress: bool = True, **options: Any
) -> Report:
    """Compare attribution methods on many images: each explains the model's top class, and is checked.

    Parameters
    ----------
    lens : Lens
    dataset : folder, torch Dataset, tensor (n, c, h, w) or sequence of images
        See `inputs.datasets.ImageDataset`.
    methods : list of str
        Names of `kernels.METHODS`.
    progress : bool
        Whether a progress bar is shown. On an interrupt the report of the images so far is returned.
    **options
        `count`, how many images, evenly spread; `checks`, which are run, and `max_passes`, how many forward passes
        one of them may take (None: any number); `samples`, `segments`, `segmentation`, `width`, `seed`, `cam_layer`,
        `score` as for `Lens.attribution`.

    Returns
    -------
    Report
        `.rows`, `.summary()`, `.figure()`; a table in a notebook.
    """
    from rich.progress import Progress

    last: Report | None = None
    with Progress(disable=not progress, transient=True) as bar:
        task = bar.add_task(_("evaluating"), total=None)
        try:
            for last in evaluate_steps(lens, dataset, methods, **options):
                bar.update(task, total=last.total, completed=last.images + len(last.skipped))
        except KeyboardInterrupt:
            if last is None:
                raise
    assert last is not None  # or the steps had raised
    return last
