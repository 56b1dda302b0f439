"""The occluder: its size, its shape and its fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from nnlens.utils.language import _, number


@dataclass(frozen=True, eq=False)
class Named:
    """Fill values, and their name in a result."""

    values: Tensor
    words: str


Fill = float | str | Tensor | Named
FILLS = ("background", "grey", "mean", "blur", "noise", "surround")
Shape = str | np.ndarray | Tensor
BACKGROUND = 0.4  # an image's most frequent value counts as its background from this share on


def pair(value: Any, name: str, limit: tuple[int, int] | None = None) -> tuple[int, int]:
    """An int or a pair of ints of at least 1 (and at most `limit`), or an error that names `name`.

    Along an axis of length 1, as of a signal, an int is 1.
    """
    both = (value, value) if isinstance(value, (int, np.integer)) else value
    if both is not value and limit is not None and min(limit) == 1 and not isinstance(value, bool):
        both = tuple(min(value, side) if side == 1 else value for side in limit)
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


@dataclass(frozen=True, eq=False, kw_only=True)
class Occluder:
    """A window that covers an input, place by place.

    Attributes
    ----------
    x : tensor (1, channels, height, width)
    size : (int, int)
        Height and width of the window in pixels.
    mask : bool tensor (height, width) or None
        Which pixels of the window are covered; all if None.
    fill : tensor (channels, height, width) or None
        What is seen there instead of the input; None if it is the mean colour around the window.
    words : str
        The fill in words.
    """

    x: Float[Tensor, "1 c h w"]
    size: tuple[int, int]
    mask: Bool[Tensor, "down across"] | None
    fill: Float[Tensor, "c h w"] | None
    words: str

    def __repr__(self) -> str:
        return f"Occluder({self.size[0]} × {self.size[1]} pixels, {self.words})"

    def under(self, tops: np.ndarray, lefts: np.ndarray) -> Tensor:
        """What the windows at (top, left) show: the fill, or one colour for each, (n, channels)."""
        return self.fill if self.fill is not None else _around(self.x[0], tops, lefts, self.size)

    def cover(self, tops: np.ndarray, lefts: np.ndarray) -> Tensor:
        """A copy of the input for each window, covered: (n, channels, height, width)."""
        batch, under = self.x.repeat(len(tops), 1, 1, 1), self.under(tops, lefts)
        height, width = self.size
        for index, (image, top, left) in enumerate(zip(batch, tops, lefts, strict=True)):
            window = np.s_[:, max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
            shown = under[window] if self.fill is not None else under[index, :, None, None]
            if self.mask is None:
                image[window] = shown
                continue
            rows, columns = image[window].shape[1:]
            above, before = max(0, -top), max(0, -left)
            seen = self.mask[above : above + rows, before : before + columns]
            image[window] = torch.where(seen, shown, image[window])
        return batch


def occluder(x: Tensor, *, size: Any = None, shape: Shape = "rectangle", fill: Fill = 0.0, seed: int = 0) -> Occluder:
    """An occluder for one input, with everything checked; see `kernels.occlusion` for the parameters."""
    if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[0] != 1:
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be one image as a tensor of shape (1, channels, height, width), got {got}")
    if not torch.isfinite(x).all():
        raise ValueError("x must be finite, got NaN or infinity")
    limit = (x.shape[2], x.shape[3])
    mask = None
    if not isinstance(shape, str):
        mask = torch.as_tensor(shape).bool().to(x.device)
        if mask.ndim != 2 or not mask.any():
            raise ValueError(f"shape must be a mask (height, width) that covers something, got {tuple(mask.shape)}")
        size = tuple(mask.shape) if size is None else size
    window = pair(max(1, shorter_side(x) // 4) if size is None else size, "size", limit)
    if mask is not None and tuple(mask.shape) != window:
        raise ValueError(f"size must be the mask's {tuple(mask.shape)}, got {window}")
    if isinstance(shape, str) and shape == "circle":
        mask = _circle(window).to(x.device)
    elif isinstance(shape, str) and shape != "rectangle":
        raise ValueError(f'shape must be "rectangle", "circle" or a mask, got {shape!r}')
    values, words = filling(x, fill, seed)
    return Occluder(x=x, size=window, mask=mask, fill=values, words=words)


def shorter_side(x: Float[Tensor, "1 c h w"]) -> int:
    """The shorter side of an image in pixels; the length of a signal, whose other side is 1."""
    return min((side for side in x.shape[2:] if side > 1), default=1)


def _circle(size: tuple[int, int]) -> Tensor:
    """The ellipse inside the window: the pixels whose centres lie in it."""
    down, across = ((torch.arange(length) + 0.5) / length * 2 - 1 for length in size)
    return down[:, None] ** 2 + across**2 <= 1


def filling(x: Float[Tensor, "1 c h w"], fill: Fill, seed: int = 0) -> tuple[Float[Tensor, "c h w"] | None, str]:
    """What the occluder shows, as a tensor of one input's shape (c, h, w), and its name in words.

    "mean" is each channel's mean, "blur" the input blurred (Gaussian, σ = a tenth of the shorter side), "noise"
    normal noise with each channel's mean and deviation, "grey" the middle of each channel's range, "background" the
    most frequent value where it covers 40 % of the image, "surround" (None) the mean colour in a ring around the
    window; a number or a tensor that broadcasts to (c, h, w), for example another image, is used unchanged, in the
    model's input units.
    """
    image = x[0]
    one_of = f"a number, a tensor, {', '.join(map(repr, FILLS[:-1]))} or {FILLS[-1]!r}".replace("'", '"')
    if isinstance(fill, Named):
        return filling(x, fill.values, seed)[0], fill.words
    if isinstance(fill, Tensor):
        try:
            values = fill.to(image).expand(image.shape)
        except RuntimeError:
            raise ValueError(
                f"fill must broadcast to one input's shape {tuple(image.shape)}, got {tuple(fill.shape)}"
            ) from None
        if not torch.isfinite(values).all():
            raise ValueError("fill must be finite, got a tensor with NaN or infinity")
        return values, _("given values")
    if isinstance(fill, str):
        if fill == "mean":
            return image.mean((1, 2), keepdim=True).expand(image.shape), _("mean colour")
        if fill == "blur":
            return blurred(image, max(1.0, shorter_side(x) / 10)), _("blur")
        if fill == "noise":
            noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32).to(
                image
            )
            noise = image.mean((1, 2), keepdim=True) + noise * image.std((1, 2), keepdim=True)
            return noise, _("noise, seed {seed}", seed=seed)
        if fill == "grey":
            return _middle(image), _("grey, the middle of the input's range")
        if fill == "background":
            return _background(image), _("the background")
        if fill == "surround":
            return None, _("the mean colour around it")
        raise ValueError(f"fill must be {one_of}, got {fill!r}")
    if isinstance(fill, bool) or not isinstance(fill, (int, float)):
        raise TypeError(f"fill must be {one_of}, got {type(fill).__name__}")
    if not np.isfinite(fill):
        raise ValueError(f"fill must be finite, got {fill}")
    return torch.full_like(image, fill), _("{value} (input value)", value=number(f"{fill:g}"))


def named(fill: Fill, words: str) -> Fill:
    """A fill of given values with the name that results show for it; other fills have names already."""
    return Named(fill, words) if isinstance(fill, Tensor) else fill


def _middle(image: Tensor) -> Tensor:
    return ((image.amin((1, 2), keepdim=True) + image.amax((1, 2), keepdim=True)) / 2).expand(image.shape)


def _background(image: Tensor) -> Tensor:
    colours, counts = image.flatten(1).T.unique(dim=0, return_counts=True)
    if counts.max() < BACKGROUND * counts.sum():
        share = f"{float(counts.max() / counts.sum()):.0%}".replace("%", " %")
        raise ValueError(f'fill must not be "background" for this input: its most frequent value covers {share} of it')
    result: Tensor = colours[counts.argmax()].view(-1, 1, 1).expand(image.shape)
    return result


def mask_filling(x: Tensor, fill: Fill, seed: int = 0, *, name: str = "fill") -> tuple[Tensor, str]:
    """`filling` for masks, which have no window: "surround" is refused."""
    if x.ndim != 4 and isinstance(fill, str):
        raise ValueError(f"{name} must be a number or a tensor for an input of {x.ndim} axes, got {fill!r}")
    result, words = filling(x, fill, seed)
    if result is None:
        raise ValueError(f'{name} must not be "surround" for masks, which have no window')
    return result, words


def blurred(image: Tensor, sigma: float, radius: int | None = None) -> Tensor:
    """Separable Gaussian blur of (channels, height, width) that weights only pixels inside; 3 σ on each side."""
    channels = image.shape[0]
    radius = int(3 * sigma) if radius is None else radius
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    planes = torch.cat([image.float(), torch.ones_like(image[:1], dtype=torch.float32)])[:, None]
    planes = F.conv2d(planes, kernel.view(1, 1, -1, 1), padding=(radius, 0))
    planes = F.conv2d(planes, kernel.view(1, 1, 1, -1), padding=(0, radius))
    return (planes[:channels, 0] / planes[channels:, 0]).to(image.dtype)


def _around(image: Tensor, tops: np.ndarray, lefts: np.ndarray, size: tuple[int, int]) -> Tensor:
    """The mean colour in a ring around each window, a quarter of its size wide, inside the image: (n, channels)."""
    height, width = image.shape[1:]
    summed = F.pad(image.double(), (1, 0, 1, 0)).cumsum(1).cumsum(2)

    def over(margin: int) -> tuple[Tensor, Tensor]:
        first, last = (np.clip(tops + by, 0, height) for by in (-margin, size[0] + margin))
        left, right = (np.clip(lefts + by, 0, width) for by in (-margin, size[1] + margin))
        total = summed[:, last, right] - summed[:, first, right] - summed[:, last, left] + summed[:, first, left]
        return total, torch.from_numpy((last - first) * (right - left)).to(image.device)

    (outer, pixels), (inner, covered) = over(max(1, max(size) // 4)), over(0)
    around = (outer - inner) / (pixels - covered).clamp(min=1)
    whole = image.double().mean((1, 2))[:, None]  # an occluder of the whole image has no surroundings
    return torch.where(pixels > covered, around, whole).T.to(image.dtype)
