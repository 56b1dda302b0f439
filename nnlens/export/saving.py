"""Writing a view to a file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from nnlens.utils.files import replacing

from .bundle import BUDGET, Exported, page


def save(view: Exported, path: str | Path, *, title: str, text: str) -> Path:
    """Write `view` to `path`, a page (.html) or a picture (.png); see `View.save`."""
    for name, value in (("title", title), ("text", text)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a string, got {type(value).__name__}")
    if not isinstance(path, (str, Path)):
        raise TypeError(f"path must be a string or a Path, got {type(path).__name__}")
    path = Path(path)
    if path.suffix.lower() not in (".html", ".png"):
        raise ValueError(f"path must end in .html or .png, got {str(path)!r}")
    view.complete()
    if path.suffix.lower() == ".html":
        made = page(view, budget=BUDGET, title=title or view.title(), heading=title, text=text).encode()
    else:
        buffer = BytesIO()
        view.picture().save(buffer, "PNG")
        made = buffer.getvalue()
    with replacing(path) as file:
        file.write(made)
    return path
