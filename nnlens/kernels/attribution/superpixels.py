"""Superpixels: a partition of an image into regions that are switched on and off as a whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from numpy.typing import ArrayLike
from torch import Tensor

from nnlens.kernels.occlusion.occluder import Fill, mask_filling
from nnlens.utils.language import _
from nnlens.utils.suggestions import nearest

Segmentation = Literal["quickshift", "slic", "felzenszwalb", "grid"]
_LARGE = 256  # pixels of the longer side at which quickshift's parameter is searched


def superpixels(
    x: Float[Tensor, "1 c h w"], how: Segmentation = "slic", count: int | None = 50, **options: Any
) -> Integer[np.ndarray, "h w"]:
    """Labels 0…k−1 of an image's parts, int64 (height, width).

    Parameters
    ----------
    x : tensor (1, channels, height, width)
        Stretched to 0…1 for the segmentation; unless there are three channels, the first is taken as grey.
    how : "slic", "quickshift", "felzenszwalb" or "grid"
        The first three by scikit-image; where SLIC finds less than a fifth of what was asked for, a warning says so,
        and a grid is used. "quickshift" is that of LIME's reference implementation (kernel_size 4,
        max_dist 200, ratio 0.2); "grid" is a grid of rectangles, and needs no library.
    count : int
        About how many parts: SLIC and the grid come close; for the two others the parameter that determines the number
        is searched. None uses their defaults.
    **options
        Passed to scikit-image.
    """
    if how not in get_args(Segmentation):
        known = get_args(Segmentation)
        raise ValueError(f"segmentation must be one of {', '.join(known)}, got {how!r}{nearest(str(how), known)}")
    if not isinstance(x, Tensor) or x.ndim != 4 or len(x) != 1:
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be one image as a tensor (1, channels, height, width), got {got}")
    height, width = x.shape[2:]
    if count is not None and not 1 <= count <= height * width:
        raise ValueError(f"segments must be 1…{height * width} (the image's pixels), got {count}")
    if how == "grid":
        count = count or 50
        across = min(width, count) if height == 1 else max(1, min(width, round((count * width / height) ** 0.5)))
        down = max(1, min(height, round(count / across)))
        rows, columns = np.arange(height) * down // height, np.arange(width) * across // width
        result: np.ndarray = (rows[:, None] * across + columns).astype(np.int64)
        return result
    if how == "quickshift" and count is not None and max(height, width) > _LARGE:
        # The time grows with the fourth power of the side.
        small = F.interpolate(x.float(), scale_factor=_LARGE / max(height, width), mode="area")
        return as_labels(_enlarged(superpixels(small, how, count, **options), height, width), x)
    picture = _picture(x)
    try:
        from skimage import segmentation
    except ImportError as error:
        raise ImportError(
            f'segmentation {how!r} needs scikit-image (pip install scikit-image); "grid" does not'
        ) from error
    if how == "slic":
        labels = segmentation.slic(
            picture, **{"n_segments": count or 50, "compactness": 10, "start_label": 0, **options}
        )
        parts = len(np.unique(labels))
        if parts * 5 < (count or 50):  # it merges all of a noisy image
            words = _(
                "SLIC found {parts} of {count} superpixels in this image: they are a grid of rectangles",
                parts=parts,
                count=count or 50,
            )
            warnings.warn(words, stacklevel=2)
            return superpixels(x, "grid", count)
    elif how == "quickshift":
        reference = {"kernel_size": 4, "max_dist": 200, "ratio": 0.2, "rng": 0, **options}
        labels = segmentation.quickshift(picture, **reference)
        if count is not None:
            # A wider kernel gives fewer parts, shorter links give more.
            fewer = len(np.unique(labels)) > count
            knob, low, high = ("kernel_size", 4, max(6, min(height, width) / 16)) if fewer else ("max_dist", 1, 200)

            def shifted(value: float) -> np.ndarray:
                result: np.ndarray = segmentation.quickshift(picture, **{**reference, knob: value})
                return result

            labels = _searched(shifted, count, low, high)
    else:
        own = {"sigma": 0.8, "min_size": 20, **options}

        def merged(scale: float) -> np.ndarray:
            result: np.ndarray = segmentation.felzenszwalb(picture, **{"scale": scale, **own})
            return result

        labels = merged(1.0) if count is None else _searched(merged, count, 1, 10_000)
    return as_labels(labels, x)


def _enlarged(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, columns = np.arange(height) * labels.shape[0] // height, np.arange(width) * labels.shape[1] // width
    result: np.ndarray = labels[rows[:, None], columns]
    return result


def as_labels(segments: ArrayLike, x: Float[Tensor, "1 c h w"]) -> Integer[np.ndarray, "h w"]:
    """Any labelling (height, width) of an image's pixels as 0…k−1, in the order of the labels."""
    labels = np.asarray(segments)
    if labels.shape != tuple(x.shape[2:]) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"segments must be whole numbers of the shape {tuple(x.shape[2:])} (the image's), "
            f"got {labels.dtype} {labels.shape}"
        )
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int64)


def _picture(x: Tensor) -> np.ndarray:
    image = x[0].detach().float().cpu()
    image = image if image.shape[0] == 3 else image[:1].expand(3, -1, -1)
    low, high = image.amin(), image.amax()
    return ((image - low) / (high - low).clamp(min=1e-12)).permute(1, 2, 0).contiguous().numpy().astype(np.float64)


def _searched(cut: Callable[[float], np.ndarray], count: int, low: float, high: float) -> np.ndarray:
    """The segmentation whose number of parts is nearest to `count`, found by bisection of a parameter."""
    cuts: list[tuple[int, int, np.ndarray]] = []
    for _step in range(7):
        middle = (low * high) ** 0.5
        labels = cut(middle)
        parts = len(np.unique(labels))
        cuts.append((abs(parts - count), len(cuts), labels))
        if abs(parts - count) <= count // 20:
            break
        low, high = (middle, high) if parts > count else (low, middle)
    return min(cuts, key=lambda item: item[:2])[2]


def switched_off(x: Tensor, labels: np.ndarray, fill: Fill | Literal["own mean"], seed: int = 0) -> tuple[Tensor, str]:
    """The replacement of switched-off superpixels, (channels, height, width), and its name in words.

    "own mean" is each superpixel's own mean colour, as in LIME's reference implementation; else a fill of `occlusion`.
    """
    if isinstance(fill, str) and fill == "own mean":
        image, at = x[0].cpu().double().flatten(1), torch.from_numpy(labels).flatten()
        sums = torch.zeros((image.shape[0], int(at.max()) + 1), dtype=torch.float64)
        sums.index_add_(1, at, image)
        means = sums / torch.bincount(at)
        return means[:, at].view(x.shape[1:]).to(x), _("each superpixel's own mean colour")
    return mask_filling(x, fill, seed)
