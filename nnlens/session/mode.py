"""Live or static: whether a widget has a kernel to talk to."""

from __future__ import annotations

import os
import sys
from typing import Any, Literal, cast

Mode = Literal["live", "static"]

_chosen: Mode | None = None


def set_mode(mode: Mode | None) -> None:
    """Make all widgets "live" or "static" from now on; None detects it from the client (the default).

    The environment variable NNLENS_MODE does the same. A client that executes without a person (nbconvert,
    papermill) declares that it takes no input: there widgets are static, pages that need no kernel.
    """
    if mode not in ("live", "static", None):
        raise ValueError(f'mode must be "live", "static" or None, got {mode!r}')
    global _chosen
    _chosen = mode


def chosen_mode() -> Mode | None:
    """The mode that was set, or None."""
    if _chosen is not None:
        return _chosen
    wanted = os.environ.get("NNLENS_MODE", "")
    if wanted not in ("live", "static", ""):
        raise ValueError(f'NNLENS_MODE must be "live" or "static", got {wanted!r}')
    return cast(Mode, wanted) if wanted else None


def is_static() -> bool:
    """Whether widgets are to be made without a kernel behind them."""
    if (chosen := chosen_mode()) is not None:
        return chosen == "static"
    if "IPython" not in sys.modules:
        return False
    kernel: Any = getattr(sys.modules["IPython"].get_ipython(), "kernel", None)
    try:
        return kernel.get_parent("shell")["content"]["allow_stdin"] is False
    except (AttributeError, KeyError, TypeError):
        return False
