"""Back-projection of a unit's activation, or of a class's score, to each number of the input.

Four rules, which differ in how a rectifier with input x passes back the signal g:

================  =====================  ==================================================
gradient          g · f′(x)              Simonyan et al. 2013 (arXiv:1312.6034)
deconvnet         max(g, 0)              Zeiler & Fergus 2013 (arXiv:1311.2901, section 2.1)
guided backprop   max(g, 0) · f′(x)      Springenberg et al. 2014 (arXiv:1412.6806)
================  =====================  ==================================================

and input × gradient. Maximum pools pass the signal to the place of their maximum (the deconvnet's switches); where
pools overlap, the signals add up, as in automatic differentiation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.geometry.axes import places_of, unit_places
from nnlens.kernels.names import method_words
from nnlens.passes.batches import out_of_memory
from nnlens.passes.partial_pass import PartialPass
from nnlens.passes.prepared import Prepared
from nnlens.recording import Operation, OtherPathError, Recording, Replacement, borrow, record
from nnlens.recording.operations import function_of
from nnlens.recording.record import unwrapped
from nnlens.scores.detection import meaning_of
from nnlens.scores.meaning import Output, plain_index
from nnlens.utils.language import _, plural

Rule = Literal["gradient", "input × gradient", "deconvnet", "guided backprop"]
# Zero on one side and rising on the other. A clamp is one if it cuts at 0.
_RECTIFIERS = {"relu", "relu6", "leaky_relu", "prelu", "rrelu", "threshold", "hardtanh"} | {
    "clamp",
    "clamp_min",
    "clip",
}
# Smooth activation functions, for which no such rule was published, and operations that may be rectifiers: they keep
# the gradient.
_OTHERS = {
    "maximum",
    "gelu",
    "silu",
    "mish",
    "elu",
    "selu",
    "celu",
    "hardswish",
    "softplus",
    "sigmoid",
    "tanh",
    "hardsigmoid",
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BackProjection:
    """The result of a back-projection.

    Attributes
    ----------
    values : float32 array
        Of the shape of one input (channels, height, width), or of the layer `at`, without its batch.
    objective : str
        What was projected back, in words, and its `value`.
    position : (int, int) or None
        Row and column of the unit's map at which the value was taken; None for a class and for a whole map.
    rule : str
    rectifiers : (int, int)
        How many rectifiers the rule was applied to, and how many there are on the path.
    pools : int
        How many maximum pools passed the signal to where their maximum was.
    obstacles : tuple of str
        Activation functions on the path that have no such rule.
    how : str
        In words, why the model itself was used instead of the fast pass.
    layer : str or None
        The layer at which it ends; None for the input.
    """

    values: Float[np.ndarray, "*shape"]
    objective: str
    value: float
    position: tuple[int, int] | None
    rule: Rule
    rectifiers: tuple[int, int]
    pools: int
    obstacles: tuple[str, ...]
    how: str = ""
    layer: str | None = None

    def __repr__(self) -> str:
        return f"BackProjection({self.describe()}; value {self.value:.4g})"

    def signed(self) -> np.ndarray:
        """Summed over the channels, (height, width)."""
        result: np.ndarray = self.values.sum(0)
        return result

    def norm(self) -> np.ndarray:
        """The Euclidean norm over the channels, (height, width)."""
        result: np.ndarray = np.sqrt((self.values**2).sum(0))
        return result

    def per_unit(self, recording: Recording) -> tuple[np.ndarray, np.ndarray]:
        """If it ends at a layer: its maps (units, height, width), and what each unit contributes (units,).

        The contribution of a unit is the sum of gradient × activation over its map, in the pass `recording`.
        """
        assert self.layer is not None
        places = places_of(recording, recording.operation(self.layer))
        maps = self.values.reshape(-1)[places]
        activations = recording[self.layer].detach().float().cpu().numpy().reshape(-1)[places]
        return maps, (maps * activations).sum((1, 2))

    def describe(self) -> str:
        """How much of the rule applied: "deconvnet: 9 of 9 rectifiers, 3 pools by their switches"."""
        words = _("{rule} of {objective}", rule=method_words(self.rule), objective=self.objective)
        how = rule_words(self.rectifiers, self.pools, self.obstacles)
        if self.rule in ("deconvnet", "guided backprop"):
            words += f": {how}"
        return f"{words} ({self.how})" if self.how else words


def rule_words(rectifiers: tuple[int, int], pools: int, obstacles: tuple[str, ...]) -> str:
    """How much of a rule applied: "9 of 9 rectifiers, 3 pools by their switches"."""
    words = _("{applied} of {count} rectifiers", applied=rectifiers[0], count=rectifiers[1])
    if pools:
        words += plural(", {count} pool by its switches", ", {count} pools by their switches", pools)
    if obstacles:
        words += _("; {operations} keep the plain gradient, as they have no such rule", operations=", ".join(obstacles))
    return words


class UnreachableLayerError(ValueError):
    """What is projected back is not computed from the layer at which it should end."""


class _Passing(torch.autograd.Function):
    """A rectifier that passes back max(g, 0), whatever its input was: that of the deconvnet."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        return function(x.detach())

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        return signals[0].clamp(min=0), None


