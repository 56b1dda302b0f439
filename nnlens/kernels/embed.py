"""The embeddings of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nnlens.inputs import as_preprocess
from nnlens.inputs.datasets import ImageDataset
from nnlens.passes.batches import in_batches
from nnlens.recording import borrow, device_of, dtypes_of
from nnlens.scores.meaning import Pick, pick_output
from nnlens.scores.neighbours import Embeddings


def embed(
    model: nn.Module,
    dataset: Any,
    *,
    preprocess: Any = None,
    labels: Sequence[str] | Mapping[int, str] = (),
    output: Pick = None,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> Embeddings:
    """What a model gives for every item of a data set, for `nnlens.outputs.neighbours`.

    Items that cannot be read, and those whose embedding is not finite, are left out.

    Parameters
    ----------
    dataset : folder, tensor (n, c, h, w), torch Dataset or sequence
        See `inputs.datasets.ImageDataset`.
    preprocess, labels : optional
        As for `Lens`.
    output : str, int or callable, optional
        Which of the model's outputs is the embedding (n, width).
    batch_size : int
        How many items in one pass; fewer where memory runs out.
    progress : callable, optional
        Called with the number of items that are done, and of all.

    Raises
    ------
    ValueError
        Where the output has not the form (n, width), or no item can be read.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number, 1 or more, got {batch_size!r}")
    if isinstance(dataset, ImageDataset):
        data = dataset
    else:
        data = ImageDataset(
            dataset, as_preprocess(preprocess), device=device_of(model), dtypes=dtypes_of(model), labels=labels
        )
    values: list[Tensor] = []
    items: list[int] = []
    shape: torch.Size | None = None
    for first in range(0, len(data), batch_size):
        places = range(first, min(first + batch_size, len(data)))
        read = [(place, x) for place in places if (x := data.tensor(place)) is not None]
        for place, x in read:
            shape = shape or x.shape
            if x.shape != shape:
                raise ValueError(
                    f"dataset must hold inputs of one shape, {tuple(shape)}, got {tuple(x.shape)} as item {place}"
                )
        if read:
            found = _of_batch(model, [x for _place, x in read], output, batch_size)
            finite = torch.isfinite(found).all(1).tolist()
            values.append(found[finite])
            items.extend(place for (place, _x), good in zip(read, finite, strict=True) if good)
        if progress is not None:
            progress(places.stop, len(data))
    if not items:
        data.first()  # raises, saying why
        raise ValueError("dataset must hold at least one item that can be read, got none")
    return Embeddings(values=torch.cat(values), items=tuple(items), dataset=data)


def _of_batch(model: nn.Module, rows: list[Tensor], output: Pick, size: int) -> Tensor:
    device, dtype = device_of(model), dtypes_of(model)[0]

    def run(first: int, stop: int) -> Tensor:
        with borrow(model):
            found = pick_output(model(torch.stack(rows[first:stop]).to(device, dtype)), output)
        if found.ndim != 2 or len(found) != stop - first:
            raise ValueError(f"output must be an embedding of the form (n, width), got {tuple(found.shape)}")
        return found.detach().float()

    return torch.cat([part for _first, _stop, part in in_batches(len(rows), run, size=size)])
