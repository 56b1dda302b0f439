"""A summary of costs as a table: text in a terminal, a collapsible tree in a notebook."""

from __future__ import annotations

import html
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from nnlens.kernels import Cost, Summary
from nnlens.utils.language import _, grouped, number, plural

_SCREEN = 40  # lines
_STYLE = """<style>
.nnlens-table { font-size: 12px; line-height: 20px; max-width: 1000px; overflow-x: auto;
  font-variant-numeric: tabular-nums; }
.nnlens-table details { display: block; }
.nnlens-table summary { cursor: pointer; display: block; list-style: none; }
.nnlens-table summary::-webkit-details-marker { display: none; }
.nnlens-table .row { display: grid; min-width: 720px; column-gap: 8px;
  border-bottom: 1px solid rgba(127, 127, 127, 0.2); }
.nnlens-table .row > span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: right;
  padding: 0 4px; }
.nnlens-table .row > span:first-child { text-align: left; }
.nnlens-table .head { font-weight: 600; border-bottom: 1px solid rgba(127, 127, 127, 0.6); }
.nnlens-table .module { font-weight: 600; }
.nnlens-table .module::before { content: "▸ "; }
.nnlens-table details[open] > summary .module::before { content: "▾ "; }
.nnlens-table .what, .nnlens-table .silent { opacity: 0.65; font-weight: 400; }
.nnlens-table summary:focus-visible { outline: 2px solid #4c8bf5; outline-offset: -2px; }
</style>"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table, after that of the names.

    Attributes
    ----------
    heading : str
    text : callable
        What a line shows.
    share : callable, optional
        A number; its share of the whole pass is drawn as a bar in the background.
    silent : bool
        Whether it is shown for modules that did not run, too.
    width : float
        The share of the table's width.
    """

    heading: str
    text: Callable[[Cost], str]
    share: Callable[[Cost], float | None] | None = None
    silent: bool = False
    width: float = 0.8


class SummaryTable:
    """The result of `lens.summary()`, displayed as a table; `result` holds the numbers.

    In a terminal all modules down to the summary's `depth` are listed; in a notebook the deeper ones are folded.
    """

    def __init__(self, result: Summary):
        self.result = result
        # As many levels as fit on one screen, unless `depth` was given.
        levels = range(max(cost.depth for cost in result.lines()), 0, -1)
        fitting = next((depth for depth in levels if len(result.lines(depth)) <= _SCREEN), 1)
        self._unfolded = fitting if result.depth is None else result.depth

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=None, pad_edge=False, header_style="bold", caption=self.caption(), caption_justify="left")
        table.add_column(_("operation"), no_wrap=True)
        for column in COLUMNS:
            table.add_column(_heading(column), justify="right", no_wrap=True)
        for cost in self.result.lines(self.result.depth):
            name = Text("  " * cost.depth)
            name.append(_short(cost), style="bold" if cost.children else "")
            name.append(f" {cost.label}" if cost.label != _short(cost) else "", style="dim")
            table.add_row(name, *(_cell(column, cost) for column in COLUMNS), style="dim" if cost.not_run else "")
        yield table

    def __repr__(self) -> str:
        console = Console(width=140, force_terminal=sys.stdout.isatty(), color_system="standard")
        with console.capture() as captured:
            console.print(self)
        return captured.get().rstrip()

    def _repr_html_(self) -> str:
        head = "".join(f"<span>{heading}</span>" for heading in (_("operation"), *map(_heading, COLUMNS)))
        widths = f"minmax(220px, 2.4fr) {' '.join(f'{column.width:g}fr' for column in COLUMNS)}"
        style = f"{_STYLE}<style>.nnlens-table .row {{ grid-template-columns: {widths}; }}</style>"
        tree = self._html(self.result.total)
        return (
            f'{style}<div class="nnlens-table" role="figure" aria-label="{html.escape(self.caption())}">'
            f'<div class="row head">{head}</div>{tree}<div>{html.escape(self.caption())}</div></div>'
        )

    def caption(self) -> str:
        """The whole in words, and how it was measured."""
        total, passes = self.result.total, self.result.passes
        not_run = sum(cost.not_run for cost in self.result.lines())
        words = [
            _("{count} parameters", count=grouped(total.parameters)),
            _(
                "{count} FLOPs (a multiply-add is two; matrix products and convolutions only)",
                count=_count(total.flops),
            ),
            plural(
                "{time} in operations (median of {count} recorded pass)",
                "{time} in operations (median of {count} recorded passes)",
                passes,
                time=_time(total.seconds),
            ),
            _("{size} of outputs", size=_bytes(total.bytes)),
        ]
        return ", ".join(words) + (_("; {count} modules did not run", count=not_run) if not_run else "")

    def _html(self, cost: Cost) -> str:
        total = self.result.total
        kind = "module" if cost.children else "silent" if cost.not_run else "one"
        label = f' <span class="what">{html.escape(cost.label)}</span>' if cost.label != _short(cost) else ""
        words = _("did not run")
        note = f' <span class="what">{words}</span>' if cost.not_run else ""
        name = (
            f'<span title="{html.escape(cost.name or cost.label)}" style="padding-left: {8 + 14 * cost.depth}px">'
            f'<span class="{kind}">{html.escape(_short(cost))}</span>{label}{note}</span>'
        )
        cells = "".join(
            f"<span{_bar(_share(column, cost, total))}>{html.escape(_cell(column, cost))}</span>" for column in COLUMNS
        )
        row = f'<div class="row">{name}{cells}</div>'
        if not cost.children:
            return row
        opened = cost.depth < self._unfolded
        inside = "".join(map(self._html, cost.children))
        return f"<details{' open' if opened else ''}><summary>{row}</summary>{inside}</details>"


