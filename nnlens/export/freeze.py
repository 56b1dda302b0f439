"""Making the outputs of live notebooks work without a kernel."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from pathlib import Path
from typing import Any

from nnlens.utils.files import replacing

from .bundle import BUDGET, MARK, pack, unpack

_VIEW = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"
_PACKED = re.compile(r'(<script type="text/plain">)([A-Za-z0-9+/=]+)(</script>)')
# Traits that only matter while a kernel runs, or that belong to the page.
_LEFT = {"error", "upload", "busy", "stale", "read_as", "cancel", "resume", "refresh", "progress", "stopped", "check"}


def freeze_notebook(notebook: dict[str, Any]) -> int:
    """Freeze the notebook (as JSON) in place: nnlens's outputs lose their live view, and its models their state.

    If the notebook was saved with its widgets' state, each page shows what its view showed last: the selection,
    the map as far as it was computed, the examples that were found. Otherwise it stays as it was when the cell ran.
    Other packages' widgets keep both. Widget state that Colab wrote, one nesting level short, is normalised. Returns
    how many outputs changed; a second time it is 0.

    Raises
    ------
    ValueError
        If the notebook does not conform to format 4; the message says where.
    """
    changed, ours = 0, set()
    states = _models(_expect(notebook.get("metadata", {}), dict, "metadata"))
    for number, cell in enumerate(_expect(notebook.get("cells", []), list, "cells")):
        _expect(cell, dict, f"cells[{number}]")
        outputs = _expect(cell.get("outputs", []), list, f"cells[{number}].outputs")
        for index, output in enumerate(outputs):
            where = f"cells[{number}].outputs[{index}]"
            data = _expect(_expect(output, dict, where).get("data", {}), dict, f"{where}.data")
            page = data.get("text/html", "")
            page = "".join(map(str, page)) if isinstance(page, list) else page
            if _VIEW in data and isinstance(page, str) and f'class="{MARK}"' in page:
                view = data.pop(_VIEW)
                model = view.get("model_id") if isinstance(view, dict) else None
                ours.add(model)
                changed += 1
                if model in states:
                    data["text/html"] = _renewed(page, states[model])
    _forget_models(_expect(notebook.get("metadata", {}), dict, "metadata"), ours)
    return changed


def _expect(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{where} must be a {kind.__name__} in a notebook of format 4, got {type(value).__name__}")
    return value


def _models(metadata: dict[str, Any]) -> dict[str, Any]:
    """The saved models of all widgets, by their ids."""
    widgets = metadata.get("widgets")
    bundle = widgets.get(_STATE) if isinstance(widgets, dict) else None
    state = bundle.get("state", bundle) if isinstance(bundle, dict) else None
    return {key: model for key, model in state.items() if _is_model(model)} if isinstance(state, dict) else {}


def _renewed(page: str, model: dict[str, Any]) -> str:
    """A page with the state that its view had when the notebook was saved; unchanged if that state does not fit."""
    result = _PACKED.search(page)
    if result is None:
        return page
    try:
        content = unpack(base64.b64decode(result[2]))
        saved = {key: value for key, value in model["state"].items() if key in content["state"] and key not in _LEFT}
        for buffer in model.get("buffers") or ():
            first, *path = buffer["path"]
            if first in saved:
                _put(saved, [first, *path], base64.b64decode(buffer["data"]))
        content["state"] |= saved
        packed = base64.b64encode(pack(content)).decode()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, zlib.error, binascii.Error):
        return page
    renewed = page[: result.start(2)] + packed + page[result.end(2) :]
    return renewed if len(renewed) <= max(BUDGET, len(page)) else page


def _put(nest: Any, path: list[Any], value: Any) -> None:
    for step in path[:-1]:
        nest = nest[step]
    nest[path[-1]] = value


def _forget_models(metadata: dict[str, Any], ours: set[Any]) -> None:
    """Remove nnlens's models, and the layouts that only they use, from the saved widget state."""
    widgets = metadata.get("widgets")
    if widgets is None:
        return
    bundle = widgets.get(_STATE) if isinstance(widgets, dict) else None
    if isinstance(bundle, dict) and "state" not in bundle and all(map(_is_model, bundle.values())):
        bundle = widgets[_STATE] = {"version_major": 2, "version_minor": 0, "state": bundle}
    state = bundle.get("state") if isinstance(bundle, dict) else None
    if not isinstance(state, dict) or not all(isinstance(model, dict) for model in state.values()):
        del metadata["widgets"]  # malformed: GitHub and nbconvert refuse the notebook for it
        return
    gone = {
        key
        for key, model in state.items()
        if key in ours or (_is_model(model) and str(model["state"].get("_anywidget_id", "")).startswith("nnlens."))
    }
    used = json.dumps([model for key, model in state.items() if key not in gone])
    # A view inside another package's box is kept: without it the box would refer to nothing.
    gone = {key for key in gone if f"IPY_MODEL_{key}" not in used}
    used = json.dumps([model for key, model in state.items() if key not in gone])
    for key in list(gone):
        for value in state[key]["state"].values() if _is_model(state.get(key)) else ():
            if isinstance(value, str) and value.startswith("IPY_MODEL_") and value not in used:
                gone.add(value.removeprefix("IPY_MODEL_"))
    for key in gone:
        state.pop(key, None)
    if not state:
        del metadata["widgets"]


def _is_model(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("state"), dict)


def freeze(path: str | Path, to: str | Path | None = None) -> int:
    """Freeze the notebook file `path`, in place or into `to`. Returns how many outputs changed.

    The file is replaced only when the new one is complete; after an error it is unchanged.

    Raises
    ------
    FileNotFoundError, ValueError
        If `path` is not an existing notebook of format 4.
    OSError
        Where the file cannot be read or written.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"path must be a notebook, but {str(path)!r} is a folder")
    try:
        notebook = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise FileNotFoundError(f"path must be a notebook that exists, got {str(path)!r}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"path must be a notebook, but {path.name} is not valid JSON: {error}") from None
    if not isinstance(notebook, dict) or "cells" not in notebook:
        raise ValueError(f"path must be a notebook of format 4, but {path.name} has no cells")
    before = json.dumps(notebook)
    try:
        changed = freeze_notebook(notebook)
    except ValueError as error:
        raise ValueError(f"path must be a notebook, but {path.name} is malformed: {error}") from None
    if to is not None or json.dumps(notebook) != before:
        with replacing(to or path) as file:
            file.write(_encoded(notebook))
    return changed


def _encoded(notebook: dict[str, Any]) -> bytes:
    try:
        return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair is legal in JSON, where it is written as an escape, and not in UTF-8.
        return (json.dumps(notebook, indent=1) + "\n").encode()
