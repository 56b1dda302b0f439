"""The arrows of the house go one way."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "nnlens"
# Each room may import from those before it, and from itself.
ORDER = ["files", "names", "labels", "kept", "recording", "work", "kernels", "inputs", "datasets", "selection"]
ORDER += ["collection", "comparison", "zoo"]
ORDER += ["render", "export", "widgets", "lens", "evaluation", "cli"]
# The door opens the widgets, when it is asked to; a widget knows its lens by name only.
LATE = {("lens", "widgets"), ("widgets", "lens"), ("export", "widgets")}


def imports(path: Path, *, top_level: bool) -> set[str]:
    """The rooms of nnlens that a file imports."""
    depth = len(path.relative_to(PACKAGE).parts) - 1
    found = set()
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = (node.module or "").split(".")
            if node.level == depth + 1:
                found |= {parts[0]} if parts[0] else {alias.name for alias in node.names}
            elif node.level == 1 and depth == 1:
                found.add(path.parent.name)
    return found & set(ORDER)


def test_nothing_later_is_imported_by_anything_earlier():
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for other in imports(path, top_level=True):
            assert ORDER.index(other) <= ORDER.index(room), f"{path.name} ({room}) imports {other}"
        for other in imports(path, top_level=False):
            allowed = ORDER.index(other) <= ORDER.index(room) or (room, other) in LATE
            assert allowed, f"{path.name} ({room}) imports {other}"


def test_no_device_and_no_network_is_wired_in():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"\.cuda\(|\.to\(.cuda|urllib|import requests|http\.client", text), path
        assert not re.search(r"(?<![.\w])eval\(|(?<![.\w])exec\(|pickle", text), path


def test_what_is_built_stays_small():
    sizes = {path.name: path.stat().st_size for path in (PACKAGE / "static").glob("*.js")}
    assert sizes.pop("explorer.js") < 60_000
    assert sizes.pop("unit.js") < 60_000  # all parts of the card
    assert sizes.pop("attribution.js") < 48_000
    assert all(size < 42_000 for size in sizes.values()), sizes