def _short(cost: Cost) -> str:
    """The last part of the name, as shown under its module."""
    return cost.name.rpartition(".")[2] or cost.label


def _cell(column: Column, cost: Cost) -> str:
    return "" if cost.not_run and not column.silent else column.text(cost)


def _share(column: Column, cost: Cost, total: Cost) -> float:
    if column.share is None:
        return 0.0
    whole = column.share(total)
    return (column.share(cost) or 0) / whole if whole else 0.0


def _bar(share: float) -> str:
    if share < 0.005:
        return ""
    percent = f"{100 * share:.1f}%"
    shade = "rgba(76, 139, 245, 0.28)"
    return f' style="background: linear-gradient(to left, {shade} {percent}, transparent {percent})"'


def _scaled(units: tuple[str, ...]) -> Callable[[float], str]:
    def text(value: float) -> str:
        index = 0
        while abs(value) >= 999.5 and index < len(units) - 1:
            value, index = value / 1000, index + 1
        digits = 0 if index == 0 or abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
        return number(f"{value:.{digits}f} {units[index]}".rstrip())

    return text


_plain, _sized = _scaled(("", "k", "M", "G", "T")), _scaled(("B", "kB", "MB", "GB"))


def _heading(column: Column) -> str:
    """A column's heading in the user's language."""
    words = {
        "output": _("output"),
        "parameters": _("parameters"),
        "FLOPs": _("FLOPs"),
        "receptive field": _("receptive field"),
        "time": _("time"),
        "memory": _("memory"),
    }
    return words[column.heading]


def _count(value: int | None) -> str:
    return "?" if value is None else "–" if value == 0 else _plain(value)


def _bytes(value: int) -> str:
    return _sized(value)


def _time(seconds: float) -> str:
    if math.isnan(seconds):
        return "?"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return number(f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s")


COLUMNS = (
    Column(heading="output", text=lambda cost: " × ".join(map(str, cost.shape or ())), width=1.5),
    Column(heading="parameters", text=lambda cost: _count(cost.parameters), silent=True, width=0.9),
    Column(heading="FLOPs", text=lambda cost: _count(cost.flops), share=lambda cost: cost.flops),
    Column(
        heading="receptive field",
        text=lambda cost: "" if cost.receptive_field is None else str(cost.receptive_field),
        width=1,
    ),
    Column(heading="time", text=lambda cost: _time(cost.seconds), share=lambda cost: cost.seconds),
    Column(heading="memory", text=lambda cost: _bytes(cost.bytes)),
)
