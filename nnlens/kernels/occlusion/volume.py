"""The occlusion experiment on a volume: a box covers one place of it after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn

from nnlens.inputs.as_image import AsImage
from nnlens.inputs.varied import Around, Varied
from nnlens.passes.prepare import prepare_passes
from nnlens.passes.prepared import Prepared
from nnlens.recording import borrow
from nnlens.recording.record import unwrapped
from nnlens.scores.meaning import Output, ScoreKind, ScoreMeaning

from .experiment import occlusion
from .occlusion_map import Occlusion


@dataclass(frozen=True, eq=False, kw_only=True)
class VolumeOcclusion:
    """The class scores under every position of a box in a volume.

    Attributes
    ----------
    maps : tuple of Occlusion
        One map of rows and columns for each depth of the box.
    fronts : int array (depths,)
        The first slice that the box covers, for each of the maps.
    size, stride, volume : (int, int, int)
        Of the box, of its steps and of the volume: depth, height and width in voxels.
    total : int
        How many depths there are in all: the maps of the last ones may be still to come.
    """

    maps: tuple[Occlusion, ...]
    fronts: Integer[np.ndarray, " depths"]
    size: tuple[int, int, int]
    stride: tuple[int, int, int]
    volume: tuple[int, int, int]
    total: int

    def __repr__(self) -> str:
        return f"VolumeOcclusion({self.describe()}; {self.how})"

    @property
    def complete(self) -> bool:
        """Whether every position has been computed."""
        return len(self.maps) == self.total

    @property
    def how(self) -> str:
        """How the positions were computed, in words."""
        return self.maps[0].how

    @property
    def logits(self) -> Float[np.ndarray, "depths rows columns classes"]:
        """The model's scores with the box at each position."""
        return np.stack([one.logits for one in self.maps])

    @property
    def computed(self) -> Bool[np.ndarray, "depths rows columns"]:
        """Which positions are computed."""
        return np.stack([one.computed for one in self.maps])

    def score(self, target: int | None = None, kind: ScoreKind = "probability") -> np.ndarray:
        """The target's score with the box at each position, (depths, rows, columns)."""
        return np.stack([one.score(target, kind) for one in self.maps])

    def change(self, target: int | None = None, kind: ScoreKind = "probability") -> np.ndarray:
        """`score` minus the clean score: negative where hiding the place costs the target its score."""
        return np.stack([one.change(target, kind) for one in self.maps])

    def per_voxel(self, target: int | None = None, kind: ScoreKind = "probability") -> np.ndarray:
        """At each voxel the mean of (clean − occluded) over the boxes that cover it, as captum has it; NaN for none."""
        total, count = np.zeros(self.volume), np.zeros(self.volume)
        for front, one in zip(self.fronts, self.maps, strict=True):
            drop, covered = one.per_pixel(target, kind), _covered(one)
            slab = slice(front, front + self.size[0])
            total[slab] += np.nan_to_num(drop) * covered
            count[slab] += covered
        with np.errstate(invalid="ignore"):
            return (total / count).astype(np.float32)

    def describe(self, target: int | None = None) -> str:
        """In words: where hiding changes the target's score the most."""
        change = self.change(target)
        depth = int(np.unravel_index(np.nanargmin(change), change.shape)[0])
        front = self.fronts[depth]
        return f"slices {front} to {min(front + self.size[0], self.volume[0]) - 1}: {self.maps[depth].describe(target)}"


def _covered(one: Occlusion) -> np.ndarray:
    """How many windows cover each pixel."""
    count = np.zeros(one.image)
    for row, column in np.argwhere(one.computed):
        top, left = one.tops[row], one.lefts[column]
        count[top : top + one.size[0], left : left + one.size[1]] += 1
    return count