@torch.inference_mode(False)
def back_projection(
    model: nn.Module,
    x: Float[Tensor, "1 ..."],
    of: Any,
    *,
    rule: Rule = "gradient",
    at: str | None = None,
    output: Output = None,
    recording: Recording | None = None,
    prepared: Prepared | None = None,
) -> BackProjection:
    """Project an activation or a score back to the input.

    The rule is applied to the calls of the recorded pass, so it works for rectifiers that are modules, functions or
    in-place calls.

    Parameters
    ----------
    x : tensor (1, …)
    of : class index, (layer, unit), or (layer, unit, position)
        The class's score; or a unit, numbered as in the views, at its largest value, at (row, column), or as a whole
        ("map": the sum of its map). Where a rectifier with an upper limit (ReLU6) is saturated, its gradient is 0, and
        its input is used instead.
    rule : "gradient", "input × gradient", "deconvnet" or "guided backprop"
    at : str, optional
        A layer at which to stop, instead of the input.
    recording, prepared : optional
        The whole pass on `x` and the prepared model, if already computed: without the first, one more pass is
        recorded; with the second, the passes are faster.

    Raises
    ------
    ValueError
        If the model has no gradient there (an operation on the way is not differentiable), with the reason.
    """
    if rule not in get_args(Rule):
        raise ValueError(f"rule must be one of {', '.join(get_args(Rule))}, got {rule!r}")
    if len(x) != 1:
        raise ValueError(f"x must be one input (1, …), got the shape {tuple(x.shape)}")
    model = unwrapped(model)
    recording = record(model, x) if recording is None else recording
    of = plain_index(of)
    places, words = _objective(of, recording)
    source = recording.operation(of[0]) if isinstance(of, tuple) else None
    stop = None if at is None else recording.operation(at)
    replacements, rectifiers, pools, obstacles = rule_replacements(recording, rule, source, stop)
    before = _below_ceiling(recording, source)
    layers = [operation.name for operation in (stop, before, source) if operation is not None]
    forward = PartialPass(model, recording, layers, replacements=replacements, prepared=prepared, to_end=source is None)

    def follow(
        run: Callable[[Tensor], tuple[dict[str, Tensor], Any]],
    ) -> tuple[Tensor, Tensor, Tensor | None, tuple[int, int] | None]:
        """The objective, the tensor it is projected back to, its gradient, and the position of the objective."""
        position = None
        start = x.detach().clone().requires_grad_()
        stored, value = run(start * 1)  # the forward may write into it
        if source is None or places is None:
            scores = meaning_of(output, recording.output, recording).for_kind("logit").read(value, 1)
            if not 0 <= of < scores.shape[1]:
                raise ValueError(f"of must be a class index 0…{scores.shape[1] - 1}, got {of}")
            objective = scores[0, of]
        else:
            objective, position = _value_of(stored, source, before, places, of[2:])
        if not torch.isfinite(objective):
            raise ValueError(f"the model gives {float(objective.detach())} for {words}, which cannot be projected back")
        towards = start if stop is None else stored[stop.name]
        return objective, towards, torch.autograd.grad(objective, towards, allow_unused=True)[0], position

    with borrow(model), torch.enable_grad():
        try:
            try:
                objective, towards, results, position = follow(forward)
            except RuntimeError as error:
                # A rule needs the recorded operations; a plain gradient can be computed by the model itself.
                if out_of_memory(error) or replacements:
                    raise
                objective, towards, results, position = follow(forward.recorded)
                why = str(error).partition("\n")[0]
                forward.how = _("recorded from the model itself, because {error}", error=why)
        except RuntimeError as error:
            if out_of_memory(error):
                raise
            why = f"{rule} needs the operations of the recorded pass, but " if isinstance(error, OtherPathError) else ""
            raise ValueError(f"the model has no gradient from {words}: {why}{error}") from error
        if results is None and stop is not None:
            raise UnreachableLayerError(f"at must be a layer that {words} is computed from, got {at!r}")
        if results is None:
            results = torch.zeros_like(towards)
        if rule == "input × gradient":
            results = results * towards
    return BackProjection(
        values=results.detach()[0].float().cpu().numpy(),
        objective=words,
        value=float(objective.detach()),
        position=position,
        rule=rule,
        rectifiers=rectifiers,
        pools=pools,
        obstacles=obstacles,
        how=forward.how,
        layer=None if stop is None else stop.name,
    )


