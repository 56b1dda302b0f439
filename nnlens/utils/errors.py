"""Errors in words."""

from __future__ import annotations

import re


def reason(error: BaseException) -> str:
    """What went wrong, without the addresses of objects, which differ from run to run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(error)) or type(error).__name__
