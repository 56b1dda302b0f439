"""The occlusion experiment of Zeiler & Fergus (2013, arXiv:1311.2901, section 4.2).

A patch covers one place of the input after another, and the class scores are noted each time. The result is
one score per *position* of the occluder; `per_pixel` gives the other definition in use, captum's average
over the windows that cover a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..recording import borrow
from ..work import in_batches
from .scores import Pick, ScoreKind, class_scores, is_distribution, probabilities

Fill = float | str | Tensor


@dataclass(frozen=True, eq=False)
class Occlusion:
    """The class scores under every position of an occluder.

    Attributes
    ----------
    logits : float32 array (rows, columns, classes)
        The model's scores with the occluder at each position; NaN where a position was not computed yet.
    computed : bool array (rows, columns)
        Which positions are computed.
    clean : float32 array (classes,)
        The scores of the input as it is.
    tops, lefts : int arrays (rows,), (columns,)
        The occluder's upper edge and left edge, in input pixels. The last window is cropped at the border
        where the stride does not divide the input (as in captum).
    size, stride, image : (int, int)
        Height and width of the occluder, its steps, and the input's height and width, in pixels.
    fill : str
        What the occluder was filled with, in words.
    target : int
        The class that `score` explains unless it is told another.
    forwards : int
        The cost so far, in forward passes of one input each.
    """

    logits: np.ndarray
    computed: np.ndarray
    clean: np.ndarray
    tops: np.ndarray
    lefts: np.ndarray
    size: tuple[int, int]
    stride: tuple[int, int]
    image: tuple[int, int]
    fill: str
    target: int
    forwards: int

    @property
    def complete(self) -> bool:
        return bool(self.computed.all())

    def probabilities(self) -> np.ndarray:
        """The probabilities at every position, (rows, columns, classes)."""
        return probabilities(torch.from_numpy(self.logits), distribution=self._distribution).numpy()

    @property
    def _distribution(self) -> bool:
        return is_distribution(torch.from_numpy(self.clean))

    def clean_score(self, target: int | None = None, kind: ScoreKind = "probability") -> float:
        """The target's score without an occluder."""
        target = self.target if target is None else target
        scores = torch.from_numpy(self.clean)
        return float((probabilities(scores) if kind == "probability" else scores)[target])

    def score(self, target: int | None = None, kind: ScoreKind = "probability") -> np.ndarray:
        """The target's score with the occluder at each position (Zeiler & Fergus), (rows, columns)."""
        target = self.target if target is None else target
        return (self.probabilities() if kind == "probability" else self.logits)[..., target]

    def change(self, target: int | None = None, kind: ScoreKind = "probability") -> np.ndarray:
        """`score` minus the clean score: negative where hiding the place costs the target its score."""
        return self.score(target, kind) - self.clean_score(target, kind)

    def top_class(self) -> np.ndarray:
        """The most probable class at each position (Zeiler & Fergus, fig. 7e); -1 where not computed."""
        return np.where(self.computed, np.nan_to_num(self.logits, nan=-np.inf).argmax(-1), -1)

    def snapshot(self) -> Occlusion:
        """A copy that stays as it is while the experiment goes on."""
        return replace(self, logits=self.logits.copy(), computed=self.computed.copy())

    def describe(self, target: int | None = None) -> str:
        """Where hiding changes the target's probability the most, in words."""
        change = np.where(self.computed, self.change(target), np.nan)
        if np.isnan(change).all():
            return "no position has been computed to a number"
        row, column = np.unravel_index(np.nanargmin(change), change.shape)
        return (
            f"hiding {self.size[0]} × {self.size[1]} pixels at ({self.tops[row]}, {self.lefts[column]}) changes the "
            f"probability the most, by {change[row, column]:+.2f} ({self.computed.sum()} of {change.size} positions)"
        )

    def per_pixel(self, target: int | None = None, kind: ScoreKind = "probability") -> np.ndarray:
        """captum's definition: at each pixel the mean of (clean − occluded) over the windows that cover it.

        Shape (height, width); positive where the pixel supports the target. NaN where no computed window is.
        """
        drop = -self.change(target, kind)
        total, count = np.zeros(self.image), np.zeros(self.image)
        for row, column in np.argwhere(self.computed):
            top, left = self.tops[row], self.lefts[column]
            window = np.s_[top : top + self.size[0], left : left + self.size[1]]
            total[window] += drop[row, column]
            count[window] += 1
        with np.errstate(invalid="ignore"):
            return (total / count).astype(np.float32)


