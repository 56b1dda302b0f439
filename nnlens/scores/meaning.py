"""Reading one row of class scores per input from a model's output, and their meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from nnlens.utils.language import _

Pick = str | int | Callable[[Any], Tensor] | None
ScoreKind = Literal["probability", "logit"]
Task = Literal["multiclass", "multilabel", "binary", "regression"]
Position = tuple[int, ...] | np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class ScoreMeaning:
    """What a model's output means: which part of it holds the scores, and how these become probabilities.

    Kernels accept it as `output`, instead of the name of an output; by default they use `kernels.detect_meaning`. The
    names of the tasks are those of torchmetrics.

    Attributes
    ----------
    task : "multiclass", "multilabel", "binary" or "regression"
        One class is right (softmax); each class is there or not (sigmoid); the one score says yes or no (sigmoid);
        the scores are quantities, which are shown as they are.
    logits : bool
        Whether the softmax or sigmoid has yet to be applied. False where the model gives probabilities, and for
        quantities.
    output : str, int or callable, optional
        Which of several outputs holds the scores.
    both : bool
        Read the one score of a binary model as two classes: "no" with 1 − p, and "yes" with p.
    axes : int
        How many axes the output has after that of its classes: 2 for a score per pixel.
    position : tuple of int, bool array or None
        What is read from such a map: the scores at (row, column); their sum over a region, as returned by the model; or
        the mean over all places.
    average : "probabilities" or "scores"
        What is averaged over all places, where there is a softmax or sigmoid: by default each place's
        probabilities; or the scores, as gradients are usually taken.
    unit : str
        Of quantities: "years". Only a regression has one.
    why : str
        How this was detected, in words.
    """

    task: Task
    logits: bool = True
    output: Pick = None
    both: bool = False
    axes: int = 0
    position: Position = field(default=None, compare=False)
    average: Literal["probabilities", "scores"] = "probabilities"
    unit: str = ""
    why: str = field(default="given", compare=False)
    _place: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise ValueError(f"task must be one of {', '.join(get_args(Task))}, got {self.task!r}")
        if self.task == "regression" and self.logits:
            object.__setattr__(self, "logits", False)
        if self.both and self.task != "binary":
            raise ValueError(
                f"both must be False for the task {self.task!r}: it is for the one score of a binary model"
            )
        if self.unit and self.task != "regression":
            raise ValueError(f"unit must be left out for the task {self.task!r}: only quantities have one")
        # Arrays cannot be compared with ==.
        region = self.position if isinstance(self.position, np.ndarray) else None
        known = self.position if region is None else (region.shape, region.tobytes())
        object.__setattr__(self, "_place", known)

    @property
    def sums(self) -> bool:
        """Whether the scores are sums over a region: quantities, whatever the task."""
        return isinstance(self.position, np.ndarray)

    @property
    def averaged(self) -> bool:
        """Whether the scores are means over the places of a map of each place's probabilities."""
        return self.axes > 0 and self.position is None and self.average == "probabilities" and self.task != "regression"

    @property
    def transform(self) -> Literal["softmax", "sigmoid", ""]:
        """The function that still has to be applied to the scores of `read`."""
        if not self.logits or self.sums or self.averaged:
            return ""
        return "softmax" if self.task == "multiclass" else "sigmoid"

    @property
    def noun(self) -> str:
        """What the numbers are called: "probability", "value", or "sum" over a region."""
        return "sum" if self.sums else "value" if self.task == "regression" else "probability"

    def read(self, output: Any, count: int | None = None) -> Tensor:
        """One row of scores per input (n, classes), float32, with a gradient where the output has one.

        `count` is how many inputs the model was given, where that is known.
        """
        scores = _rows(pick_output(output, self.output), count)
        if scores.ndim > 2:
            scores = self._of_map(scores)
        if self.both:
            whole = (
                float(self.position.sum()) if isinstance(self.position, np.ndarray) else 1.0
            )  # what probabilities of both sides add up to
            scores = torch.cat([-scores if self._gives_logits else whole - scores, scores], 1)
        return scores

    @property
    def _gives_logits(self) -> bool:
        """Whether the rows that `read` makes are logits, or sums of logits."""
        return self.logits if self.sums else bool(self.transform)

    def _of_map(self, scores: Tensor) -> Tensor:
        if self.position is None:
            logits = self.logits and self.average == "probabilities"
            return _probabilities(scores, self.task, logits, 1).flatten(2).mean(2)
        sizes = tuple(scores.shape[2:])
        if isinstance(self.position, np.ndarray):
            region = torch.as_tensor(self.position, device=scores.device).to(scores.dtype)
            if tuple(region.shape) != sizes:
                raise ValueError(f"target's region must have the output's size {sizes}, got {tuple(region.shape)}")
            return (scores * region).flatten(2).sum(2)
        inside = [0 <= at < size for at, size in zip(self.position, sizes, strict=False)]
        if len(self.position) != len(sizes) or not all(inside):
            raise ValueError(f"target's position must be inside the output's {sizes}, got {self.position}")
        at: Any = (slice(None), slice(None), *self.position)
        return scores[at]

    def probabilities(self, scores: Tensor) -> Tensor:
        """From rows of `read` (…, classes) to probabilities; quantities stay as they are."""
        return _probabilities(scores, self.task, bool(self.transform), -1)

    def log_odds(self, scores: Tensor) -> Tensor:
        """From rows of `read` to logits.

        The scores themselves where they are logits or quantities; otherwise log p of the probabilities, or
        log p/(1 − p) where the classes are independent.
        """
        if self.transform or self.noun != "probability":
            return scores
        return scores.log() if self.task == "multiclass" else torch.logit(scores)

    def of(self, scores: Tensor, kind: ScoreKind) -> Tensor:
        """The scores as probabilities or as logits; see `probabilities` and `log_odds`."""
        check_kind(kind)
        return self.probabilities(scores) if kind == "probability" else self.log_odds(scores)

    def usual(self, kind: ScoreKind) -> ScoreKind:
        """`kind`, or "probability" where the model gives no logits."""
        return kind if self.logits or self.noun != "probability" else "probability"

    def for_kind(self, kind: ScoreKind) -> ScoreMeaning:
        """The meaning with which logits are averaged over a map, where logits are asked for."""
        return replace(self, average="scores") if kind == "logit" and self.axes and self.logits else self

    def at(self, position: Position) -> ScoreMeaning:
        """The same scores at one place, or over one region, of a map."""
        if position is not None and not self.axes:
            raise ValueError("target must be a class: only a model that gives a map of scores has positions")
        return replace(self, position=position)

    def problem(self, scores: Tensor) -> str:
        """What is wrong with one input's scores (classes,); "" if nothing is. Masked classes (−∞) are valid logits."""
        legal = torch.isfinite(scores)
        if self.transform and self.task != "regression":
            legal |= scores == -torch.inf
        if not legal.all():
            return f"NaN or infinity in {int((~legal).sum())} of {scores.numel()} scores"
        if not torch.isfinite(scores).any():
            return f"−∞ in all {scores.numel()} scores"
        if not self.logits and self.noun == "probability" and ((scores < -1e-3) | (scores > 1 + 1e-3)).any():
            return f"scores up to {float(scores.abs().max()):.3g}, which are not probabilities: give logits=True"
        return ""

    def describe(self) -> str:
        """In words: "multiclass: the softmax of the model's scores"."""
        if self.task == "regression":
            words = _("the model's own values")
            if self.unit:
                words += _(", in {unit}", unit=self.unit)
        elif not self.logits:
            words = _("the model gives probabilities")
        elif self.task == "multiclass":
            words = _("the softmax of the model's scores")
        else:
            words = _("the sigmoid of the model's scores")
        if isinstance(self.position, np.ndarray):
            words = _("the sum of the model's scores over {count} places", count=int(self.position.sum()))
        elif self.axes and self.position is not None:
            words += _(", at {position}", position=self.position)
        elif self.axes:
            words += (
                _(", the mean, of the scores, over all places") if self.transform else _(", the mean over all places")
            )
        # One word before the colon: the browser leaves it out where it shows the task.
        return f"{_task_words(self.task)}: {words}"


