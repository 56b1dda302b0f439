"""The similarity of two maps (rank correlation, structure), and the edges of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from nnlens.kernels.attribution.result import Attribution


def spearman(a: Shaped[np.ndarray, "*shape"], b: Shaped[np.ndarray, "*shape"]) -> float:
    """Spearman's rank correlation, ties sharing their mean rank; NaN where one of the two does not vary."""
    first, second = ranks(a), ranks(b)
    first, second = first - first.mean(), second - second.mean()
    below = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / below) if below > 0 else float("nan")


def ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value from 1, flat; ties share their mean rank."""
    flat = np.asarray(values, np.float64).ravel()
    _, inverse, count = np.unique(flat, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[inverse]


def structural_similarity(a: Shaped[np.ndarray, "h w"], b: Shaped[np.ndarray, "h w"]) -> float:
    """Mean SSIM (Wang et al. 2004, equation 13) of two maps, each divided by its largest magnitude first.

    Gaussian windows of σ = 1.5, 11 × 11, inside the maps; K = 0.01 and 0.03; the range is taken as 2 where a map has
    values below 0, else as 1. NaN for maps smaller than a window.
    """
    if min(a.shape) < 11:
        return float("nan")
    pair = [np.asarray(item, np.float64) / (np.abs(item).max() or 1.0) for item in (a, b)]
    span = 2.0 if min(item.min() for item in pair) < 0 else 1.0
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets**2) / (2 * 1.5**2))
    kernel = torch.from_numpy(weights / weights.sum())

    def smooth(values: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(values, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))

    x, y = (torch.from_numpy(item)[None, None] for item in pair)
    mean_x, mean_y = smooth(x), smooth(y)
    spread_x, spread_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
    both = smooth(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    result = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    result = result / ((mean_x**2 + mean_y**2 + c1) * (spread_x + spread_y + c2))
    return float(result.mean())


@dataclass(frozen=True)
class MapSimilarity:
    """The similarity of two maps: 1 is equal, 0 is unrelated.

    Attributes
    ----------
    signed, absolute : float
        Spearman's rank correlation of the maps with their signs, and of their magnitudes. 0 where one of them does not
        vary, NaN where neither does.
    structure : float
        SSIM of the magnitudes; NaN for maps of fewer than 11 rows or columns.
    """

    signed: float
    absolute: float
    structure: float


def map_similarity(a: Attribution, b: Attribution) -> MapSimilarity:
    """The similarity of two attributions of one image."""
    sizes = a.magnitude(), b.magnitude()
    return MapSimilarity(_ranked(a.signed(), b.signed()), _ranked(*sizes), structural_similarity(*sizes))


def _ranked(a: np.ndarray, b: np.ndarray) -> float:
    result = spearman(a, b)
    return 0.0 if np.isnan(result) and np.ptp(a) != np.ptp(b) else result


def edges(x: Shaped[Tensor, "1 c *places"]) -> Float[np.ndarray, "*places"]:
    """The strength of an image's edges, (height, width): Sobel's gradient, its norm over both axes and the channels."""
    image = x[0].detach().float().cpu()[:, None]
    rise, smooth = (torch.tensor(item, dtype=torch.float32) for item in ([-1, 0, 1], [1, 2, 1]))
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    both = [F.conv2d(padded, torch.outer(*pair)[None, None]) for pair in ((rise, smooth), (smooth, rise))]
    return torch.stack(both).square().sum((0, 1, 2)).sqrt().numpy()
