"""An input, its class scores and what they mean, as payloads for the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from nnlens.inputs import Input
from nnlens.inputs.trace import Trace
from nnlens.recording import Recording
from nnlens.scores.meaning import ScoreMeaning, Task
from nnlens.utils.language import _

from . import payloads
from .picture import encoded


def finite(value: Any) -> Any:
    """A payload without NaN and infinity, which JSON cannot hold: null instead."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def scores_payload(classes: list[int], probabilities: np.ndarray, logits: np.ndarray) -> payloads.Scores:
    """The scores of some classes of one image."""
    return {
        "classes": classes,
        "probability": [float(probabilities[index]) for index in classes],
        "logit": [float(logits[index]) for index in classes],
    }


def scores_of_several_payload(meaning: ScoreMeaning, rows: np.ndarray, classes: list[int]) -> payloads.ScoresOfSeveral:
    """The scores (n, classes) of several images: for each of `classes` a list over the images."""
    shares, logits = (meaning.of(torch.from_numpy(rows), kind).numpy() for kind in ("probability", "logit"))
    tops = rows.argmax(1)
    return {
        "classes": classes,
        "probability": finite(shares[:, classes].T.tolist()),
        "logit": finite(logits[:, classes].T.tolist()),
        "top": tops.tolist(),
        "top_probability": finite(shares[np.arange(len(rows)), tops].tolist()),
    }


def scores_with_top_payload(meaning: ScoreMeaning, row: np.ndarray, classes: list[int]) -> payloads.ScoresWithTop:
    """The scores (1, classes) of one image, and its best class."""
    several = scores_of_several_payload(meaning, row, classes)
    return {
        "classes": classes,
        "probability": [values[0] for values in several["probability"]],
        "logit": [values[0] for values in several["logit"]],
        "top": several["top"][0],
        "top_probability": several["top_probability"][0],
    }


def meaning_payload(
    meaning: ScoreMeaning | None, problem: str, count: int
) -> payloads.Meaning | payloads.UnreadMeaning:
    """What `count` scores mean, and which other tasks they could be of; or why they cannot be read."""
    if meaning is None:
        return {"problem": problem}
    last: Task = "binary" if count == 1 or meaning.both else "multiclass"
    tasks: list[Task] = ["multilabel", "regression", last]
    return {
        "task": meaning.task,
        "averaged": meaning.averaged,
        "tasks": sorted(tasks),
        "logits": bool(meaning.logits),
        "noun": meaning.noun,
        "unit": meaning.unit,
        "words": meaning.describe(),
        "why": _("given") if meaning.why == "given" else meaning.why,
    }


def layer_entries(recording: Recording, first: int = 0) -> list[payloads.LayerEntry]:
    """The operations of a pass from the one at `first` on, and the modules that never ran."""
    ran: list[payloads.LayerEntry] = [
        {"name": op.name, "label": op.label, "kind": op.kind, "module": op.module, "shape": list(op.shape)}
        for op in recording.operations[first:]
    ]
    not_run: list[payloads.LayerEntry] = [{"name": path, "not_run": True} for path in recording.not_run]
    return [*ran, *not_run]


def photo_payload(
    argument: Input, names: Sequence[str] = (), scales: Mapping[str, tuple[float, float, str]] | None = None
) -> payloads.Photo:
    """The picture that stands for an input, and how it became the input.

    `names` are those of its channels, `scales` say what the rows ("h") and columns ("w") of an image stand for.
    """
    small = small_photo_payload(argument)
    made: payloads.Photo = {
        "data": small["data"],
        "width": small["width"],
        "height": small["height"],
        "kind": argument.kind,
        "name": argument.name,
        "path": argument.path,
        "shown_as": "; ".join((argument.shown_as, *argument.notes)),
        "notes": list(argument.notes),
    }
    if "shown" in small:
        made["shown"] = small["shown"]
    trace = argument.trace
    if trace is not None:
        made["data"] = b""  # it is drawn there
        made["trace"] = trace_payload(trace)
    if names:
        made["channel_names"] = list(names)
    if scales and argument.kind == "image":
        if "h" in scales:
            made["row_scale"] = scales["h"]
        if "w" in scales:
            made["column_scale"] = scales["w"]
    if argument.rate is not None:
        made["rate"] = argument.rate
    return made


def trace_payload(trace: Trace) -> payloads.Trace:
    """A signal as lines, drawn in the browser."""
    channels, columns = trace.low.shape
    return {
        "channels": channels,
        "columns": columns,
        "low": trace.low.tobytes(),
        "high": trace.high.tobytes(),
        "range": trace.range,
        "bars": trace.bars,
    }


def small_photo_payload(argument: Input) -> payloads.RowPhoto:
    """The picture alone."""
    made: payloads.RowPhoto = {
        "data": encoded(argument.shown),
        "width": argument.shown.size[0],
        "height": argument.shown.size[1],
    }
    if argument.is_row:
        made["shown"] = list(argument.shown.size)
        made["height"], made["width"] = argument.x.shape[2:]
    return made