def _objective(of: Any, recording: Recording) -> tuple[np.ndarray | None, str]:
    """Which numbers of a layer's value are meant, (rows, columns), or None for a class; and the objective in words."""
    if isinstance(of, (int, np.integer)) and not isinstance(of, bool):
        return None, _("class {index}", index=of)
    if not isinstance(of, tuple) or len(of) not in (2, 3):
        raise TypeError(f"of must be a class index, (layer, unit) or (layer, unit, position), got {of!r}")
    operation = recording.operation(of[0])
    words = f"{operation.name} · {of[1]}"
    whole = of[2:] == ("map",)
    position = of[2] if len(of) == 3 and not whole else None
    own = unit_places(recording, operation, of[1], position, name="of")
    if position is not None:
        words += _(" at ({row}, {column})", row=position[0], column=position[1])
    elif whole:
        words += _(", the whole map")
    return own, words


def _value_of(
    stored: dict[str, Tensor], source: Operation, before: Operation | None, places: np.ndarray, where: tuple[Any, ...]
) -> tuple[Tensor, tuple[int, int] | None]:
    """The activation that is projected back, and its position; `where` is as in `back_projection`, after the unit."""
    value = stored[source.name]
    own = torch.from_numpy(np.ascontiguousarray(places)).to(value.device)
    values = value.reshape(-1)[own]
    if before is not None:
        uncut = stored[before.name].reshape(-1)[own]
        values = torch.where(uncut > values, uncut, values)
    if where == ("map",):
        return values.sum(), None
    row, column = divmod(int(values.argmax()), values.shape[1])
    return values[row, column], (int(where[0][0]), int(where[0][1])) if where else (row, column)


def rule_replacements(
    recording: Recording, rule: Rule, source: Operation | None, stop: Operation | None
) -> tuple[dict[int, Replacement], tuple[int, int], int, tuple[str, ...]]:
    """The replacements of a rule between the start and the objective, and to how much of the path it applies."""
    way = _way(recording, source, stop)
    modified = rule in ("deconvnet", "guided backprop")
    replacements: dict[int, Replacement] = {}
    there = pools = 0
    obstacles: dict[str, None] = {}
    for operation in way:
        if operation.op.startswith("max_pool") or operation.op.startswith("adaptive_max_pool"):
            pools += 1
        if operation.op in _OTHERS and modified:
            obstacles[operation.op] = None
        if rectifies(operation):
            there += 1
            if modified and operation.number is not None:
                replacements[operation.number] = _ruled(rule == "guided backprop")
    applied = len(replacements)
    return replacements, (applied, there), pools, tuple(obstacles)


def _way(recording: Recording, source: Operation | None, stop: Operation | None) -> list[Operation]:
    """The operations that lead to the objective, after the layer where it stops."""
    by_name = {operation.name: operation for operation in recording}
    last = recording.operations[-1] if source is None else source
    waiting, results = [last], {last.name}
    while waiting:
        for name in waiting.pop().inputs:
            if name in by_name and name not in results and (stop is None or name != stop.name):
                results.add(name)
                waiting.append(by_name[name])
    return [operation for operation in recording if operation.name in results]


def rectifies(operation: Operation) -> bool:
    """Whether an operation is 0 (or nearly) on one side of 0 and rises on the other."""
    op = operation.op
    if op in ("clamp", "clip", "clamp_min"):
        return bool(operation.argument(1, "min") == 0)
    if op == "hardtanh":
        return bool(operation.argument(1, "min_val", -1.0) == 0)
    if op == "threshold":
        return bool(operation.argument(1, "threshold") == 0)
    return op in _RECTIFIERS


def _below_ceiling(recording: Recording, operation: Operation | None) -> Operation | None:
    """The input of a rectifier with an upper limit."""
    if operation is None or operation.op not in ("relu6", "hardtanh", "clamp", "clip") or not rectifies(operation):
        return None
    return rectified(recording, operation)


def rectified(recording: Recording, operation: Operation) -> Operation | None:
    """The operation whose value a rectifier is given, where that can be watched."""
    inputs = operation.inputs
    if not rectifies(operation) or len(inputs) != 1 or inputs[0] not in recording:
        return None
    before = recording.operation(inputs[0])
    return before if before.shape == operation.shape and before.number is not None else None


def _ruled(guided: bool) -> Replacement:
    def run(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if guided:
            result = function(*args, **keywords)
            if result.requires_grad:
                result.register_hook(lambda signal: signal.clamp(min=0))  # its own slope is applied after it
            return result
        named = not args
        x = keywords["input"] if named else args[0]
        writes = any(item is x for item in function_of(function).overwritten(args, keywords))

        def alone(value: Tensor) -> Tensor:
            value = value.clone() if writes else value
            made: Tensor = function(**{**keywords, "input": value}) if named else function(value, *args[1:], **keywords)
            return made

        result = _Passing.apply(x, alone)  # type: ignore[no-untyped-call]
        return x.copy_(result) if writes else result

    return run
