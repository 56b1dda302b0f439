"""The statistics of all layers as numbers, a table and a figure."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnlens.kernels.weights import Comparison, measures
from nnlens.kernels.weights.comparison import limits_of_what_it_shows, shown
from nnlens.render.weights import weights_figure
from nnlens.utils.language import _


@dataclass(frozen=True, eq=False, repr=False)
class WeightsTable:
    """A comparison for each layer: `table["features.0"].numbers["kurtosis"].value`.

    `rows()` gives plain numbers for `pandas.DataFrame`; `figure()` is a plotly figure.
    """

    comparisons: tuple[Comparison, ...]

    def __len__(self) -> int:
        return len(self.comparisons)

    def __iter__(self) -> Iterator[Comparison]:
        return iter(self.comparisons)

    def __getitem__(self, name: str) -> Comparison:
        for comparison in self.comparisons:
            if name in (comparison.statistics.weight.name, *comparison.statistics.weight.same_as):
                return comparison
        raise KeyError(f"no weight is called {name!r}")

    def __repr__(self) -> str:
        lines = [f"WeightsTable({len(self)} layers)"]
        for comparison in self.comparisons:
            lines.append(f"  {comparison.statistics.weight.name}: {comparison.statistics.spectrum!r}")
        return "\n".join(lines)

    def rows(self) -> list[dict[str, Any]]:
        """For each layer its name and numbers, and the mean, lowest and highest of the references."""
        result = []
        for comparison in self.comparisons:
            weight, tail = comparison.statistics.weight, comparison.statistics.spectrum.tail
            row: dict[str, Any] = {"layer": weight.name, "label": weight.label}
            for name, item in comparison.numbers.items():
                row |= {name: item.value, f"{name} (reference)": item.mean}
                row |= {f"{name} (lowest)": item.low, f"{name} (highest)": item.high}
            if tail is not None:
                row |= {"alpha": tail.alpha, "xmin": tail.xmin, "D": tail.distance, "tail": tail.count}
            result.append(row)
        return result

    def figure(self) -> Any:
        """A plotly figure: each number over the layers, with the range of the references."""
        return weights_figure(self.comparisons)

    def _repr_html_(self) -> str:
        known = measures()
        names = [name for name in known if any(name in comparison.numbers for comparison in self.comparisons)]
        head = "".join(
            f'<th title="{html.escape(known[name].meaning)}">{html.escape(known[name].title)}</th>' for name in names
        )
        body = ""
        for comparison in self.comparisons:
            cells = ""
            for name in names:
                item = comparison.numbers.get(name)
                if item is None:
                    cells += "<td>–</td>"
                    continue
                beside = (
                    ""
                    if not item.references or not np.isfinite(item.mean)
                    else f"<br><small>{shown(item.mean)}</small>"
                )
                strong = ("<b>", "</b>") if item.differs else ("", "")
                cells += f"<td>{strong[0]}{shown(item.value)}{strong[1]}{beside}</td>"
            body += f"<tr><th>{html.escape(comparison.statistics.weight.name)}</th>{cells}</tr>"
        against = self.comparisons[0].against if self.comparisons else ""
        words = _(
            "small: {against}; bold: outside its range. {limits}", against=against, limits=limits_of_what_it_shows()
        )
        return f"<table><tr><th>{_('layer')}</th>{head}</tr>{body}</table><p>{html.escape(words)}</p>"
