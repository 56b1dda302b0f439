"""The nearest neighbours of an embedding in a data set, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from nnlens.inputs.datasets import ImageDataset
from nnlens.utils.language import _

from .meaning import Pick, ScoreMeaning
from .per_input import Labels, PerInput, Reading
from .similarity import Similarity


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Embeddings:
    """The embeddings of a data set; `kernels.embed` makes them.

    Attributes
    ----------
    values : tensor (n, width)
    items : tuple of int
        Which item of the data set each row belongs to: one that cannot be read has none.
    dataset : ImageDataset
    """

    values: Float[Tensor, "n width"]
    items: tuple[int, ...]
    dataset: ImageDataset

    def __repr__(self) -> str:
        return f"Embeddings({len(self.items)} items of {self.values.shape[1]} numbers)"

    def name(self, row: int) -> str:
        """What an item is called, with its label where it has one."""
        item = self.items[row]
        name, label = self.dataset.name(item), self.dataset.label(item)
        return f"{label}: {name}" if label else name

    def picture(self, row: int) -> Image.Image:
        """The item's picture."""
        return self.dataset.input(self.items[row]).shown


@dataclass(frozen=True, eq=False, kw_only=True)
class NeighbourSimilarity(Similarity):
    """The similarity to the neighbours of one input, which are some rows of the embeddings."""

    embeddings: Embeddings
    rows: tuple[int, ...]

    @property
    def meaning(self) -> ScoreMeaning:
        """What the numbers mean."""
        why = _("the cosine similarity to the nearest items of a data set")
        return ScoreMeaning(task="regression", output=self, why=why)


@dataclass(frozen=True, eq=False, kw_only=True)
class Neighbours(PerInput):
    """The `output` of a lens for embeddings; see `neighbours`."""

    embeddings: Embeddings
    most: int
    output: Pick

    def for_input(self, output: Any, x: Tensor, labels: Labels) -> Reading:
        """The similarity to each of the nearest items of the data set."""
        everything = Similarity(F.normalize(self.embeddings.values.float(), dim=1), self.output)
        similarities = everything(output)[0].detach()
        rows = similarities.argsort(descending=True, stable=True)[: self.most]
        references = everything.references[rows.to(everything.references.device)]
        places = tuple(int(row) for row in rows)
        reader = NeighbourSimilarity(references, self.output, embeddings=self.embeddings, rows=places)
        names = [self.embeddings.name(row) for row in places]
        if len(set(names)) < len(names):
            names = [f"{name} ({self.embeddings.items[row]})" for name, row in zip(names, places, strict=True)]
        return Reading(reader.meaning, tuple(names))


def neighbours(embeddings: Embeddings, *, most: int = 8, output: Pick = None) -> Neighbours:
    """The similarity to the nearest items of a data set, which take the place of classes, with their pictures.

    `Lens(model, preprocess=…, output=nnlens.outputs.neighbours(nnlens.kernels.embed(model, images, preprocess=…)))`.
    A click on a neighbour asks what makes the input similar to it. The neighbours are those of the input as it is:
    they stay the same while parts of it are hidden.

    Parameters
    ----------
    embeddings : Embeddings
        Of the same model: see `kernels.embed`.
    most : int
        How many neighbours.
    output : str, int or callable, optional
        Which of the model's outputs is the embedding (n, width).
    """
    if not isinstance(embeddings, Embeddings):
        raise TypeError(f"embeddings must be what kernels.embed gives, got {type(embeddings).__name__}")
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ValueError(f"most must be a whole number, 1 or more, got {most!r}")
    return Neighbours(embeddings=embeddings, most=most, output=output)
