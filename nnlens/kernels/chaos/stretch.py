"""The directions that a network stretches most, and its stretch per layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.recording import Recording, record
from nnlens.scores.meaning import Pick, pick_output
from nnlens.utils.language import _, number

from .growth import random_directions
from .passes import LayerPass, checked_input

_WEIGHTED = {"linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Stretch:
    """The largest singular values of the Jacobian from the input to a layer, and their directions.

    Attributes
    ----------
    values : float64 array (directions,)
        The largest first.
    directions : float32 tensor (directions, *input)
        Of length 1 in the input, each at right angles to the others.
    depth : int
        How many operations with weights there are up to the layer.
    """

    values: Float[np.ndarray, " directions"]
    directions: Float[Tensor, "directions ..."]
    depth: int

    @property
    def exponents(self) -> Float[np.ndarray, " directions"]:
        """ln(singular value) ÷ depth, the finite-depth stretch; −∞ for the value 0.

        Over infinitely many layers these would be Lyapunov exponents (Oseledets); networks have few.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.values) / max(1, self.depth))

    def describe(self) -> str:
        """In words: "the largest of 8 stretches is 12.3, per layer 1.18 over 15 layers"."""
        return _(
            "the largest of {count} stretches is {value}, per layer {each} over {depth} layers",
            count=len(self.values),
            value=number(f"{self.values[0]:.3g}"),
            each=number(f"{np.exp(self.exponents[0]):.3g}"),
            depth=self.depth,
        )

    def __repr__(self) -> str:
        return f"Stretch({self.describe()})"


def stretch(
    model: nn.Module,
    x: Float[Tensor, "1 ..."],
    layer: str | None = None,
    *,
    directions: int = 8,
    rounds: int = 8,
    output: Pick = None,
) -> Stretch:
    """The largest singular values of the Jacobian at an input, by subspace iteration with QR.

    Each round sends the directions through J and back through its transpose, and makes them orthogonal again (Halko et
    al. 2011, arXiv:0909.4061, algorithm 4.4). J is never written out.

    Parameters
    ----------
    layer : str, optional
        The operation; the scores by default.
    directions : int
        How many; no more than the layer or the input has values.
    rounds : int
        Values that are close together need many rounds to be told apart; the largest converges first.

    Raises
    ------
    ValueError
        For what is not one input, an unknown layer, and numbers out of range.
    """
    point = checked_input(x)
    if not 1 <= directions <= point[0].numel() or rounds < 1:
        raise ValueError(
            f"directions must be 1…{point[0].numel()} and rounds at least 1, got {directions} and {rounds}"
        )
    recording = record(model, point)
    jacobian = LayerPass(model, recording, point, layer or _scores(recording, output))
    columns = random_directions(point, directions)
    for _round in range(rounds):
        back = jacobian.transposed_times(jacobian.times(columns)).flatten(1)
        columns = torch.linalg.qr(back.T)[0].T.view_as(columns)
    values, right = torch.linalg.svd(jacobian.times(columns).T, full_matrices=False)[1:]
    turned = (right @ columns.flatten(1)).view(len(values), *columns.shape[1:])
    depth = 0
    for operation in recording:
        depth += operation.op in _WEIGHTED
        if operation.name == jacobian.operation.name:
            break
    return Stretch(values=values.double().cpu().numpy(), directions=turned.float().cpu(), depth=depth)


def _scores(recording: Recording, output: Pick) -> str:
    """The operation that makes the scores."""
    made = recording.maker_of(pick_output(recording.output, output))
    if made is None:
        raise ValueError("the scores are not what one recorded operation returns; name a layer")
    return made.name
