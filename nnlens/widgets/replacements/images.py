"""Some images of a data set with the indices of their classes, and a replacement tried on them."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nnlens.inputs.datasets import ImageDataset
from nnlens.kernels.weights import Replacement, find_one, replace, sweep
from nnlens.kernels.weights.replacement.replacing import checked_setting
from nnlens.session.session import Session


def labelled_images(
    session: Session, data: ImageDataset, count: int
) -> tuple[Float[Tensor, "n channels h w"], list[int] | None]:
    """At most `count` images, evenly spread, and their classes; None where one has no label of the model's classes.

    Images that cannot be read are left out. Raises ValueError where none can be.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"count must be a whole number, 1 or more, got {count!r}")
    total = len(data)
    count = min(count, total)
    places = sorted({round(at * (total - 1) / max(1, count - 1)) for at in range(count)})
    found = [(place, image) for place in places if (image := data.tensor(place)) is not None]
    if not found:
        data.first()  # raises, saying why
    names = session.setup.labels or ()
    by_name = {name: index for index, name in (names.items() if isinstance(names, dict) else enumerate(names))}
    labels = [
        by_name.get(label, int(label) if label.isdigit() else None) for label in (data.label(at) for at, _ in found)
    ]
    known = [label for label in labels if label is not None]
    return torch.stack([image for _place, image in found]), known if len(known) == len(labels) else None


def replaced_on(
    session: Session,
    layer: str | nn.Module,
    method: Any,
    *,
    rank: int | None,
    amount: float | None,
    dataset: Any,
    count: int,
) -> Replacement:
    """A replacement with its cost, and what it does to the images of a data set where there is one."""
    model = session.model
    if dataset is None:
        blank = session.selections.is_empty or session.selections.latest.sample.is_blank
        inputs, keywords = ((), {}) if blank else session.selections.latest.sample.input.call
        return replace(model, layer, method, *inputs, rank=rank, amount=amount, **keywords)
    setting = checked_setting(find_one(model, layer), method, rank=rank, amount=amount)
    images, labels = labelled_images(session, session.setup.dataset(dataset), count)
    tried = sweep(
        model,
        layer,
        images,
        labels=labels,
        methods=[method],
        settings=None if setting is None else [setting],
        output=session.output,
    )
    return tried.results[0]