def pair(value: Any, name: str, limit: tuple[int, int] | None = None) -> tuple[int, int]:
    """An int or a pair of ints of at least 1 (and at most `limit`), or an error that names `name`."""
    both = (value, value) if isinstance(value, (int, np.integer)) else value
    if isinstance(value, bool) or not isinstance(both, (tuple, list)) or len(both) != 2:
        raise TypeError(f"{name} must be a whole number of pixels or a pair (height, width), got {value!r}")
    if not all(isinstance(number, (int, np.integer)) for number in both):
        raise TypeError(f"{name} must be a whole number of pixels or a pair (height, width), got {value!r}")
    height, width = int(both[0]), int(both[1])
    if limit is None:
        if min(height, width) < 1:
            raise ValueError(f"{name} must be at least 1 pixel, got {value!r}")
    elif not (1 <= height <= limit[0] and 1 <= width <= limit[1]):
        raise ValueError(f"{name} must be 1…{limit[0]} high and 1…{limit[1]} wide (the input's size), got {value!r}")
    return height, width


def filling(x: Tensor, fill: Fill) -> tuple[Tensor, str]:
    """What stands under the occluder, as a tensor of one input's shape (c, h, w), and its name in words.

    "mean" is each channel's mean, "blur" the input blurred (Gaussian, σ = a tenth of the shorter side); a
    number or a tensor that broadcasts to (c, h, w) is taken as it is, in the model's input units.
    """
    image = x[0]
    if isinstance(fill, Tensor):
        try:
            return fill.to(image).expand(image.shape), "given values"
        except RuntimeError:
            raise ValueError(
                f"fill must broadcast to one input's shape {tuple(image.shape)}, got {tuple(fill.shape)}"
            ) from None
    if isinstance(fill, str):
        if fill == "mean":
            return image.mean((1, 2), keepdim=True).expand(image.shape), "mean colour"
        if fill == "blur":
            return _blur(image, max(1.0, min(image.shape[1:]) / 10)), "blur"
        raise ValueError(f'fill must be a number, a tensor, "mean" or "blur", got {fill!r}')
    if isinstance(fill, bool) or not isinstance(fill, (int, float)):
        raise TypeError(f'fill must be a number, a tensor, "mean" or "blur", got {type(fill).__name__}')
    if not np.isfinite(fill):
        raise ValueError(f"fill must be finite, got {fill}")
    return torch.full_like(image, fill), f"{fill:g}"


