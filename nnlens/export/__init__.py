"""Widgets without a kernel: outputs that stay interactive, frozen notebooks, single pages."""

from nnlens.session.mode import set_mode

from .freeze import freeze

__all__ = ["freeze", "set_mode"]
