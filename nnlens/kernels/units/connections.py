"""Connections of a unit: the units below that feed it, and those above that read it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from nnlens.geometry.axes import places_of, unit_places
from nnlens.passes.replay import from_input, recorded_value, replay
from nnlens.recording import Operation, Recording, Source
from nnlens.utils.language import _, number

# Activation functions that look at more than one number.
_MIXING = {"softmax", "log_softmax", "softmin", "glu", "gumbel_softmax"}
# Reshapes after which the numbers are in the same order.
_IN_ORDER = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten", "view_as", "reshape_as"}


@dataclass(frozen=True)
class Contribution:
    """A unit, and its contribution to another one."""

    layer: str
    unit: int
    value: float


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Connections:
    """The inputs and outputs of one unit on one input.

    Attributes
    ----------
    layer, unit, position : str, int and (row, column)
        The unit, and the position on its map.
    operation, label : str
        The operation that computes the unit from others, and its label. Activation functions, and normalisations by
        running statistics, between it and the layer belong to the unit.
    total : float
        The result of the operation: the unit's value, before its activation function if `before_activation`.
    inputs : tuple of Contribution
        What each unit below contributes to `total` (weight × activation, summed over the kernel's window), the
        largest magnitude first. `rest` is the remainder, such as the bias: the contributions and the rest add up to
        `total`.
    linear : bool
        Whether the operation is linear in its inputs, so that the contributions are weight × activation; otherwise
        they are activation × slope, and `rest` is the remainder.
    kernels : float32 array (units below, height, width), or None
        The weights of a convolution by which it reads each unit below; `read` is the first unit that it reads, as
        grouped convolutions read only some.
    outputs : tuple of Contribution
        What units above, before their activation function, would lose if the unit's map were 0, each at its most
        affected place, the largest first.
    """

    layer: str
    unit: int
    position: tuple[int, int]
    operation: str
    label: str
    total: float
    before_activation: bool
    inputs: tuple[Contribution, ...]
    rest: float
    linear: bool
    kernels: np.ndarray | None
    read: int
    outputs: tuple[Contribution, ...]

    def describe(self) -> str:
        """In words: "conv · 2 at (3, 4): 0.71 = +0.52 by relu1 · 3, …, +0.08 by the bias"."""
        parts = [
            _("{value} by {layer} · {unit}", value=number(f"{part.value:+.3g}"), layer=part.layer, unit=part.unit)
            for part in self.inputs[:3]
        ]
        if len(self.inputs) > 3:
            left = sum(part.value for part in self.inputs[3:])
            parts.append(_("{value} by {count} others", value=number(f"{left:+.3g}"), count=len(self.inputs) - 3))
        rest = number(f"{self.rest:+.3g}")
        parts.append(_("{value} by the bias", value=rest) if self.linear else _("{value} not attributed", value=rest))
        unit = _("{layer} · {unit} at {position}", layer=self.layer, unit=self.unit, position=self.position)
        total = number(f"{self.total:.3g}")
        if self.before_activation:
            total = _("{total} before its activation function", total=total)
        return f"{unit}: {total} = {', '.join(parts)}"

    def __repr__(self) -> str:
        return f"Connections({self.describe()})"


@torch.inference_mode(False)
def connections(
    recording: Recording,
    x: Shaped[Tensor, "1 ..."],
    layer: str,
    unit: int,
    *,
    position: tuple[int, int] | None = None,
) -> Connections:
    """The units that feed a unit at one place of its map, and the units that it feeds, on this input.

    Only the operations next to the layer are run, on their recorded values.

    Parameters
    ----------
    recording : Recording
        A whole pass on `x`.
    position : (row, column), optional
        On the unit's map; where the unit is largest by default.

    Raises
    ------
    ValueError
        For a layer, unit or position that does not exist; for a layer whose operation cannot be decomposed.
    """
    if not isinstance(recording, Recording):
        raise TypeError(f"recording must be a Recording (of record(model, x)), got {type(recording).__name__}")
    if x.ndim > 1 and len(x) != 1:
        raise ValueError(f"x must be one input (1, …), got the shape {tuple(x.shape)}")
    operation = recording.operation(layer)
    if not operation.arguments and not operation.keywords and operation.number is None:
        raise ValueError(f"layer {operation.name!r} has no known arguments: record the whole pass, without `only`")
    own = unit_places(recording, operation, unit)
    if position is None:
        values = recording[operation.name].detach().reshape(-1)[torch.from_numpy(own.ravel()).to(x.device)]
        position = divmod(int(values.argmax()), own.shape[1])
    flat = int(unit_places(recording, operation, unit, position)[0, 0])
    chain = _chain(recording, operation)
    try:
        total, parts = _inputs(recording, x, chain, flat)
    except (RuntimeError, TypeError, KeyError, IndexError) as error:
        raise ValueError(
            f"layer {operation.name!r} cannot be decomposed: {chain[0].op} has no gradient: {error}"
        ) from error
    kernels, read = _kernels(recording, x, chain[0], flat)
    return Connections(
        layer=operation.name,
        unit=unit,
        position=(int(position[0]), int(position[1])),
        operation=chain[0].name,
        label=chain[0].label,
        total=total,
        before_activation=chain[-1].name != operation.name,
        inputs=tuple(sorted(parts, key=lambda part: -abs(part.value))),
        rest=total - sum(part.value for part in parts),
        linear=_is_linear(recording, chain[0]),
        kernels=kernels,
        read=read,
        outputs=tuple(sorted(_outputs(recording, x, operation, unit), key=lambda part: -abs(part.value))),
    )


def _is_linear(recording: Recording, operation: Operation) -> bool:
    """Whether it is linear in its inputs; a maximum pool counts, because it passes on some of its values."""
    op = operation.op
    if op in ("add", "sub", "cat", "stack", "mean", "sum") or operation.kind in ("reshape", "padding"):
        return True
    if re.match(r"(adaptive_)?(max|avg)_pool", op):
        return True
    seeing = from_input(recording)
    read = sum(source.name in seeing for source in operation.sources)
    return read == 1 and (op.startswith("conv") or op in ("matmul", "mm", "bmm", "linear", "addmm", "einsum"))


def _belongs(operation: Operation) -> bool:
    """Whether an operation is elementwise in its input: an activation function or dropout."""
    named = [source for source in operation.sources if source.name is not None]
    pointwise = operation.kind in ("activation", "dropout") and operation.op not in _MIXING
    return pointwise and len(named) == 1 and named[0].shape == operation.shape


def _normalises(operation: Operation) -> bool:
    """Normalisation by running statistics: a scale and a shift."""
    if operation.op != "batch_norm":
        return False
    mean = operation.argument(3 if operation.function is torch.batch_norm else 1, "running_mean")
    return isinstance(mean, Source) and not operation.argument(5, "training", False)


def _chain(recording: Recording, operation: Operation) -> list[Operation]:
    """The operation that mixes units into the layer's, and the normalisation after it."""
    below = {item.name: item for item in recording}
    while _belongs(operation) and operation.inputs[0] in below:
        operation = below[operation.inputs[0]]
    chain = [operation]
    while _normalises(chain[0]) and chain[0].inputs[0] in below:
        before = below[chain[0].inputs[0]]
        if _belongs(before):  # normalised after the activation function: the units below are its units
            break
        chain.insert(0, before)
    return chain


def _inputs(recording: Recording, x: Tensor, chain: list[Operation], flat: int) -> tuple[float, list[Contribution]]:
    """One value after the chain, and what each unit that its first operation reads contributes to it."""
    seeing = from_input(recording)
    sources = {item.name: item for item in chain[0].sources if item.name in seeing and not item.shared}
    if chain[0].op in ("mul", "div"):  # one factor is read, the other scales it
        sources = dict(list(sources.items())[:1])
    argument = {name: recorded_value(recording, x, source).detach().clone() for name, source in sources.items()}
    argument = {name: value.requires_grad_() for name, value in argument.items() if value.is_floating_point()}
    with torch.enable_grad():
        value = replay(chain[0], recording, x, argument)
        for before, after in pairwise(chain):
            value = replay(after, recording, x, {before.name: value})
        number = value.reshape(-1)[flat]
        slopes = torch.autograd.grad(number, list(argument.values()), allow_unused=True)
    parts = []
    for (name, entry), slope in zip(argument.items(), slopes, strict=True):
        if slope is not None:
            # Without a slope there is no contribution, even of an infinite value (a masked place of attention).
            parts += _by_unit(recording, name, torch.where(slope == 0, 0, slope * entry).detach())
    return float(number.detach()), parts


def _by_unit(recording: Recording, name: str, amounts: Tensor) -> list[Contribution]:
    """Numbers of a layer's shape, summed by unit; a flattened layer counts as the layer that was flattened."""
    if name == "input":
        sums = amounts.reshape(amounts.shape[1] if amounts.ndim > 1 else 1, -1).sum(1)
        return [Contribution("input", unit, float(value)) for unit, value in enumerate(sums)]
    operation = recording.operation(name)
    while (before := _before(recording, operation)) is not None and _keeps_order(operation):
        operation = before
    maps = torch.from_numpy(places_of(recording, operation, whole=True)).to(amounts.device)
    sums = amounts.reshape(-1)[maps.reshape(len(maps), -1)].sum(1).cpu()
    while (before := _before(recording, operation)) is not None and _pads(recording, operation, len(maps)):
        operation = before
    return [Contribution(operation.name, unit, float(value)) for unit, value in enumerate(sums)]


def _before(recording: Recording, operation: Operation) -> Operation | None:
    """The one operation whose value it reads."""
    inputs = operation.inputs
    return recording.operation(inputs[0]) if len(inputs) == 1 and inputs[0] in recording else None


def _keeps_order(operation: Operation) -> bool:
    """Whether its output has the numbers of its input in the same order."""
    numbers = math.prod(operation.shape)
    same = operation.op in _IN_ORDER or operation.kind == "dropout"
    return same and all(math.prod(source.shape) == numbers for source in operation.sources)


def _pads(recording: Recording, operation: Operation, units: int) -> bool:
    """Whether it pads maps without mixing units."""
    before = _before(recording, operation)
    return operation.kind == "padding" and before is not None and len(places_of(recording, before)) == units


def _keeps_units(recording: Recording, operation: Operation) -> bool:
    """Whether it maps each unit to one unit, without mixing them: padding, pooling, a mean over places."""
    before = _before(recording, operation)
    if before is None or operation.shape[:2] != before.shape[:2] or len(before.shape) < 3:
        return False
    alone = operation.kind == "padding" or "pool" in operation.op
    over = operation.argument(1, "dim")
    along = over if isinstance(over, tuple) else (over,)
    means = operation.op in ("mean", "sum", "amax") and all(dim in (2, 3, -1, -2) for dim in along)
    if not (alone or means):
        return False
    return len(places_of(recording, before)) == len(places_of(recording, operation))


def _kernels(recording: Recording, x: Tensor, operation: Operation, flat: int) -> tuple[np.ndarray | None, int]:
    """The weights by which a convolution reads each unit below, and the first unit that it reads."""
    weight = operation.argument(1, "weight")
    if operation.op not in ("conv1d", "conv2d") or not isinstance(weight, Source):
        return None, 0
    channel = flat // int(np.prod(operation.shape[2:])) % operation.shape[1]
    kernels = recorded_value(recording, x, weight)[channel].detach().float().cpu().numpy()
    per_group = operation.shape[1] // (operation.argument(6, "groups", 1) or 1)
    return kernels.reshape(len(kernels), -1, kernels.shape[-1]), channel // per_group * len(kernels)


def _outputs(recording: Recording, x: Tensor, operation: Operation, unit: int) -> list[Contribution]:
    """What each unit of the reading operations would lose if the unit's map were 0."""
    parts: list[Contribution] = []
    for reader, name, own in _readers(recording, operation, unit):
        argument = recording[name].detach()
        if not argument.is_floating_point():
            continue
        without = argument.clone().reshape(-1)
        without[torch.from_numpy(own).to(argument.device)] = 0
        try:
            with torch.no_grad():
                clean = replay(reader, recording, x, {name: argument})
                brought = clean - replay(reader, recording, x, {name: without.view(argument.shape)})
                last = reader
                for after in _behind(recording, reader):
                    if _normalises(after):
                        scaled = replay(after, recording, x, {last.name: brought})
                        brought = scaled - replay(after, recording, x, {last.name: torch.zeros_like(brought)})
                    last = after
            maps = torch.from_numpy(places_of(recording, reader)).to(brought.device)
        except (RuntimeError, TypeError, KeyError, IndexError):
            continue  # an operation that cannot be run alone has no such contributions
        values = brought.reshape(-1)[maps.reshape(len(maps), -1)]
        most = values.gather(1, values.abs().argmax(1, keepdim=True))[:, 0].cpu()
        parts += [Contribution(last.name, number, float(value)) for number, value in enumerate(most) if value != 0]
    return parts


def _readers(recording: Recording, operation: Operation, unit: int) -> list[tuple[Operation, str, np.ndarray]]:
    """The operations that mix the unit into others, the value that they read, and where in it the unit lies."""
    results, waiting = [], [(operation.name, places_of(recording, operation, whole=True)[unit].ravel())]
    while waiting:
        name, own = waiting.pop(0)
        for reader in recording:
            if name not in reader.inputs:
                continue
            if _keeps_order(reader) or _normalises(reader) or _belongs(reader):
                waiting.append((reader.name, own))
            elif _keeps_units(recording, reader):
                waiting.append((reader.name, places_of(recording, reader, whole=True)[unit].ravel()))
            elif reader.kind not in ("gate", "state", "attention"):
                results.append((reader, name, own))
    return results


def _behind(recording: Recording, operation: Operation) -> list[Operation]:
    """The normalisation and activation function that are the only readers of an operation: they belong to its units."""
    results: list[Operation] = []
    while True:
        readers = [reader for reader in recording if operation.name in reader.inputs]
        if len(readers) != 1 or not (_normalises(readers[0]) or _belongs(readers[0])):
            return results
        operation = readers[0]
        results.append(operation)
