"""The linear function that a network computes at an input: exactly, or to first order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from nnlens.recording import borrow, record
from nnlens.recording.record import copy_of
from nnlens.scores.meaning import Pick, pick_output
from nnlens.utils.language import _, number

from .pieces import Kind, kind_of


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LocalMap:
    """The map x′ → weights · x′ + bias, which equals the network's outputs at x.

    Attributes
    ----------
    kind : Kind
        Of a piecewise linear network the map is exact in the whole region of x, until the first unit switches; of
        others it is the first-order map, which is exact at x alone.
    outputs : tuple of int
        Which outputs.
    weights : float64 array (outputs, *input)
    bias, value : float64 arrays (outputs,)
        `value` is what the network gives at x.
    """

    kind: Kind
    outputs: tuple[int, ...]
    weights: Float[np.ndarray, "outputs ..."]
    bias: Float[np.ndarray, " outputs"]
    value: Float[np.ndarray, " outputs"]

    def at(self, x: Shaped[Tensor, "n ..."]) -> Float[np.ndarray, "n outputs"]:
        """What the map gives for other inputs."""
        flat = x.detach().double().cpu().reshape(len(x), -1).numpy()
        return np.asarray(flat @ self.weights.reshape(len(self.outputs), -1).T + self.bias)

    def describe(self) -> str:
        """In words: "exact: 10 outputs are linear functions of 784 values until the first unit switches"."""
        counted = {"outputs": len(self.outputs), "inputs": int(np.prod(self.weights.shape[1:]))}
        if self.kind.exact:
            return _("exact: {outputs} outputs are linear in {inputs} values until the first unit switches", **counted)
        return _(
            "to first order: {outputs} outputs in {inputs} values; not linear are {why}", why=self.kind.why, **counted
        )

    def __repr__(self) -> str:
        largest = number(f"{np.abs(self.weights).max():.3g}")
        return f"LocalMap({self.describe()}, largest weight {largest})"


def local_map(
    model: nn.Module, x: Shaped[Tensor, "1 ..."], *, outputs: Sequence[int] | None = None, output: Pick = None
) -> LocalMap:
    """The linear map of a network at an input, in double precision: a backward pass for each output.

    Of a piecewise linear network f(x′) = J(x) · x′ + (f(x) − J(x) · x) holds on the whole region of x (Serra et al.
    2018, arXiv:1711.02114). At a point where a unit is exactly at its kink, torch's slope (0 for ReLU) is taken.

    Parameters
    ----------
    outputs : sequence of int, optional
        Which outputs; all of them by default, of more than 20 the 20 largest.
    output : str, int or callable, optional
        Which of several outputs of the model holds the scores.

    Raises
    ------
    ValueError
        For what is not one input, outputs that are not there, and a model whose output does not depend on x.
    """
    if not isinstance(x, Tensor) or x.ndim < 2 or len(x) != 1 or not x.is_floating_point():
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be one input as a floating-point tensor (1, …), got {got}")
    exact = doubled(model)
    point = x.detach().double().clone().requires_grad_()
    with torch.inference_mode(False), borrow(exact), torch.enable_grad():
        scores = pick_output(exact(point), output).reshape(-1)
        count = len(scores)
        if outputs is None:
            outputs = range(count) if count <= 20 else scores.detach().topk(20).indices.tolist()
        chosen = tuple(int(item) for item in outputs)
        if not chosen or any(not 0 <= item < count for item in chosen):
            raise ValueError(f"outputs must be of 0…{count - 1}, got {chosen}")
        rows = []
        for item in chosen:
            try:
                (row,) = torch.autograd.grad(scores[item], point, retain_graph=True)
            except RuntimeError as error:
                raise ValueError(
                    f"the model's output must depend on x by operations with a gradient: {error}"
                ) from error
            rows.append(row[0])
    weights = torch.stack(rows)
    value = scores.detach()[list(chosen)]
    bias = value - weights.flatten(1) @ point.detach().flatten()
    return LocalMap(
        kind=kind_of(record(exact, point.detach())),
        outputs=chosen,
        weights=weights.cpu().numpy(),
        bias=bias.cpu().numpy(),
        value=value.cpu().numpy(),
    )


def doubled(model: nn.Module) -> nn.Module:
    """A copy of a model in double precision and eval mode."""
    return copy_of(model).double().requires_grad_(False).eval()
