"""Replacements of a layer with several settings, each tried on images: accuracy against FLOPs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from nnlens.kernels.cost.summary import flops
from nnlens.recording import device_of, version_of
from nnlens.scale import Sharding, ShardingOptions
from nnlens.scores.meaning import Output

from ..weight import Weight, find_one
from .factors import METHODS, Method
from .replacing import Replacement, check_forward, check_method, checked_setting, methods_for, replaced, settings_to_try
from .sharded import TopClasses, sharded_top_classes
from .top_classes import BATCH, top_classes


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """Replacements of one layer, so far.

    Attributes
    ----------
    layer : str
    results : tuple of Replacement
    done, total : int
        How many settings were tried, and how many will be.
    accuracy : float or None
        Of the model itself, where the images have labels.
    skipped : tuple of (int, str)
        Images that could not be read, and why.
    """

    layer: str
    results: tuple[Replacement, ...]
    done: int
    total: int
    accuracy: float | None
    skipped: tuple[tuple[int, str], ...] = ()

    def __repr__(self) -> str:
        return f"Sweep({self.layer!r}, {self.done} of {self.total} settings)"

    def smallest(self, loss: float = 0.01) -> Replacement | None:
        """Of the settings that were tried, that with the fewest FLOPs (then numbers) that loses at most this share.

        See `Replacement.loss`, and `loss_interval` for how certain it is. None if no result is good enough and simpler
        than the layer itself.
        """
        good = []
        for result in self.results:
            cost = (result.flops or (0, 0))[1], result.parameters[1]
            saves = cost < ((result.flops or (0, 0))[0], result.parameters[0])
            if result.loss <= loss + 1e-12 and saves:
                good.append((cost, result))
        return min(good, key=lambda pair: pair[0])[1] if good else None


def sweep_steps(
    model: nn.Module,
    layer: str | nn.Module,
    images: Sequence[Tensor] | Tensor,
    *,
    labels: Sequence[int] | None = None,
    methods: Sequence[Method] | None = None,
    settings: Sequence[float] | None = None,
    output: Output = None,
    **options: Unpack[ShardingOptions],
) -> Iterator[Sweep]:
    """Try replacements of a layer on images, one after the other; a result after each batch of images that ends one.

    Parameters
    ----------
    images : tensor (n, …) or sequence of tensors
        Ready inputs of the model.
    labels : sequence of int, optional
        Their classes; without them only the agreement with the model itself is measured.
    methods : sequence of str, optional
        Those that fit the layer by default.
    settings : sequence, optional
        Ranks, or for "prune" shares; a range of them by default. Only with one method.
    output : optional
        Which of several outputs holds the scores.
    **options
        `workers`, who computes, `shard_size`, `store`, `build`, `allow_pickle`: see `kernels.examples_steps`. Each
        shard is then run through all replacements: the results are of the images so far.
    """
    weight, sharding = find_one(model, layer), Sharding(**options)
    if not len(images):
        raise ValueError("images must hold at least one image, got none")
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"labels must be one for each image, got {len(labels)} for {len(images)} images")
    plan = planned(model, weight, methods, settings)
    if sharding.asked or sharding.store is not None:
        yield from _sharded(model, weight, images, labels, plan, output, sharding)
        return
    version = version_of(model)
    for made in _one_by_one(model, weight, images, labels, plan, output):
        if version_of(model) != version:
            raise ValueError("the model has changed during the search: start again")
        yield made


def _one_by_one(
    model: nn.Module,
    weight: Weight,
    images: Sequence[Tensor] | Tensor,
    labels: Sequence[int] | None,
    plan: list[tuple[Method, float | None]],
    output: Output,
) -> Iterator[Sweep]:
    """One replacement after the other, each on all images."""
    tops, classes = np.empty(0, int), 0
    for batch in _batches(images):
        own, classes = top_classes(model, batch, output)
        tops = np.concatenate([tops, own])
        yield Sweep(weight.name, (), 0, len(plan), None)
    known = None if labels is None else _checked_labels(labels, classes)
    accuracy = None if known is None else float((tops == known).mean())
    results: list[Replacement] = []
    for done, (method, setting) in enumerate(plan):
        result = replaced(model, weight, method, setting)
        after = np.empty(0, int)
        for batch in _batches(images):
            after = np.concatenate([after, top_classes(result.model, batch, output)[0]])
            yield Sweep(weight.name, tuple(results), done, len(plan), accuracy)
        result = _with_flops(model, result, images[0])
        results.append(_compared(result, tops, after, known))
        yield Sweep(weight.name, tuple(results), done + 1, len(plan), accuracy)


def _sharded(
    model: nn.Module,
    weight: Weight,
    images: Sequence[Tensor] | Tensor,
    labels: Sequence[int] | None,
    plan: list[tuple[Method, float | None]],
    output: Output,
    sharding: Sharding,
) -> Iterator[Sweep]:
    """All replacements on the images so far, whenever some shards have been read."""
    results: list[Replacement] | None = None
    last: TopClasses | None = None
    made = Sweep(weight.name, (), 0, len(plan), None)
    for found in sharded_top_classes(model, weight, images, plan, output, sharding):
        if found is not last and len(found.items):
            known = None if labels is None else _checked_labels(labels, found.classes)[found.items]
            if results is None:
                first = images[int(found.items[0])]
                results = [_with_flops(model, replaced(model, weight, *one), first) for one in plan]
            own = found.tops[0]
            made = Sweep(
                weight.name,
                tuple(
                    _compared(result, own, after, known) for result, after in zip(results, found.tops[1:], strict=True)
                ),
                int(len(plan) * found.read),
                len(plan),
                None if known is None else float((own == known).mean()),
                found.skipped,
            )
        last = found
        yield made


def _batches(images: Sequence[Tensor] | Tensor) -> Iterator[Tensor]:
    for start in range(0, len(images), BATCH):
        yield torch.stack([images[item] for item in range(start, min(start + BATCH, len(images)))])


def _checked_labels(labels: Sequence[int], classes: int) -> np.ndarray:
    known = np.asarray(labels)
    if known.dtype.kind not in "iu" or not ((known >= 0) & (known < classes)).all():
        raise ValueError(f"labels must be class indices 0…{classes - 1}, got {known[:5].tolist()} …")
    return known


def _with_flops(model: nn.Module, result: Replacement, image: Tensor) -> Replacement:
    """A replacement with the FLOPs before and after it, on one image."""
    first = image.unsqueeze(0).to(device_of(model))
    return changed(result, flops=(flops(model, first), flops(result.model, first)))


def _compared(result: Replacement, before: np.ndarray, after: np.ndarray, known: np.ndarray | None) -> Replacement:
    """A replacement with what it costs in the top classes (images,) before and after it, beside the known ones."""
    right = before if known is None else known
    return changed(
        result,
        agreement=float((after == before).mean()),
        accuracy=None if known is None else (float((before == known).mean()), float((after == known).mean())),
        images=len(before),
        lost=int(((before == right) & (after != right)).sum()),
        won=int(((before != right) & (after == right)).sum()),
    )


def planned(
    model: nn.Module, weight: Weight, methods: Sequence[Method] | None, settings: Sequence[float] | None
) -> list[tuple[Method, float | None]]:
    """The replacements that are tried, in order; TypeError or ValueError for what does not fit the layer."""
    if isinstance(methods, str) or (methods is not None and not isinstance(methods, Sequence)):
        raise TypeError(f"methods must be a list of {', '.join(METHODS)}, got {methods!r}")
    if settings is not None and not isinstance(settings, Sequence):
        raise TypeError(f"settings must be a list of numbers, got {settings!r}")
    chosen = list(methods) if methods is not None else methods_for(weight)
    for method in chosen:
        check_method(weight, method)
        check_forward(model, weight, method)
    if settings is not None and len(chosen) != 1:
        raise ValueError(f"settings must be given with one method, got {len(chosen)} methods")
    plan: list[tuple[Method, float | None]] = []
    for method in chosen:
        tried: Sequence[float | None] = settings_to_try(weight, method)
        if settings is not None:
            name = "amount" if method == "prune" else "rank"
            tried = [checked_setting(weight, method, **{name: setting}) for setting in settings]
        plan += [(method, setting) for setting in tried]
    return plan


def sweep(*arguments: Any, **options: Any) -> Sweep:
    """Try replacements of a layer on images; see `sweep_steps`."""
    *_, last = sweep_steps(*arguments, **options)
    return last
