"""Passes that the measures of this folder share: scores of classes, values of a layer, and their changes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.passes.replay import from_input
from nnlens.passes.tangents import tangent_pass
from nnlens.recording import Recording, borrow, substituting
from nnlens.recording.substitute import Reached, observed
from nnlens.scores.meaning import Pick, pick_output


def classes_of(model: nn.Module, x: Tensor, output: Pick) -> Float[Tensor, "n classes"]:
    """The scores of a batch. A single score is that of "yes" against 0."""
    scores = pick_output(model(x), output)
    if scores.ndim != 2:
        raise ValueError(f"the model must give scores (n, classes), got {tuple(scores.shape)}")
    return torch.cat([torch.zeros_like(scores), scores], 1) if scores.shape[1] == 1 else scores


def checked_input(x: object) -> Tensor:
    """One input of floating-point numbers, or a clear error."""
    if not isinstance(x, Tensor) or x.ndim < 2 or len(x) != 1 or not x.is_floating_point():
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be one input as a floating-point tensor (1, …), got {got}")
    return x.detach()


class LayerPass:
    """The Jacobian of a layer's values at one input, as products with it and with its transpose."""

    def __init__(self, model: nn.Module, recording: Recording, x: Tensor, layer: str):
        self.model, self.recording, self.x = model, recording, x
        self.operation = recording.operation(layer)
        if self.operation.number is None or self.operation.name not in from_input(recording):
            raise ValueError(f"layer must be an operation that depends on the input, got {layer!r}")

    def times(self, directions: Float[Tensor, "k ..."]) -> Float[Tensor, "k n"]:
        """J · direction for each direction."""
        found: list[Tensor] = []

        def tell(name: str, _value: Tensor, changes: Tensor) -> None:
            if name == self.operation.name:
                found.append(changes.flatten(1).clone())
                raise Reached

        tangent_pass(self.model, self.recording, self.x, directions, tell)
        return found[0]

    def transposed_times(self, rows: Float[Tensor, "k n"]) -> Float[Tensor, "k ..."]:
        """The transposed Jacobian times each row."""
        found: list[Tensor] = []

        def tell(value: Tensor) -> None:
            found.append(value * 1)
            raise Reached

        assert self.operation.number is not None
        watched = {self.operation.number: observed(self.operation, tell)}
        with torch.inference_mode(False), borrow(self.model), torch.enable_grad():
            given = self.x.expand(len(rows), *self.x.shape[1:]).clone().requires_grad_()
            with substituting(self.model, self.recording.calls, watched):
                self.model(given)
            (gradient,) = torch.autograd.grad(found[0], given, rows.to(found[0]).view_as(found[0]))
        return gradient.detach()