def _task_words(task: Task) -> str:
    words = {
        "multiclass": _("multiclass"),
        "multilabel": _("multilabel"),
        "binary": _("binary"),
        "regression": _("regression"),
    }
    return words[task]


def score_words(name: str) -> str:
    """A kind of score, or a `ScoreMeaning.noun`, in the user's language."""
    words = {"logit": _("logit"), "probability": _("probability"), "value": _("value"), "sum": _("sum")}
    return words.get(name, name)


def check_kind(kind: Any) -> None:
    """ValueError unless `kind` is "probability" or "logit"."""
    if kind not in get_args(ScoreKind):
        raise ValueError(f'score must be "logit" or "probability", got {kind!r}')


Output = Pick | ScoreMeaning
_MASK = 1e6  # scores of this size stand for "impossible", and are not computed


def largest(scores: Tensor) -> float:
    """The largest magnitude of the scores, for judging rounding errors; masked scores (−∞ or −1e9) do not count."""
    size = scores.detach().abs()
    ordinary = size[torch.isfinite(size) & (size < _MASK)]
    return float(ordinary.max()) if len(ordinary) else 0.0


def apart(entry: Tensor, other: Tensor) -> Tensor:
    """The difference of scores, class by class; 0 for masked scores that are equal."""
    with torch.no_grad():
        same = (entry == other) | ((entry.abs() >= _MASK) & (other.abs() >= _MASK) & (entry.sign() == other.sign()))
        return torch.where(same, 0.0, (entry - other).abs()).nan_to_num(nan=0.0, posinf=torch.finfo(entry.dtype).max)


