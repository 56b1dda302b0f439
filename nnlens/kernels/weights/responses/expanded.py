"""Expanded weights: what a unit of a deeper layer reads from the input through all layers below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.geometry.axes import receptive_fields, unit_places
from nnlens.passes.partial_pass import PartialPass
from nnlens.recording import Operation, Recording, Replacement, borrow
from nnlens.recording.record import unwrapped
from nnlens.utils.language import _, plural

_UNITS = 16  # per pass
_POOLS: dict[str, Callable[..., Tensor]] = {
    "max_pool1d": F.avg_pool1d,
    "max_pool2d": F.avg_pool2d,
    "max_pool3d": F.avg_pool3d,
    "adaptive_max_pool1d": F.adaptive_avg_pool1d,
    "adaptive_max_pool2d": F.adaptive_avg_pool2d,
    "adaptive_max_pool3d": F.adaptive_avg_pool3d,
}
# Activation functions that look at more than one number: no part of them is linear.
_MIXING = {"softmax", "log_softmax", "softmin", "glu", "gumbel_softmax"}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Expanded:
    """The expanded weights of some units of a layer.

    Attributes
    ----------
    layer, units : str and int array (n,)
    values : float32 array (n, channels, height, width)
        The derivative of each unit, at one place of its map, with respect to the input, cut to its receptive field.
    box : (int, int, int, int)
        The pixels of the input that `values` covers: top, left, bottom, right, inclusive.
    linear : bool
        Whether it is the product of the linear parts (activation functions left out, maximum pools as mean pools);
        otherwise the mean gradient over `images` images.
    images : int
    replaced : tuple of str
        The operations that were made linear.
    """

    layer: str
    units: np.ndarray
    values: Float[np.ndarray, "n channels h w"]
    box: tuple[int, int, int, int]
    linear: bool
    images: int
    replaced: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Expanded({self.layer!r}, {len(self.units)} units: {self.describe()})"

    def describe(self) -> str:
        """What it is, in words."""
        if not self.linear:
            return plural("mean gradient over {count} image", "mean gradient over {count} images", self.images)
        if not self.replaced:
            return _("the weights themselves, multiplied")
        return plural(
            "product of the linear parts; {count} operation made linear",
            "product of the linear parts; {count} operations made linear",
            len(self.replaced),
        )


def expanded_weights(
    model: nn.Module,
    recording: Recording,
    x: Float[Tensor, "1 channels h w"],
    layer: str,
    units: Sequence[int],
    *,
    images: Sequence[Tensor] | Tensor | None = None,
    position: tuple[int, int] | None = None,
) -> Expanded:
    """What units of a layer read from the input (Olah et al. 2020, "Visualizing Weights").

    Without `images` the network below the layer is made linear, as if each activation function were the identity and
    each maximum pool a mean pool: the derivative is then the product of the layers' weights, whatever the input. With
    images it is the mean of the true derivatives, which depend on them.

    Parameters
    ----------
    recording : Recording
        A whole pass on `x`.
    units : sequence of int
    images : sequence of tensors (channels, h, w), optional
        Ready inputs.
    position : (row, column), optional
        On the units' maps; the middle by default.

    Raises
    ------
    ValueError
        For a layer, unit or position that does not exist, an operation below the layer that has no linear part, and
        images of another size.
    """
    *_, last = expanded_weights_steps(model, recording, x, layer, units, images=images, position=position)
    return last


def expanded_weights_steps(
    model: nn.Module,
    recording: Recording,
    x: Float[Tensor, "1 channels h w"],
    layer: str,
    units: Sequence[int],
    *,
    images: Sequence[Tensor] | Tensor | None = None,
    position: tuple[int, int] | None = None,
) -> Iterator[Expanded]:
    """The same, with the units so far after each pass (without images), or the images so far."""
    if x.ndim != 4 or len(x) != 1:
        raise ValueError(f"x must be one image (1, channels, height, width), got the shape {tuple(x.shape)}")
    model, operation = unwrapped(model), recording.operation(layer)
    if images is not None and not len(images):
        raise ValueError("images must hold at least one image, got none")
    known = np.asarray(units, int).reshape(-1)
    if not len(known):
        raise ValueError("units must name at least one unit, got none")
    first = unit_places(recording, operation, int(known[0]))
    if position is None:
        position = first.shape[0] // 2, first.shape[1] // 2
    places = [int(unit_places(recording, operation, int(unit), position)[0, 0]) for unit in known]
    box = _box(recording, operation.name, position, x)
    names: list[str] = []
    replacements = {} if images is not None else _linear_parts(recording, operation, names)
    forward = PartialPass(model, recording, [operation.name], replacements=replacements)

    def gradients(start: Tensor, wanted: list[int]) -> np.ndarray:
        """The derivative of each wanted number, each with respect to its own copy of the input."""
        batch = start.detach().expand(len(wanted), *start.shape[1:]).clone().requires_grad_()
        with borrow(model), torch.enable_grad():
            stored, _ = forward(batch * 1)  # the forward may write into it
            rows = stored[operation.name].reshape(len(wanted), -1)
            chosen = rows[torch.arange(len(wanted)), torch.tensor(wanted)].sum()
            result = torch.autograd.grad(chosen, batch, allow_unused=True)[0]
        found = torch.zeros_like(batch) if result is None else result
        top, left, bottom, right = box
        cut: np.ndarray = found[:, :, top : bottom + 1, left : right + 1].detach().float().cpu().numpy()
        return cut

    def made(values: np.ndarray, count: int) -> Expanded:
        return Expanded(
            layer=operation.name,
            units=known[: len(values)],
            values=values,
            box=box,
            linear=images is None,
            images=count,
            replaced=tuple(names),
        )

    chunks = [places[start : start + _UNITS] for start in range(0, len(places), _UNITS)]
    if images is None:
        done: list[np.ndarray] = []
        for chunk in chunks:
            done.append(gradients(x, chunk))
            yield made(np.concatenate(done), 0)
        return
    total: np.ndarray | None = None
    for count in range(len(images)):
        image = images[count].unsqueeze(0).to(x)
        if image.shape != x.shape:
            raise ValueError(f"images must have the shape of x, {tuple(x.shape[1:])}, got {tuple(image.shape[1:])}")
        values = np.concatenate([gradients(image, chunk) for chunk in chunks])
        total = values if total is None else total + values
        yield made(total / (count + 1), count + 1)


def _box(recording: Recording, layer: str, position: tuple[int, int], x: Tensor) -> tuple[int, int, int, int]:
    fields = receptive_fields(recording, layer)
    if fields is None:
        return 0, 0, x.shape[2] - 1, x.shape[3] - 1
    (top, bottom), (left, right) = fields[0][position[0]].tolist(), fields[1][position[1]].tolist()
    return max(top, 0), max(left, 0), min(bottom, x.shape[2] - 1), min(right, x.shape[3] - 1)


def _linear_parts(recording: Recording, source: Operation, names: list[str]) -> dict[int, Replacement]:
    """Linear operations in place of those between the input and the layer that are not; their names are noted."""
    by_name = {operation.name: operation for operation in recording}
    waiting, way = [source], {source.name: source}
    while waiting:
        for name in waiting.pop().inputs:
            if name in by_name and name not in way:
                way[name] = by_name[name]
                waiting.append(by_name[name])
    replacements: dict[int, Replacement] = {}
    for operation in recording:
        if operation.name not in way:
            continue
        op = operation.op.rstrip("_")
        if op in _MIXING or operation.kind in ("attention", "gate", "state"):
            raise ValueError(
                f"layer {source.name!r} has no product of linear parts: {operation.name} ({operation.op}) mixes its "
                "inputs; give images for the mean gradient"
            )
        if (operation.kind == "activation" or op in _POOLS) and operation.number is not None:
            names.append(operation.name)
            replacements[operation.number] = _identity if operation.kind == "activation" else _mean_pool(op)
    return replacements


def _identity(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return args[0] if args else keywords["input"]


def _mean_pool(op: str) -> Replacement:
    def run(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        given = dict(zip(_POOL_ARGUMENTS if "adaptive" not in op else ("input", "output_size"), args, strict=False))
        given |= keywords
        if given.get("return_indices"):
            raise ValueError(f"{op} with indices has no mean pool in its place")
        if "adaptive" in op:
            return _POOLS[op](given["input"], given["output_size"])
        dilation = given.get("dilation", 1)
        if any(step != 1 for step in (dilation if isinstance(dilation, (tuple, list)) else (dilation,))):
            raise ValueError(f"{op} with a dilation has no mean pool in its place")
        names = ("input", "kernel_size", "stride", "padding", "ceil_mode")
        return _POOLS[op](**{name: given[name] for name in names if name in given})

    return run


_POOL_ARGUMENTS = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
