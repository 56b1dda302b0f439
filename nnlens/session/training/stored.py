"""A watched training on disk, beside its checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from nnlens.kernels.training import Checkpoints, History
from nnlens.recording.record import unwrapped
from nnlens.utils.files import replacing

_FORMAT = 1
_FILE = "history.json"


def write_history(folder: Path, history: History, **about: Any) -> None:
    """Write the history with what else is known of the training."""
    data = {"format": _FORMAT, "history": history.as_json(), **about}
    with replacing(folder / _FILE) as file:
        file.write(json.dumps(data).encode())


def read_history(folder: Path) -> tuple[History, dict[str, Any]]:
    """The history, and what else was written with it; ValueError for a folder without one."""
    try:
        data = json.loads((folder / _FILE).read_text("utf-8"))
        known = data["format"]
        if known == _FORMAT:
            return History.from_json(data["history"]), data
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"folder must hold a watched training, got {str(folder)!r}: {error}") from error
    raise ValueError(f"folder must hold a training of format {_FORMAT}, got format {known!r}")


def empty_folder(folder: str | Path) -> Path:
    """The folder as a path; ValueError where something is in it."""
    path = Path(folder).expanduser()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"folder must be empty or not exist, got {str(folder)!r}")
    return path


def check_weights(checkpoints: Checkpoints, model: nn.Module, trained: str) -> None:
    """Raise ValueError where the checkpoints are not of such a model."""
    steps = checkpoints.steps
    if not steps:
        return
    stored, own = checkpoints.load(steps[-1]), unwrapped(model).state_dict()
    if {name: item.shape for name, item in stored.items()} != {name: item.shape for name, item in own.items()}:
        raise ValueError(
            f"lens must be of a model with the same weights as the {trained} that was trained, got a "
            f"{type(model).__name__}"
        )
