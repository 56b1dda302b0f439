"""Errors in words."""

from __future__ import annotations

import platform
import re
from contextvars import ContextVar

# Whether this is done for a notebook on another machine, perhaps, whose files may not be here.
for_another_machine: ContextVar[bool] = ContextVar("for_another_machine", default=False)


def reason(error: BaseException) -> str:
    """What went wrong, without the addresses of objects, which differ from run to run."""
    where = ""
    if isinstance(error, FileNotFoundError) and for_another_machine.get():
        where = f" (on {platform.node()}, where a worker runs: workers open files by the same paths)"
    return (re.sub(r" at 0x[0-9a-fA-F]+", "", str(error)) or type(error).__name__) + where
