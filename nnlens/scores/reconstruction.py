"""The error of an autoencoder's reconstruction, as a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from nnlens.utils.language import _

from .meaning import Pick, ScoreMeaning, pick_output
from .per_input import Labels, PerInput, Reading


@dataclass(frozen=True, eq=False)
class ReconstructionError:
    """The mean squared error beside an input as it was; see `reconstruction_error`."""

    x: Tensor
    output: Pick = None

    @property
    def meaning(self) -> ScoreMeaning:
        """What the number means."""
        why = _("the mean squared error of the reconstruction")
        return ScoreMeaning(task="regression", output=self, why=why)

    def made(self, given: Any) -> Tensor:
        """The reconstruction in what the model returned."""
        made = pick_output(given, self.output)
        if made.shape[1:] != self.x.shape[1:]:
            raise ValueError(f"x must have the output's shape {tuple(made.shape[1:])}, got {tuple(self.x.shape[1:])}")
        return made

    def __call__(self, given: Any) -> Float[Tensor, "n 1"]:
        """The error for each input of a batch."""
        made = self.made(given)
        return (made - self.x.to(made)).flatten(1).square().mean(1, keepdim=True)


@dataclass(frozen=True, eq=False)
class OwnReconstruction(PerInput):
    """The error beside whatever the model is given."""

    output: Pick

    def for_input(self, output: Any, x: Tensor, labels: Labels) -> Reading:
        """The error of the reconstruction of this input."""
        made = pick_output(output, self.output)
        if made.shape != x.shape:
            raise ValueError(
                f"output must be a reconstruction, with the input's shape {tuple(x.shape)}, got {tuple(made.shape)}"
            )
        return Reading(ReconstructionError(x.detach(), self.output).meaning, (_("reconstruction error"),))


def reconstruction_error(x: Tensor | None = None, *, output: Pick = None) -> ReconstructionError | OwnReconstruction:
    """The mean squared error of an autoencoder's output beside `x`, or beside each input as it was.

    `Lens(model, output=nnlens.outputs.reconstruction_error())`: what must be hidden so that the whole input is rebuilt
    worse, or better? Views show the reconstruction beside the input.

    Parameters
    ----------
    x : tensor (1, …), optional
        In the form of the output. Without it, each input of the lens.
    output : str, int or callable, optional
        Which of the model's outputs is the reconstruction.

    Examples
    --------
    >>> import torch
    >>> reconstruction_error(torch.zeros(1, 1, 2, 2))(torch.ones(3, 1, 2, 2)).shape
    torch.Size([3, 1])
    """
    if x is not None and not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor in the form of the output, got {type(x).__name__}")
    return OwnReconstruction(output) if x is None else ReconstructionError(x.detach().clone(), output)
