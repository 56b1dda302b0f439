"""The similarity of an embedding to some references, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nnlens.utils.language import _

from .meaning import Pick, ScoreMeaning, pick_output


@dataclass(frozen=True, eq=False)
class Similarity:
    """The cosine similarity of an embedding to each of some references; see `similarity`.

    Attributes
    ----------
    references : tensor (k, width)
        The references, each with a norm of 1.
    """

    references: Float[Tensor, "k width"]
    output: Pick = None

    @property
    def meaning(self) -> ScoreMeaning:
        """What the numbers mean."""
        return ScoreMeaning(task="regression", output=self, why=_("the cosine similarity to references"))

    def __call__(self, given: Any) -> Float[Tensor, "n k"]:
        """The similarities for each input of a batch."""
        embedding = pick_output(given, self.output)
        if embedding.ndim != 2 or embedding.shape[1] != self.references.shape[1]:
            got = f"{self.references.shape[1]} for {tuple(embedding.shape)}"
            raise ValueError(f"references must be as wide as the embeddings (n, width), got {got}")
        return F.normalize(embedding.float(), dim=1) @ self.references.T.to(embedding.device)


def similarity(references: Float[Tensor, "k width"], *, output: Pick = None) -> Similarity:
    """The cosine similarity of an embedding to each of some references, which take the place of classes.

    `Lens(model, output=nnlens.outputs.similarity(references), labels=names)`. `neighbours` chooses
    the references for each input: those of a data set that are nearest to it.

    Parameters
    ----------
    references : tensor (k, width)
        Embeddings of the same model: of other images, or the mean of a set.
    output : str, int or callable, optional
        Which of the model's outputs is the embedding (n, width).

    Examples
    --------
    >>> import torch
    >>> read = similarity(torch.eye(2))
    >>> read(torch.tensor([[3.0, 0.0]])).tolist()
    [[1.0, 0.0]]
    """
    if not isinstance(references, Tensor) or references.ndim != 2:
        got = tuple(references.shape) if isinstance(references, Tensor) else type(references).__name__
        raise ValueError(f"references must be a tensor (k, width), got {got}")
    return Similarity(F.normalize(references.detach().float(), dim=1), output)