def pick_output(output: Any, pick: Pick = None) -> Tensor:
    """The tensor among a model's outputs that holds its scores.

    `pick` is a key, an index or a callable; without it `logits`, `out`, the only tensor of a mapping, or the first one
    of a tuple counts.

    Raises
    ------
    ValueError
        If a mapping holds several tensors, and none is called `logits` or `out`.
    """
    if callable(pick):
        chosen = pick(output)
    elif isinstance(pick, int) and isinstance(output, (tuple, list)):
        if not -len(output) <= pick < len(output):
            raise ValueError(f"output must be 0…{len(output) - 1}, as the model returns {len(output)}, got {pick}")
        chosen = output[pick]
    elif isinstance(pick, str) and isinstance(output, Mapping):
        if pick not in output:
            raise ValueError(f"output must be one of the model's outputs {sorted(map(str, output))}, got {pick!r}")
        chosen = output[pick]
    elif isinstance(pick, str) and hasattr(output, pick):
        chosen = getattr(output, pick)
    elif pick is not None:
        raise ValueError(f"output={pick!r} does not fit a model that returns {type(output).__name__}")
    else:
        chosen = _usual_output(output)
    if not isinstance(chosen, Tensor):
        raise TypeError(
            f"the scores must be a tensor, got {type(chosen).__name__}: choose one with output=… (a key, an index or a "
            "callable on what the model returns)"
        )
    return chosen


def _usual_output(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output
    for name in ("logits", "out"):
        if isinstance(output, Mapping) and name in output:
            return output[name]
        if not isinstance(output, Mapping) and isinstance(getattr(output, name, None), Tensor):
            return getattr(output, name)
    if isinstance(output, Mapping):
        result = {str(key): value for key, value in output.items() if isinstance(value, Tensor)}
        if len(result) > 1:
            listed = ", ".join(f"{key!r} {tuple(value.shape)}" for key, value in result.items())
            raise ValueError(f"the model returns several outputs; output=… must say which holds the scores: {listed}")
        return next(iter(result.values()), output)
    items = output if isinstance(output, (tuple, list)) else ()
    return next((item for item in items if isinstance(item, Tensor)), output)


def class_scores(output: Any, pick: Output = None, count: int | None = None) -> Tensor:
    """One row of scores per input, shape (n, classes), float32, as the model gave them.

    An output with further axes, such as a map of scores, is averaged over them: (n, c, h, w) → (n, c); a `ScoreMeaning`
    can select other parts of it. With a gradient if the output has one. `count` is the number of inputs, if known: it
    distinguishes the scores of one input (classes,) from one score for many (n,).
    """
    if isinstance(pick, ScoreMeaning):
        return pick.read(output, count)
    scores = _rows(pick_output(output, pick), count)
    return scores.flatten(2).mean(2) if scores.ndim > 2 else scores


def _rows(scores: Tensor, count: int | None) -> Tensor:
    """Scores (n, classes, …) in float32, or an error that says what is wrong with them."""
    if scores.is_sparse or scores.layout is not torch.strided:
        scores = scores.to_dense()
    if scores.is_complex():
        raise ValueError("the scores must be real, got complex numbers: choose a part with output=lambda y: y.abs()")
    if scores.device.type == "meta":
        raise ValueError("the scores must have values, got a tensor on the meta device: load the model's weights first")
    if scores.is_quantized:
        scores = scores.dequantize()
    scores = scores.float()
    if scores.ndim == 0:
        scores = scores[None]
    if scores.ndim == 1:
        scores = scores[None] if count == 1 and len(scores) > 1 else scores[:, None]
    if scores.numel() == 0:
        raise ValueError(f"the model must give at least one score for an input, got the shape {tuple(scores.shape)}")
    return scores


def _probabilities(scores: Tensor, task: Task, logits: bool, axis: int) -> Tensor:
    if not logits or task == "regression":
        return scores
    return scores.softmax(axis) if task == "multiclass" else scores.sigmoid()


def plain_index(target: Any) -> Any:
    """A class index as a Python number, if it is an array or tensor with one number; otherwise unchanged."""
    if isinstance(target, (np.ndarray, np.integer, Tensor)) and np.prod(tuple(target.shape)) == 1:
        return target.item()
    return target


def is_distribution(scores: Tensor) -> bool:
    """Whether scores (…, classes) could be probabilities: two or more, none negative, adding up to one.

    The sum may differ from one by rounding in half precision.
    """
    if scores.shape[-1] < 2:
        return False
    total = scores.sum(-1)
    return bool((scores >= 0).all() and torch.allclose(total, torch.ones_like(total), atol=4e-3))
