"""What a watched training needs of a session: the inputs that are looked at, and a folder for its checkpoints."""

from __future__ import annotations

import numbers
import shutil
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor

from nnlens.recording import device_of, dtypes_of
from nnlens.session.dataset_search import store_folder
from nnlens.session.session import Session

_IMAGES = 32
_KEPT_RUNS = 4  # in the user's cache
_OPEN = 600.0  # seconds since the last checkpoint, within which a training may go on


def watched_batch(session: Session, images: Any) -> Tensor:
    """The watched inputs as one batch, where the model is."""
    device, dtype = device_of(session.model), dtypes_of(session.model)[0]
    if isinstance(images, Tensor) and (session.setup.preprocess is None or images.is_floating_point()):
        batch = images.detach()[:_IMAGES].to(device)
        batch = batch.to(dtype) if batch.is_floating_point() else batch
    else:
        data = session.setup.dataset(images)
        batch = torch.stack([data[item] for item in range(min(len(data), _IMAGES))])
    if not batch.ndim or not len(batch):
        raise ValueError(f"images must be a batch of at least one input, got {tuple(batch.shape)}")
    return batch.clone()


def checked_numbers(row: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a step without those that are None; tensors stay where they are."""
    result: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Tensor) and value.numel() == 1:
            result[name] = value.detach()
        elif isinstance(value, numbers.Real):
            result[name] = value
        elif value is not None:
            raise TypeError(f"{name} must be a number or a tensor of one number, got {value!r}")
    return result


def run_folder() -> Path:
    """A new folder in the user's cache; the oldest of earlier ones are removed, unless one was written a moment ago."""
    base = store_folder() / "training"
    base.mkdir(parents=True, exist_ok=True)
    runs = sorted((path for path in base.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in runs[: max(0, len(runs) - _KEPT_RUNS + 1)]:
        if time.time() - old.stat().st_mtime > _OPEN:  # else another kernel may be training
            shutil.rmtree(old, ignore_errors=True)
    return base / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{uuid4().hex[:6]}"
