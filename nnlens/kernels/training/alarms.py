"""What is wrong with a training, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nnlens.recording import Recorder
from nnlens.recording.record import unwrapped
from nnlens.utils.language import _, number

from .figures import ActivationFigures, WeightFigures

VANISHING = 1e-4  # of the largest gradient per weight of a layer
EXPLODING = 100.0  # times the middle of the gradients before
JUMP = 0.5  # of the weights, in one step
DEAD = 0.9  # of a layer's units
SATURATED = 0.5  # of a layer's values
_BEFORE = 5  # measurements from which a middle is known


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Something that usually means that a training goes wrong.

    Attributes
    ----------
    kind : "not finite", "vanishing", "exploding", "large steps", "dead" or "saturated"
    where : str
        A layer or module; "" for the whole model.
    step : int
    words : str
    """

    kind: str
    where: str
    step: int
    words: str


def alarms_of(
    step: int,
    activations: Sequence[ActivationFigures],
    weights: Sequence[WeightFigures],
    gradients_before: Sequence[float] = (),
) -> list[Alarm]:
    """The alarms of one measurement.

    Parameters
    ----------
    gradients_before : sequence of float
        Lengths of the whole gradient at earlier measurements.
    """
    return [*_of_gradients(step, weights, gradients_before), *_of_activations(step, activations)]


def not_finite(model: nn.Module, inputs: Tensor | None, step: int, loss: float) -> Alarm:
    """Where the first number came from that is not finite, after the loss was not."""
    named = unwrapped(model).named_parameters()
    weights = next((name for name, item in named if not bool(torch.isfinite(item).all())), "")
    first = Recorder(model)(inputs).first_not_finite()
    if weights:
        words = _("The loss is {loss}. The weight {name} holds numbers that are not finite.", loss=loss, name=weights)
    elif first is not None:
        words = _(
            "The loss is {loss}. In a pass on the watched images the first operation whose result is not finite is "
            "{name}.",
            loss=loss,
            name=first.name,
        )
    else:
        words = _(
            "The loss is {loss}, but all weights and the pass on the watched images are finite: the batch, the "
            "train mode or the loss function made it.",
            loss=loss,
        )
    where = weights or ("" if first is None else first.name)
    return Alarm(kind="not finite", where=where, step=step, words=words)


def whole_gradient(weights: Sequence[WeightFigures]) -> float:
    """The length of the gradient of all parameters; NaN without one."""
    there = [row.gradient for row in weights if not math.isnan(row.gradient)]
    return math.sqrt(sum(value * value for value in there)) if there else math.nan


def _of_gradients(step: int, weights: Sequence[WeightFigures], before: Sequence[float]) -> list[Alarm]:
    found = []
    rows = [row for row in weights if not math.isnan(row.gradient)]
    each = {row.module: row.gradient / math.sqrt(row.count) for row in rows}
    largest = max(each.values(), default=0.0)
    for row in rows:
        if 0 < largest < math.inf and each[row.module] < VANISHING * largest:
            words = _(
                "The gradient vanishes in {module}: per weight it is {share} times that of the layer with the largest.",
                module=row.module or _("the model"),
                share=number(f"{each[row.module] / largest:.1g}"),
            )
            found.append(Alarm(kind="vanishing", where=row.module, step=step, words=words))
    known = sorted(value for value in before if math.isfinite(value))
    now = whole_gradient(weights)
    if len(known) >= _BEFORE and now > EXPLODING * known[len(known) // 2]:
        words = _(
            "The gradient explodes: its length {now} is more than {times} times the usual one, {usual}.",
            now=number(f"{now:.3g}"),
            times=number(f"{EXPLODING:.0f}"),
            usual=number(f"{known[len(known) // 2]:.3g}"),
        )
        found.append(Alarm(kind="exploding", where="", step=step, words=words))
    for row in weights:
        if row.count > 1 and row.ratio > JUMP:
            words = _(
                "One step changes the weights of {module} by {share} % of their length.",
                module=row.module or _("the model"),
                share=number(f"{100 * row.ratio:.0f}"),
            )
            found.append(Alarm(kind="large steps", where=row.module, step=step, words=words))
    return found


def _of_activations(step: int, activations: Sequence[ActivationFigures]) -> list[Alarm]:
    found = []
    for row in activations:
        if row.dead >= DEAD:
            words = _(
                "{layer} is dead: {share} % of its units are 0 for all watched inputs.",
                layer=row.layer,
                share=number(f"{100 * row.dead:.0f}"),
            )
            found.append(Alarm(kind="dead", where=row.layer, step=step, words=words))
        if row.saturated >= SATURATED:
            words = _(
                "{layer} is saturated: {share} % of its values are at a bound, where the gradient is near 0.",
                layer=row.layer,
                share=number(f"{100 * row.saturated:.0f}"),
            )
            found.append(Alarm(kind="saturated", where=row.layer, step=step, words=words))
    return found
