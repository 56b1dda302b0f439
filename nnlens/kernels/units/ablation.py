"""Ablation: the scores of a model without one unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from nnlens.geometry.axes import unit_places
from nnlens.passes.partial_pass import PartialPass
from nnlens.passes.prepared import Prepared
from nnlens.recording import Recording, borrow, observed, record, substituting
from nnlens.recording.record import unwrapped
from nnlens.scores.detection import meaning_of
from nnlens.scores.meaning import Output, ScoreMeaning
from nnlens.utils.language import _, number

Replacement = Literal["zero", "mean"] | float


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Ablation:
    """The scores with and without a unit.

    Attributes
    ----------
    layer, unit : str and int
    replacement : "zero", "mean" or float
        The replacement of the unit's map: 0; the mean of the map, for each input; or this number.
    clean, ablated : float32 arrays (inputs, classes)
        The scores as they are, and without the unit.
    meaning : ScoreMeaning
        What the scores mean.
    """

    layer: str
    unit: int
    replacement: Replacement
    clean: Float[np.ndarray, "n classes"]
    ablated: Float[np.ndarray, "n classes"]
    meaning: ScoreMeaning

    def describe(self) -> str:
        """In words: "without relu · 3 (replaced with 0) another class is on top in 4 of 1000 inputs"."""
        replacement = {"zero": "0", "mean": _("its mean")}.get(str(self.replacement), number(str(self.replacement)))
        return _(
            "without {layer} · {unit} (replaced with {replacement}) another class is on top in {changed} of {count} "
            "inputs",
            layer=self.layer,
            unit=self.unit,
            replacement=replacement,
            changed=int(self.top_class_changed().sum()),
            count=len(self.clean),
        )

    def __repr__(self) -> str:
        return f"Ablation({self.describe()})"

    def probabilities(self) -> tuple[np.ndarray, np.ndarray]:
        """(inputs, classes) as they are, and without the unit."""
        rows = map(torch.from_numpy, (self.clean, self.ablated))
        before, after = (self.meaning.probabilities(row).numpy() for row in rows)
        return before, after

    def change(self) -> np.ndarray:
        """By class, the mean change of its probability: (classes,)."""
        before, after = self.probabilities()
        mean: np.ndarray = (after - before).mean(0)
        return mean

    def top_class_changed(self) -> np.ndarray:
        """For which inputs another class is on top: bool (inputs,)."""
        changed: np.ndarray = self.clean.argmax(1) != self.ablated.argmax(1)
        return changed


def ablation(
    model: nn.Module,
    x: Shaped[Tensor, "n ..."],
    layer: str,
    unit: int,
    *,
    replacement: Replacement = "zero",
    output: Output = None,
    recording: Recording | None = None,
    prepared: Prepared | None = None,
) -> Ablation:
    """The scores of a batch with one unit's map replaced, and without that: two passes.

    "zero" for a unit of a convolution equals setting its weights and bias to 0.

    Parameters
    ----------
    x : tensor (n, …)
    layer, unit : str and int
        Numbered as in the views.
    replacement : "zero", "mean" or float
    recording, prepared : optional
        A whole pass on one such input, and the prepared model, if already computed.

    Raises
    ------
    ValueError
        For a layer or unit that is not there, or one that is computed inside another operation; for a number that is
        not finite.
    """
    if isinstance(replacement, str):
        if replacement not in ("zero", "mean"):
            raise ValueError(f'replacement must be "zero", "mean" or a number, got {replacement!r}')
    elif (
        isinstance(replacement, bool)
        or not isinstance(replacement, (int, float, np.number))
        or not np.isfinite(replacement)
    ):
        raise ValueError(f'replacement must be "zero", "mean" or a finite number, got {replacement!r}')
    if len(x) == 0:
        raise ValueError("x must hold at least one input, got an empty batch")
    model = unwrapped(model)
    recording = record(model, x[:1]) if recording is None else recording
    operation = recording.operation(layer)
    own = torch.from_numpy(unit_places(recording, operation, unit, whole=True).ravel()).to(x.device)

    def without(value: Tensor) -> Tensor:
        if value.numel() != len(x) * int(np.prod(operation.shape)):
            raise ValueError(f"layer {operation.name!r} must give a value per input, got {tuple(value.shape)}")
        flat = value.clone().reshape(len(x), -1)
        if replacement == "mean":
            flat[:, own] = flat[:, own].mean(1, keepdim=True)
        else:
            flat[:, own] = 0 if replacement == "zero" else replacement
        return flat.view(value.shape)

    # Checks that the layer can be changed, and gives the replacements of the fast pass.
    base = PartialPass(model, recording, [operation.name], prepared=prepared).base
    number = operation.number or 0
    changed = {**base, number: observed(operation, without, base.get(number))}
    meaning = meaning_of(output, recording.output, recording)
    rows = []
    argument: Any
    with borrow(model):
        for replacements in (base, changed):
            argument = x.detach().clone()  # the forward may write into it
            with substituting(model, recording.calls, replacements):
                argument = model(argument)
            rows.append(meaning.read(argument, len(x)).detach().cpu())
    clean, ablated = (row.numpy() for row in rows)
    return Ablation(
        layer=operation.name, unit=unit, replacement=replacement, clean=clean, ablated=ablated, meaning=meaning
    )


@runtime_checkable
class Inputs(Protocol):
    """A data set of single inputs; see `inputs.datasets.ImageDataset`."""

    def __len__(self) -> int: ...

    def tensor(self, item: int, /) -> Tensor | None:
        """The input without a batch; None where it cannot be read."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DatasetAblation:
    """The effect of ablating a unit on the inputs of a data set, so far.

    Attributes
    ----------
    done, total : int
        How many inputs have been processed, and how many there are; `seen` is how many of them could be read.
    top_class_changes : int
        For how many inputs the top class changes.
    change : float array (classes,)
        The mean change of each class's probability.
    """

    done: int
    total: int
    seen: int
    top_class_changes: int
    change: Float[np.ndarray, " classes"]

    @property
    def complete(self) -> bool:
        """Whether all inputs were used."""
        return self.done == self.total


def dataset_ablation_steps(
    model: nn.Module,
    dataset: Inputs,
    layer: str,
    unit: int,
    *,
    recording: Recording,
    replacement: Replacement = "zero",
    output: Output = None,
    prepared: Prepared | None = None,
    batch_size: int = 16,
) -> Iterator[DatasetAblation]:
    """`ablation` over a data set, batch by batch: the result so far after each."""
    change, changed, seen = np.zeros(0), 0, 0
    for start in range(0, len(dataset), batch_size):
        stop = min(start + batch_size, len(dataset))
        rows = [row for row in map(dataset.tensor, range(start, stop)) if row is not None]
        if rows:
            about: Any = {"output": output, "recording": recording, "prepared": prepared, "replacement": replacement}
            result = ablation(model, torch.stack(rows), layer, unit, **about)
            total = result.change() * len(rows)
            change = total if not seen else change + total
            changed, seen = changed + int(result.top_class_changed().sum()), seen + len(rows)
        mean = change / seen if seen else change
        yield DatasetAblation(done=stop, total=len(dataset), seen=seen, top_class_changes=changed, change=mean)
