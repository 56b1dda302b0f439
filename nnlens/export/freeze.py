"""Notebooks that were run live, made to stand without a kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .bundle import MARK

_VIEW = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"


def freeze_notebook(notebook: dict[str, Any]) -> int:
    """Freeze the notebook (as JSON) in place: nnlens's outputs lose their live view, and its models their state.

    Other packages' widgets keep both. Returns how many outputs changed; a second time it is 0.
    """
    changed, ours = 0, set()
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            page = data.get("text/html", "")
            page = "".join(page) if isinstance(page, list) else page
            if _VIEW in data and f'class="{MARK}"' in page:
                view = data.pop(_VIEW)
                ours.add(view.get("model_id") if isinstance(view, dict) else None)
                changed += 1
    _forget_models(notebook.get("metadata", {}), ours)
    return changed


def _forget_models(metadata: dict[str, Any], ours: set[Any]) -> None:
    """Remove nnlens's models, and the layouts that only they use, from the saved widget state."""
    widgets = metadata.get("widgets")
    if widgets is None:
        return
    bundle = widgets.get(_STATE) if isinstance(widgets, dict) else None
    state = bundle.get("state") if isinstance(bundle, dict) else None
    if not isinstance(state, dict):
        del metadata["widgets"]  # malformed: GitHub and nbconvert refuse the notebook for it
        return
    gone = {
        key
        for key, model in state.items()
        if key in ours or str(model.get("state", {}).get("_anywidget_id", "")).startswith("nnlens.")
    }
    used = json.dumps([model for key, model in state.items() if key not in gone])
    # A view inside another package's box stays: the box would point at nothing.
    gone = {key for key in gone if f"IPY_MODEL_{key}" not in used}
    used = json.dumps([model for key, model in state.items() if key not in gone])
    for key in list(gone):
        for value in state[key].get("state", {}).values() if key in state else ():
            if isinstance(value, str) and value.startswith("IPY_MODEL_") and value not in used:
                gone.add(value.removeprefix("IPY_MODEL_"))
    for key in gone:
        state.pop(key, None)
    if not state:
        del metadata["widgets"]


def freeze(path: str | Path, to: str | Path | None = None) -> int:
    """Freeze the notebook file `path`, in place or into `to`. Returns how many outputs changed."""
    path = Path(path)
    try:
        notebook = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"path must be a notebook that exists, got {str(path)!r}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"path must be a notebook, but {path.name} is no JSON: {error}") from None
    if not isinstance(notebook, dict) or "cells" not in notebook:
        raise ValueError(f"path must be a notebook of format 4, but {path.name} has no cells")
    before = json.dumps(notebook)
    changed = freeze_notebook(notebook)
    if to is not None or json.dumps(notebook) != before:
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        Path(to or path).write_text(text, "utf-8")
    return changed