def _blur(image: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian blur that weighs only the pixels inside the image."""
    channels = image.shape[0]
    radius = int(3 * sigma)
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    planes = torch.cat([image.float(), torch.ones_like(image[:1], dtype=torch.float32)])[:, None]
    planes = F.conv2d(planes, kernel.view(1, 1, -1, 1), padding=(radius, 0))
    planes = F.conv2d(planes, kernel.view(1, 1, 1, -1), padding=(0, radius))
    return (planes[:channels, 0] / planes[channels:, 0]).to(image.dtype)


def occluded(x: Tensor, places: list[tuple[int, int]], size: tuple[int, int], fill: Tensor) -> Tensor:
    """A copy of `x` (1, c, h, w) per place, its window at (top, left) filled: (places, c, h, w)."""
    batch = x.repeat(len(places), 1, 1, 1)
    for image, (top, left) in zip(batch, places, strict=True):
        window = np.s_[:, max(0, top) : max(0, top + size[0]), max(0, left) : max(0, left + size[1])]
        image[window] = fill[window]
    # Most CPU convolutions are faster so; a single channel has nothing to gain.
    return batch.contiguous(memory_format=torch.channels_last) if x.shape[1] > 1 else batch


def occluded_scores(
    model: nn.Module, x: Tensor, places: list[tuple[int, int]], *, size: Any, fill: Fill, output: Pick = None
) -> np.ndarray:
    """The class scores (places, classes) with the occluder at each (top, left) of `places`, in one batch."""
    _check_input(x)
    window = pair(size, "size", (x.shape[2], x.shape[3]))
    with borrow(model):
        batch = occluded(x, places, window, filling(x, fill)[0])
        return class_scores(model(batch), output).cpu().numpy()


def _check_input(x: Tensor) -> None:
    if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[0] != 1:
        shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be one image as a tensor of shape (1, channels, height, width), got {shape}")
    if not torch.isfinite(x).all():
        raise ValueError("x must be finite, got NaN or infinity")


def _coarse_to_fine(count: int) -> list[list[int]]:
    """0…count-1 in nested levels: both ends and the middle first, then the middle of each gap."""
    known = sorted({round(position) for position in np.linspace(0, count - 1, min(3, count))})
    levels = [known]
    while len(known) < count:
        middles = [(a + b) // 2 for a, b in pairwise(known) if b - a > 1]
        known = sorted([*known, *middles])
        levels.append(known)
    return levels


def _order(rows: int, columns: int) -> list[tuple[int, int]]:
    """All positions of the grid, each level's new ones behind the level before."""
    down, across = _coarse_to_fine(rows), _coarse_to_fine(columns)
    order: dict[tuple[int, int], None] = {}
    for level in range(max(len(down), len(across))):
        for row in down[min(level, len(down) - 1)]:
            for column in across[min(level, len(across) - 1)]:
                order.setdefault((row, column))
    return list(order)


def occlusion_steps(
    model: nn.Module,
    x: Tensor,
    *,
    target: int | None = None,
    size: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    fill: Fill = 0.0,
    output: Pick = None,
    batch_size: int | None = None,
    known: Occlusion | None = None,
    clean: np.ndarray | None = None,
) -> Iterator[Occlusion]:
    """`occlusion`, as it grows: coarse positions first, every yielded result exact where it is computed.

    The yielded results share their arrays, which fill up: keep one with `.snapshot()`. `known` is a result of
    the same call that was left half done: its positions are not computed again. `clean` are the scores of `x`
    as it is, where they are known already.
    """
    _check_input(x)
    image = (x.shape[2], x.shape[3])
    window = pair(max(1, min(image) // 4) if size is None else size, "size", image)
    step = pair(stride, "stride") if stride is not None else (max(1, window[0] // 2), max(1, window[1] // 2))
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
    standing, fill_name = filling(x, fill)
    tops = np.arange(-(-(image[0] - window[0]) // step[0]) + 1) * step[0]
    lefts = np.arange(-(-(image[1] - window[1]) // step[1]) + 1) * step[1]
    passes = 0 if clean is not None else 1
    if clean is None:
        with borrow(model):
            clean = class_scores(model(x.clone()), output)[0].cpu().numpy()
    if np.isnan(clean).any():
        raise ValueError(f"the model returned NaN for x ({np.isnan(clean).sum()} of {clean.size} scores)")
    top = int(clean.argmax()) if target is None else target
    if isinstance(top, bool) or not isinstance(top, (int, np.integer)) or not 0 <= top < clean.size:
        raise ValueError(f"target must be a class index 0…{clean.size - 1}, got {target!r}")
    order = _order(len(tops), len(lefts))
    if known is None:
        logits = np.full((len(tops), len(lefts), clean.size), np.nan, np.float32)
        computed = np.zeros((len(tops), len(lefts)), bool)
        result = Occlusion(logits, computed, clean, tops, lefts, window, step, image, fill_name, int(top), passes)
    else:
        if (known.size, known.stride, known.image) != (window, step, image):
            raise ValueError("known must be a result of the same size, stride and image")
        result = replace(known.snapshot(), target=int(top))
        order = [place for place in order if not known.computed[place]]
        if not order:
            yield result

    def run(start: int, stop: int) -> np.ndarray:
        places = [(int(tops[row]), int(lefts[column])) for row, column in order[start:stop]]
        with borrow(model):
            return class_scores(model(occluded(x, places, window, standing)), output).cpu().numpy()

    # Small batches are the fastest on a CPU (they stay in its caches); an accelerator wants many.
    size_of_batch = batch_size or (4 if x.device.type == "cpu" else 64)
    for start, stop, scores in in_batches(len(order), run, size=size_of_batch):
        for place, values in zip(order[start:stop], scores, strict=True):
            result.logits[place], result.computed[place] = values, True
        result = replace(result, forwards=result.forwards + stop - start)
        yield result


def occlusion(
    model: nn.Module,
    x: Tensor,
    *,
    target: int | None = None,
    size: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    fill: Fill = 0.0,
    output: Pick = None,
    batch_size: int | None = None,
) -> Occlusion:
    """Cover one place of `x` after another and note the class scores each time (Zeiler & Fergus 2013).

    Parameters
    ----------
    x : tensor (1, channels, height, width)
        The model's input. It is not changed.
    target : int, optional
        The class to explain; the most probable one by default. All classes are kept in the result.
    size, stride : int or (int, int)
        The occluder and its steps, in pixels; by default a quarter of the shorter side, and half the size. Where
        the stride does not divide the input, the last window is cropped at the border.
    fill : number, tensor, "mean" or "blur"
        What the occluder shows, in the model's input units: see `filling`.
    output : str, int or callable, optional
        Which of several outputs holds the scores.
    batch_size : int, optional
        Positions per forward pass; halved where memory runs out.

    Returns
    -------
    Occlusion
        `.score()` per position, `.change()` against the clean score, `.per_pixel()` as captum defines it.

    Notes
    -----
    Cost: one forward pass per position, and one for the clean score.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    >>> occlusion(model, torch.ones(1, 1, 4, 4), size=2, stride=2).score().shape
    (2, 2)
    """
    *_, last = occlusion_steps(
        model, x, target=target, size=size, stride=stride, fill=fill, output=output, batch_size=batch_size
    )
    return last
