"""A replacement tried on some images of a data set."""

from __future__ import annotations

from typing import Any

from torch import nn

from nnlens.kernels.weights import Replacement, find_one, replace, sweep
from nnlens.kernels.weights.replacement.replacing import checked_setting
from nnlens.session.session import Session


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
    found = session.setup.dataset(dataset).labelled(count)
    tried = sweep(
        model,
        layer,
        found.images,
        labels=found.classes,
        methods=[method],
        settings=None if setting is None else [setting],
        output=session.output,
    )
    return tried.results[0]