def volume_occlusion_steps(
    model: nn.Module,
    x: Float[Tensor, "1 c d h w"],
    *,
    target: int | None = None,
    size: int | tuple[int, int, int] | None = None,
    stride: int | tuple[int, int, int] | None = None,
    fill: float | Tensor = 0.0,
    output: Output = None,
) -> Iterator[VolumeOcclusion]:
    """`volume_occlusion`, as it grows: one depth of the box after another, those in the middle first."""
    if not isinstance(x, Tensor) or x.ndim != 5 or len(x) != 1:
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be one volume as a tensor (1, channels, depth, height, width), got {got}")
    volume = (x.shape[2], x.shape[3], x.shape[4])
    box = _three(max(1, min(volume) // 4) if size is None else size, "size", volume)
    step = _three(tuple(max(1, side // 2) for side in box) if stride is None else stride, "stride", None)
    fronts = np.arange(-(-(volume[0] - box[0]) // step[0]) + 1) * step[0]
    layout = AsImage.of("ncdhw", tuple(x.shape))
    maps: dict[int, Occlusion] = {}
    prepared: Prepared | None = None
    middle = len(fronts) // 2
    for place in sorted(range(len(fronts)), key=lambda item: abs(item - middle)):
        front = int(fronts[place])
        own = layout.at(tuple(x.shape), first=front, count=min(box[0], volume[0] - front))
        around = Around(args=(x,), keywords={}, path=(0,), as_image=own, names={(0,): "x"})
        slab, varied = own.image(x), Varied(unwrapped(model), around)
        prepared = prepare_passes(varied, slab, output, like=prepared)
        maps[place] = occlusion(
            varied,
            slab,
            target=target,
            size=box[1:],
            stride=step[1:],
            fill=_filling(fill, x, own.count),
            output=output,
            prepared=prepared,
        )
        target = maps[place].target
        known = sorted(maps)
        yield VolumeOcclusion(
            maps=tuple(maps[item] for item in known),
            fronts=fronts[known],
            size=box,
            stride=step,
            volume=volume,
            total=len(fronts),
        )


def volume_occlusion(
    model: nn.Module,
    x: Float[Tensor, "1 c d h w"],
    *,
    target: int | None = None,
    size: int | tuple[int, int, int] | None = None,
    stride: int | tuple[int, int, int] | None = None,
    fill: float | Tensor = 0.0,
    output: Output = None,
) -> VolumeOcclusion:
    """Cover one place of a volume after another with a box, and record the class scores each time.

    Parameters
    ----------
    x : tensor (1, channels, depth, height, width)
        The model's input. It is not changed.
    target : int, optional
        The class to explain; the most probable one by default.
    size, stride : int or (int, int, int)
        The box and its steps, in voxels; by default a quarter of the shortest side, and half the size.
    fill : number or tensor (channels,)
        What the box shows, in the model's input units.
    output : str, int, callable or ScoreMeaning, optional
        Which of several outputs holds the scores, or what they mean.

    Returns
    -------
    VolumeOcclusion
        `.score()` per position, `.change()` against the clean score, `.per_voxel()` as captum defines it.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten())
    >>> volume_occlusion(model, torch.ones(1, 1, 6, 6, 6), size=2, stride=2).score().shape
    (3, 3, 3)
    """
    *_, last = volume_occlusion_steps(model, x, target=target, size=size, stride=stride, fill=fill, output=output)
    return last


def scores_without_box(
    model: nn.Module, around: Around, first: tuple[int, int, int], size: int, meaning: ScoreMeaning
) -> Float[np.ndarray, " classes"]:
    """The scores of a volume, of any axes and beside any other inputs, with one cube replaced by its channels' means.

    Parameters
    ----------
    around : Around
        What the model is called with; a volume is varied.
    first : (int, int, int)
        The cube's corner: depth, row and column.
    size : int
        Its side, in voxels.
    """
    axes = [around.as_image.axes.index(letter) for letter in "dhw"]
    where: list[Any] = [slice(None)] * around.value.ndim
    for axis, begin in zip(axes, first, strict=True):
        where[axis] = slice(begin, begin + size)
    changed = around.value.clone()
    changed[tuple(where)] = around.value.float().mean(axes, keepdim=True).to(changed)
    args, keywords = around.call_with(changed)
    with borrow(model):
        scores: np.ndarray = meaning.read(model(*args, **keywords), 1)[0].cpu().numpy()
    if problem := meaning.problem(torch.from_numpy(scores)):
        raise ValueError(f"the model returned {problem} with the box at {first}")
    return scores


def _three(value: int | tuple[int, ...], name: str, limit: tuple[int, int, int] | None) -> tuple[int, int, int]:
    values = (value,) * 3 if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else value
    if not isinstance(values, (tuple, list)) or len(values) != 3 or not all(type(item) is int for item in values):
        raise TypeError(f"{name} must be a whole number of voxels or (depth, height, width), got {value!r}")
    if min(values) < 1 or (limit is not None and any(a > b for a, b in zip(values, limit, strict=True))):
        most = "" if limit is None else f" and at most the volume's {limit}"
        raise ValueError(f"{name} must be at least 1{most}, got {value!r}")
    return values[0], values[1], values[2]


def _filling(fill: float | Tensor, x: Tensor, slices: int) -> float | Tensor:
    """The fill of a slab, whose channels are those of its slices."""
    if not isinstance(fill, Tensor):
        return fill
    if fill.shape != x.shape[1:2]:
        raise ValueError(f"fill must be a number or a tensor of {x.shape[1]} channels, got {tuple(fill.shape)}")
    return fill.repeat(slices).view(-1, 1, 1)
