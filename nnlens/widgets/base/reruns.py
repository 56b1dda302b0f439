"""Closing the views of a cell when it is run again."""

from __future__ import annotations

import sys
from typing import Any, Protocol
from weakref import ref


class Closable(Protocol):
    """A view."""

    def close(self) -> None: ...


# The id of a cell → the run that made its views, and these.
_made: dict[str, tuple[str, list[ref[Closable]]]] = {}


def replaces_earlier_runs(view: Closable) -> None:
    """Close the views that earlier runs of the current cell made.

    Their output is gone, and ipywidgets would keep them, with all their data, as long as the kernel runs.
    """
    cell, run = _running_cell()
    if not cell:
        return
    before, views = _made.get(cell, (run, []))
    if before != run:
        for known in views:
            earlier = known()
            if earlier is not None:
                earlier.close()
        views = []
    _made[cell] = run, [*views, ref(view)]


def _running_cell() -> tuple[str, str]:
    """The id of the notebook cell that runs, and of this run of it; empty where there is none."""
    if "IPython" not in sys.modules:
        return "", ""
    kernel: Any = getattr(sys.modules["IPython"].get_ipython(), "kernel", None)
    try:
        parent = kernel.get_parent("shell")
        return str(parent["metadata"].get("cellId") or ""), str(parent["header"]["msg_id"])
    except (AttributeError, KeyError, TypeError):
        return "", ""
