"""How alike the layers of two models, or of two checkpoints, are on the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnlens.recording import Recording
from nnlens.utils.language import _, number

from .figures import unit_axis

_SHUFFLES = 20


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Linear CKA between layers, beside that of shuffled inputs.

    Attributes
    ----------
    first, second : tuple of str
        The layers.
    values : array (first, second)
        1 where two layers' values differ by a rotation and a factor only.
    null : array (first, second)
        The mean over random pairings of the inputs: what two unrelated layers of these sizes have with so few inputs.
    high : array (first, second)
        The largest of these.
    inputs : int
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    values: np.ndarray
    null: np.ndarray
    high: np.ndarray
    inputs: int

    def describe(self) -> str:
        """The similarity in words."""
        known = np.isfinite(self.values)
        if not known.any():
            return _("The values of all layers are not finite.")
        above = float((self.values > self.high)[known].mean())
        return _(
            "{count} inputs: {share} % of the pairs of layers are more alike than with shuffled inputs, whose mean is "
            "{null}.",
            count=self.inputs,
            share=number(f"{100 * above:.0f}"),
            null=number(f"{np.nanmean(self.null):.2f}"),
        )


def similarity(
    first: Recording,
    second: Recording,
    *,
    layers: Sequence[str] | None = None,
    second_layers: Sequence[str] | None = None,
    shuffles: int = _SHUFFLES,
    seed: int = 0,
) -> Similarity:
    """Linear centred kernel alignment (Kornblith et al., 2019) of layers in two passes on the same batch.

    The published, biased estimate; it is near 1 for any two layers with more units than inputs. That is why the value
    of shuffled inputs stands beside it.

    Parameters
    ----------
    first, second : Recording
        Of one batch of inputs, at least three.
    layers, second_layers : sequence of str, optional
        Operations or paths of modules; by default those of the kind "activation", or all that keep the batch where
        there are none. `second_layers` are `layers` by default.
    shuffles : int
        How many random pairings.
    seed : int
        Of the pairings.

    Raises
    ------
    ValueError
        For passes on batches of different sizes, or of fewer than three inputs.
    """
    names = batch_layers(first, layers)
    others = batch_layers(second, second_layers if second_layers is not None else layers)
    grams = [_gram(first[name]) for name in names]
    other_grams = [_gram(second[name]) for name in others]
    sizes = {len(gram) for gram in (*grams, *other_grams)}
    if len(sizes) != 1 or min(sizes) < 3:
        raise ValueError(f"first and second must be passes on one batch of at least 3 inputs, got {sorted(sizes)}")
    count = sizes.pop()
    values = _alignments(grams, other_grams)
    generator = np.random.default_rng(seed)
    drawn = []
    for _shuffle in range(shuffles):
        order = torch.from_numpy(generator.permutation(count))
        drawn.append(_alignments(grams, [gram[order][:, order] for gram in other_grams]))
    null = np.array(drawn) if drawn else np.zeros((1, *values.shape))
    return Similarity(
        first=tuple(names), second=tuple(others), values=values, null=null.mean(0), high=null.max(0), inputs=count
    )


def changed_units(first: Recording, second: Recording, layer: str) -> np.ndarray:
    """1 − the correlation of each unit's values in two passes on the same batch, over all inputs and positions.

    0: the unit answers alike, up to scale and shift; 1: unrelated. NaN for a unit that is constant in one of them.

    Returns
    -------
    array (units,)
    """
    rows = []
    for recording in (first, second):
        value = recording[layer].detach().double()
        if value.ndim < 2:
            raise ValueError(f"layer must have units, got {layer!r} of shape {tuple(value.shape)}")
        axis = unit_axis(value, recording, recording.operation(layer))
        row = value.movedim(axis, 0).flatten(1)
        rows.append(row - row.mean(1, keepdim=True))
    one, two = rows
    if one.shape != two.shape:
        raise ValueError(f"first and second must be alike, got {tuple(one.shape)} and {tuple(two.shape)} values")
    lengths = one.norm(dim=1) * two.norm(dim=1)
    correlations = (one * two).sum(1) / torch.where(lengths > 0, lengths, torch.nan)
    result: np.ndarray = (1 - correlations).cpu().numpy()
    return result


def batch_layers(recording: Recording, layers: Sequence[str] | None = None) -> list[str]:
    """Layers of a pass on a batch: as named, or the activation functions, or all that keep the batch."""
    if layers is not None:
        return [recording.resolve(name, "layers") for name in layers]
    batch = next((operation.shape[0] for operation in recording if operation.shape), 0)
    shown = [
        item for item in recording if len(item.shape) > 1 and item.shape[0] == batch and item.dtype.is_floating_point
    ]
    chosen = [item.name for item in shown if item.kind == "activation"] or [item.name for item in shown]
    if not chosen:
        raise ValueError("layers must be given: the pass has none that keeps the batch")
    return chosen


def _gram(value: Tensor) -> Tensor:
    """The centred scalar products between inputs."""
    rows = value.detach().double().flatten(1)
    rows = rows - rows.mean(0)
    return (rows @ rows.T).cpu()


def _alignments(first: list[Tensor], second: list[Tensor]) -> np.ndarray:
    """⟨K, L⟩ ÷ (‖K‖ ‖L‖) of each pair; 0 for a layer that is constant, NaN for one that is not finite."""
    one, two = (torch.stack([gram.flatten() for gram in grams]) for grams in (first, second))
    lengths = one.norm(dim=1)[:, None] * two.norm(dim=1)[None]
    result: np.ndarray = torch.where(lengths == 0, 0, one @ two.T / lengths.clamp_min(1e-300)).numpy()
    return result
