"""The numbers behind the grid of attributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnlens.kernels import Attribution, Evidence, agreement
from nnlens.kernels.attribution.registry import method_named
from nnlens.render import html_of
from nnlens.session.sample import Sample


@dataclass(frozen=True)
class Row:
    """One row of the grid: an image and a class."""

    sample: Sample
    target: int

    @property
    def label(self) -> str:
        return self.sample.names[self.target]


@dataclass(frozen=True, repr=False, kw_only=True)
class Attributions:
    """The numbers behind the grid: `result["lime"]`, `result["lime", 1]` for the second row.

    Attributes
    ----------
    methods : tuple of str
    rows : tuple of (image, target, label)
    maps : dict
        (method, row) → `Attribution`; those that could not be computed are missing, and listed in `errors`.
    evidence : dict
        (method, row) → `Evidence`.
    errors : dict
        (method, row) → why there is no map.
    """

    methods: tuple[str, ...]
    rows: tuple[tuple[str, int, str], ...]
    maps: dict[tuple[str, int], Attribution]
    evidence: dict[tuple[str, int], Evidence]
    errors: dict[tuple[str, int], str]

    def __getitem__(self, key: str | tuple[str, int]) -> Attribution:
        method, row = (key, 0) if isinstance(key, str) else key
        result = self.maps.get((method_named(method).name, row))
        if result is None:
            there = ", ".join(f"{name!r}, {number}" for name, number in self.maps)
            raise KeyError(f"there is no map of {method!r} in row {row}; there are maps of ({there})")
        return result

    def agreement(self, row: int = 0) -> tuple[list[str], np.ndarray]:
        """The methods of a row that have a map, and the rank correlation of each pair."""
        names = [name for name in self.methods if (name, row) in self.maps]
        return names, agreement([self.maps[name, row] for name in names])

    def table(self) -> list[dict[str, Any]]:
        """A row for each map: what it costs and what the checks say, for `pandas.DataFrame` say."""
        rows = []
        for (method, row), result in self.maps.items():
            image, _, label = self.rows[row]
            known = self.evidence.get((method, row))
            entry = {"method": method, "image": image, "class": label, "forwards": result.forwards}
            entry |= {"backwards": result.backwards, **({} if known is None else known.numbers())}
            rows.append(entry)
        return rows

    def _repr_html_(self) -> str:
        cells = "".join(f"<td>{html_of(map_)}</td>" for map_ in list(self.maps.values())[:6])
        return f"<div><table><tr>{cells}</tr></table></div>"

    def __repr__(self) -> str:
        lines = [f"Attributions({len(self.methods)} methods, {len(self.rows)} rows)"]
        for (method, row), result in self.maps.items():
            lines.append(f"  {method} · {self.rows[row][2]}: {result.describe()}")
            if (method, row) in self.evidence:
                lines += [f"    {finding.words}" for finding in self.evidence[method, row].findings()]
        lines += [f"  {method} · {self.rows[row][2]}: no map, {why}" for (method, row), why in self.errors.items()]
        return "\n".join(lines)
