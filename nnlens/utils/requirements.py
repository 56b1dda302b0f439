"""The versions of other packages that nnlens needs, and which of them are installed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version

TORCH = (2, 6)  # torch.compiler.set_stance; torch.OutOfMemoryError needs 2.5
DISTRIBUTION = "nnlens-jupyter"


def check_torch(installed: str) -> None:
    """Raise ImportError for a PyTorch that is too old: otherwise a pass would fail with a missing attribute."""
    numbers = re.match(r"(\d+)\.(\d+)", installed)
    if numbers and (int(numbers[1]), int(numbers[2])) < TORCH:
        wanted = ".".join(map(str, TORCH))
        raise ImportError(f"nnlens needs PyTorch {wanted} or newer, got {installed}: pip install -U torch")


def installed_version(name: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def required() -> dict[str, list[str]]:
    """The packages that nnlens requires, as its own metadata names them: "" → the core's, extra → its own.

    Those whose condition does not hold on this Python are left out.
    """
    result: dict[str, list[str]] = {"": []}
    for line in requires(DISTRIBUTION) or ():
        requirement, _, marker = line.partition(";")
        name = re.match(r"[\w.-]+", requirement.strip())
        extra = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", marker)
        if name and _holds(marker):
            result.setdefault(extra[1] if extra else "", []).append(name[0])
    return result


def _holds(marker: str) -> bool:
    """Whether a condition on the Python version holds; others are taken to hold."""
    import sys

    bound = re.search(r"python_version\s*(>=|<)\s*['\"](\d+)\.(\d+)['\"]", marker)
    if bound is None:
        return True
    newer = sys.version_info[:2] >= (int(bound[2]), int(bound[3]))
    return newer if bound[1] == ">=" else not newer
