"""The scores with something hidden: an occluder at some places, at one place in several sizes, or any mask."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from nnlens.passes.batches import in_batches
from nnlens.passes.prepare import current_passes, meaning_for
from nnlens.passes.prepared import Prepared
from nnlens.passes.trust import Level
from nnlens.passes.whole_passes import WholePasses
from nnlens.scores.meaning import Output

from .engine import BLOCK, Engine
from .laid_out import as_image
from .occluder import Fill, Occluder, Shape, mask_filling, occluder

ONE = "one place"  # the way of a single place, of which the pace is noted


def occluded_scores(
    model: nn.Module,
    x: Float[Tensor, "1 c h w"],
    places: list[tuple[int, int]],
    *,
    size: Any,
    fill: Fill,
    shape: Shape = "rectangle",
    seed: int = 0,
    output: Output = None,
    prepared: Prepared | None = None,
) -> Float[np.ndarray, "n classes"]:
    """The class scores (places, classes) with the occluder at each (top, left) of `places`.

    Places may lie partly outside of the input; of a signal the top is 0. For the other parameters see `occlusion`.
    """
    model, x = as_image(model, x)
    window = occluder(x, size=size, shape=shape, fill=fill, seed=seed)
    return scores_under(model, window, places, output=output, prepared=prepared)


def scores_under(
    model: nn.Module,
    window: Occluder,
    places: list[tuple[int, int]],
    *,
    output: Output = None,
    prepared: Prepared | None = None,
    compare: bool = True,
) -> Float[np.ndarray, "n classes"]:
    """The class scores (places, classes) with an occluder, made once, at each (top, left) of `places`.

    Where it is not known yet which engine is the faster one for a single place, `compare` tries torch, too; without it
    ONNX Runtime is used if the model is prepared for it.
    """
    x, (height, width) = window.x, window.size
    tops, lefts = np.arange(1 - height, x.shape[2]), np.arange(1 - width, x.shape[3])
    wanted = np.array(places, int).reshape(-1, 2)
    for top, left in wanted:
        if not (tops[0] <= top <= tops[-1] and lefts[0] <= left <= lefts[-1]):
            raise ValueError(f"places must touch the input of {x.shape[2]} × {x.shape[3]} pixels, got ({top}, {left})")
    prepared = current_passes(model, x, output, prepared)
    meaning = meaning_for(model, x, output, prepared)
    alone = prepared if len(wanted) == 1 else None
    faster = False
    if alone is not None and alone.onnx is not None:
        faster = not compare if is_undecided(alone) else alone.onnx.seconds < alone.pace(ONE)
    if faster and alone is not None and alone.onnx is not None:
        try:
            one: np.ndarray = alone.onnx(window.cover(wanted[:, 0], wanted[:, 1])).cpu().numpy()
        except Exception:
            alone.onnx = None  # torch goes on
        else:
            return one
    engine = Engine(model, window, tops, lefts, meaning=meaning, prepared=prepared)
    rows, columns = wanted[:, 0] - tops[0], wanted[:, 1] - lefts[0]

    def run() -> np.ndarray:
        batches = in_batches(len(rows), lambda start, stop: engine(rows[start:stop], columns[start:stop]), size=BLOCK)
        return np.concatenate([part for _, _, part in batches])

    began = time.perf_counter()
    scores, known = run(), engine.prepared
    if alone is not None and engine.level == Level.WINDOWS:
        alone.note_pace(ONE, time.perf_counter() - began)
    if known is not None and not known.trust.windows_checked:
        if known.trust.level < Level.SINGLE and engine.mixes():
            known.trust.level = engine.level = Level.SINGLE
            scores = run()
        while not engine.check(rows[:1], columns[:1], scores[:1]) and engine.level < Level.SINGLE:
            scores = run()
        known.trust.windows_checked = True
    return scores


def is_undecided(prepared: Prepared | None) -> bool:
    """Whether it is not known yet which engine is the faster one for a single place."""
    return prepared is not None and prepared.onnx is not None and not prepared.pace(ONE)


def masked_scores(
    model: nn.Module,
    x: Float[Tensor, "1 c h w"],
    masks: Shaped[np.ndarray, "n h w"],
    *,
    fill: Fill,
    seed: int = 0,
    output: Output = None,
    prepared: Prepared | None = None,
) -> Float[np.ndarray, "n classes"]:
    """The class scores (n, classes) with the pixels hidden that each of the masks (n, height, width) marks.

    A mask of any form may change everything: these are whole passes of the prepared model. `fill` "surround"
    is refused: a mask has no window whose surroundings could be taken.
    """
    under, _ = mask_filling(occluder(x, seed=seed).x, fill, seed)
    hidden = torch.as_tensor(masks).bool().to(x.device)
    if hidden.shape[1:] != x.shape[2:]:
        raise ValueError(f"masks must be (n, {x.shape[2]}, {x.shape[3]}) as the input, got {tuple(hidden.shape)}")
    return _whole(
        model,
        x,
        len(hidden),
        lambda start, stop: torch.where(hidden[start:stop, None], under, x),
        output,
        prepared,
    )


def channel_scores(
    model: nn.Module,
    x: Float[Tensor, "1 c h w"],
    groups: Sequence[Sequence[int]] | None = None,
    *,
    fill: Fill = "mean",
    seed: int = 0,
    output: Output = None,
    prepared: Prepared | None = None,
) -> Float[np.ndarray, "n classes"]:
    """Which channels matter: the class scores (n, classes) with each channel hidden, or each group of channels.

    Bands of a satellite, leads of an electrocardiogram, sensors.

    Parameters
    ----------
    groups : sequence of sequences of int, optional
        The channels that are hidden together; each of them alone if left out.
    fill : optional
        What takes their place: see `occluder.filling`; each channel's mean by default.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(5, 2, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> channel_scores(model, torch.randn(1, 5, 4, 4), fill=0.0).shape
    (5, 2)
    """
    if x.ndim == 2:
        raise ValueError(
            "x must have channels; for numbers (1, features) use kernels.occlusion(model, x, size=1, stride=1)"
        )
    model, x = as_image(model, x)
    under, _ = mask_filling(occluder(x, seed=seed).x, fill, seed)
    channels = x.shape[1]
    chosen: list[Any] = [[channel] for channel in range(channels)] if groups is None else list(groups)
    if not chosen:
        raise ValueError("groups must hold at least one group of channels, got none")
    for group in chosen:
        if (
            not isinstance(group, (list, tuple))
            or not group
            or not all(isinstance(item, (int, np.integer)) and 0 <= item < channels for item in group)
        ):
            raise ValueError(f"groups must hold channels 0…{channels - 1}, at least one each, got {group}")
    hidden = torch.zeros(len(chosen), channels, 1, 1, dtype=torch.bool, device=x.device)
    for place, group in enumerate(chosen):
        hidden[place, list(group)] = True

    def images(start: int, stop: int) -> Tensor:
        return torch.where(hidden[start:stop], under, x)

    return _whole(model, x, len(chosen), images, output, prepared)


def size_curve(
    model: nn.Module,
    x: Float[Tensor, "1 c h w"],
    centre: tuple[float, float],
    sizes: Sequence[int],
    *,
    fill: Fill,
    shape: str = "rectangle",
    seed: int = 0,
    output: Output = None,
    prepared: Prepared | None = None,
) -> Float[np.ndarray, "n classes"]:
    """The class scores (sizes, classes) under square occluders of several sizes around one place (row, column)."""
    windows = [occluder(x, size=size, shape=shape, fill=fill, seed=seed) for size in sizes]

    def images(start: int, stop: int) -> Tensor:
        covered = []
        for window in windows[start:stop]:
            top, left = (np.array([round(at - side / 2)]) for at, side in zip(centre, window.size, strict=True))
            covered.append(window.cover(top, left))
        return torch.cat(covered)

    return _whole(model, x, len(windows), images, output, prepared)


def _whole(
    model: nn.Module,
    x: Float[Tensor, "1 c h w"],
    count: int,
    images: Callable[[int, int], Tensor],
    output: Output,
    prepared: Prepared | None,
) -> np.ndarray:
    """The scores of images by whole passes, of the prepared model where that is right."""
    return WholePasses(model, x, output=output, prepared=prepared).many(count, images).cpu().numpy()
