"""Widgets beyond the kernel: outputs that stay interactive, frozen notebooks, single pages."""

from .freeze import freeze
from .mode import set_mode

__all__ = ["freeze", "set_mode"]
