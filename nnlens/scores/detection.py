"""Detecting what a model's scores mean, from the end of its recorded pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor

from nnlens.recording import Operation, Recording, Source
from nnlens.utils.language import _

from .meaning import Output, Pick, ScoreMeaning, Task, is_distribution, pick_output

_SIGMOIDS = {"sigmoid", "hardsigmoid", "expit"}
_SOFTMAXES = {"softmax", "softmin", "gumbel_softmax"}
# They leave the meaning of each number as it is.
_FOLLOWED = {"mean", "dropout", "clamp", "clip", "nan_to_num", "avg_pool2d", "adaptive_avg_pool2d", "avg_pool1d",
             "adaptive_avg_pool1d", "adaptive_avg_pool3d", "interpolate"}  # fmt: skip
_UNBOUNDED = {"linear", "convolution", "normalisation", "recurrent"}
_DIVISIONS = {"div", "true_divide", "reciprocal"}


def detect_meaning(
    output: Any,
    recording: Recording | None = None,
    *,
    pick: Pick = None,
    task: Task | None = None,
    logits: bool | None = None,
    names: int | None = None,
    unit: str = "",
) -> ScoreMeaning:
    """What the scores in a model's `output` for one input mean.

    A softmax, log-softmax or sigmoid at the end of the recorded pass decides. Otherwise several scores are the logits
    of one class, unless they add up to one, or come from a division by a computed value (as in a hand-written sigmoid)
    and
    lie between 0 and 1; one score is a quantity, unless there are names for two classes.

    Parameters
    ----------
    output
        What the model returned for one input.
    recording : Recording, optional
        The pass that returned it.
    pick : str, int or callable, optional
        Which of several outputs holds the scores; by default see `pick_output`, and where `names` fits only one of
        them, that one.
    task, logits, unit : optional
        What is known of it already: see `ScoreMeaning`. Scores with a unit are quantities, unless `task` disagrees.
    names : int, optional
        How many classes have a name.
    """
    known_meaning = getattr(pick, "meaning", None)  # of a function of `nnlens.outputs`
    if isinstance(known_meaning, ScoreMeaning) and task is None and logits is None:
        return (
            replace(known_meaning, unit=unit or known_meaning.unit)
            if known_meaning.task == "regression"
            else known_meaning
        )
    if pick is None and names is not None:
        pick = _by_names(output, names)
    raw = pick_output(output, pick)
    # As far as it is readable; `read` raises the error.
    strange = raw.layout is not torch.strided or raw.is_complex() or raw.device.type == "meta" or not raw.numel()
    scores = torch.zeros(1, 2) if strange else (raw.dequantize() if raw.is_quantized else raw).detach().float()
    scores = scores.reshape(1, -1) if scores.ndim < 2 else scores
    single, axes = scores.shape[1] == 1, max(0, scores.ndim - 2)
    end = None if recording is None else _end(recording, raw)
    certain = None if end is None else _from_end(end, single)
    # The result of a linear operation is unbounded, even if its values look like probabilities.
    source = None if end is None else _behind_constants(recording, end)
    bounded = source is None or source.kind not in _UNBOUNDED
    inside = (source is None or _divides(source)) and bool(((scores >= 0) & (scores <= 1)).all())
    adds_up = bounded and not single and is_distribution(scores.movedim(1, -1))
    result, known, why = certain or _from_values(single, axes, names, inside, adds_up, end)
    if unit and task is None:
        result, known, why = "regression", False, _("the scores have a unit")
    if task is not None:
        _check_task(task, scores.shape[1])
        if certain is None:
            known = not (adds_up if task == "multiclass" else inside)
        result, why = task, "given"
    if logits is not None:
        known, why = bool(logits), "given"
    both = result == "binary" and single and names == 2
    unit = unit if result == "regression" else ""
    return ScoreMeaning(
        task=result, logits=known and result != "regression", output=pick, both=both, axes=axes, unit=unit, why=why
    )


def _check_task(task: Any, scores: int) -> None:
    if task not in get_args(Task):
        raise ValueError(f"task must be one of {', '.join(get_args(Task))}, got {task!r}")
    if task == "binary" and scores > 1:
        raise ValueError(
            f"task must not be 'binary' for a model with {scores} scores: use 'multiclass' for several classes"
        )
    if task == "multiclass" and scores == 1:
        raise ValueError("task must not be 'multiclass' for a model with one score: use 'binary'")


def _from_values(
    single: bool, axes: int, names: int | None, inside: bool, adds_up: bool, end: Operation | None
) -> tuple[Task, bool, str]:
    """Task, whether the scores are logits, and why, where the end of the pass does not decide."""
    if adds_up:
        return "multiclass", False, _("the scores add up to 1")
    if single and (names == 2 or axes):
        return "binary", not inside, _("one score and two names") if names == 2 else _("one score for each place")
    if single:
        return "regression", False, _("one score, with no sigmoid after it")
    if inside and end is not None:
        return "multilabel", False, _("the scores lie between 0 and 1 and do not add up to 1")
    return "multiclass", True, _("several scores, with no softmax or sigmoid after them")


def meaning_of(output: Output, returned: Any, recording: Recording | None = None) -> ScoreMeaning:
    """The meaning that a kernel was given as its `output`, or else the one that is detected."""
    if isinstance(output, ScoreMeaning):
        return output
    return detect_meaning(returned, recording, pick=output)


def _by_names(output: Any, names: int) -> Pick:
    """The one output that has as many scores as there are names, where the choice is open."""
    items: list[tuple[Any, Any]] = []
    if isinstance(output, Mapping) and not {"logits", "out"} & set(output):
        items = list(output.items())
    elif isinstance(output, (tuple, list)):
        items = list(enumerate(output))
    tensors = [(key, item) for key, item in items if isinstance(item, Tensor)]
    fitting = [key for key, item in tensors if item.ndim >= 2 and item.shape[1] == names]
    return fitting[0] if len(tensors) > 1 and len(fitting) == 1 else None


def _end(recording: Recording, scores: Tensor) -> Operation | None:
    """The operation that decided what the scores mean: the last one that is more than a change of shape."""
    operation = recording.maker_of(scores)
    while operation is not None and (operation.kind == "reshape" or operation.op in _FOLLOWED):
        sources = [source.name for source in operation.sources if source.name is not None]
        if len(sources) != 1 or sources[0] not in recording:
            return operation
        operation = recording.operation(sources[0])
    return operation


def _of_input(operation: Operation) -> list[str]:
    """The operations whose results an operation reads (not parameters and constants)."""
    return [source.name for source in operation.sources if source.name is not None]


def _behind_constants(recording: Recording | None, operation: Operation) -> Operation:
    """The operation before scalings and shifts by constants, such as `x / temperature + bias`."""
    scaling = ("add", "sub", "mul", "div", "true_divide", "neg", "sum")
    while recording is not None and operation.op in scaling and not _divides(operation):
        sources = _of_input(operation)
        if len(sources) != 1 or sources[0] not in recording:
            break
        operation = recording.operation(sources[0])
        while operation.kind == "reshape" and len(inputs := _of_input(operation)) == 1 and inputs[0] in recording:
            operation = recording.operation(inputs[0])
    return operation


def _divides(operation: Operation) -> bool:
    """Whether an operation divides by something computed from the input, as hand-written sigmoids and softmaxes do."""
    if operation.op not in _DIVISIONS:
        return False
    # `1 / x` is called with x first.
    turned = operation.op == "reciprocal" or getattr(operation.function, "__name__", "") in ("__rdiv__", "__rtruediv__")
    below = operation.argument(0 if turned else 1, "input" if turned else "other")
    return isinstance(below, Source) and below.name is not None


def _from_end(end: Operation, single: bool) -> tuple[Task, bool, str] | None:
    """Task, whether the scores are logits, and why; None where the last operation does not decide."""
    why = _("the pass ends in {operation}", operation=end.op)
    if end.op in _SIGMOIDS:
        return ("binary" if single else "multilabel"), False, why
    if end.op in _SOFTMAXES:
        return ("binary" if single else "multiclass"), False, why
    return ("multiclass", True, why) if end.op == "log_softmax" and not single else None


def way_to_scores(recording: Recording, meaning: Output = None) -> set[str]:
    """The operations that lie on a path from the model's first input to its scores.

    Empty if it is not known which operation made the scores.
    """
    pick = meaning.output if isinstance(meaning, ScoreMeaning) else meaning
    try:
        last = recording.maker_of(pick_output(recording.output, pick))
    except (TypeError, ValueError):
        return set()
    if last is None:
        return set()
    seeing = {"input"}
    for operation in recording:
        if not seeing.isdisjoint(operation.inputs):
            seeing.add(operation.name)
    result, waiting = {last.name}, [last]
    while waiting:
        for name in waiting.pop().inputs:
            if name in seeing and name not in result and name in recording:
                result.add(name)
                waiting.append(recording.operation(name))
    return result & seeing
