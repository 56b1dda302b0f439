"""From an image as it was opened to the model's input: a user's own transform, or nnlens's."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .opening import as_pil, channels_first, ready_input, scaled, to_rgb

Preprocess = Callable[[Any], Tensor]
_CONFIG = ("input_size", "size", "mean", "std", "crop_pct", "interpolation")


@dataclass(frozen=True)
class Normalisation:
    """input = (pixel / 255 − mean) / std, per channel, as found by probing `preprocess` itself."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def value(self, level: float) -> Tensor:
        """The input value of a pixel of brightness `level` (0…1), (channels, 1, 1)."""
        return (
            (level - torch.tensor(self.mean, dtype=torch.float32)) / torch.tensor(self.std, dtype=torch.float32)
        ).view(-1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Resize:
    """nnlens's own transform: shorter side to `resize`, centre crop to (height, width), (x / 255 − mean) / std.

    Takes pictures of any mode, which it converts to grey or RGB, and arrays or tensors of any number of bands. Values
    that are not 8-bit are read as `opening.scaled` says; `mean` and `std` are in the same units.
    """

    height: int
    width: int
    resize: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int = 3
    resample: Image.Resampling = Image.Resampling.BILINEAR

    def __call__(self, image: Image.Image | np.ndarray | Tensor) -> Tensor:
        """The model's input for one image, without the batch dimension."""
        if isinstance(image, Image.Image):
            tensor = self._of_picture(image)
        elif len(bands := channels_first(image)) <= 4 and self.channels in (1, 3) and bands.dtype == np.uint8:
            tensor = self._of_picture(as_pil(image)[0])
        else:
            tensor = self._of_bands(bands)
        mean, std = (
            torch.tensor(numbers, device="cpu", dtype=torch.float32).view(-1, 1, 1) for numbers in (self.mean, self.std)
        )
        return (tensor - mean) / std

    def _of_picture(self, image: Image.Image) -> Tensor:
        size = self._size(image.height, image.width)
        mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(self.channels)
        if mode is None:
            raise ValueError(f"image must have {self.channels} bands for this preprocess, got a picture ({image.mode})")
        image = (image.convert(mode) if mode == "RGBA" else to_rgb(image).convert(mode)).resize(
            size[::-1], self.resample
        )
        left, top = (size[1] - self.width) // 2, (size[0] - self.height) // 2
        pixels = np.array(image.crop((left, top, left + self.width, top + self.height)), dtype=np.float32)
        return torch.from_numpy(pixels.reshape(self.height, self.width, -1)).permute(2, 0, 1) / 255

    def _of_bands(self, bands: np.ndarray) -> Tensor:
        if len(bands) == 1 and self.channels == 3:
            bands = bands.repeat(3, 0)
        if len(bands) != self.channels:
            raise ValueError(f"image must have {self.channels} bands for this preprocess, got {len(bands)}")
        size = self._size(*bands.shape[1:])
        mode = "bicubic" if self.resample == Image.Resampling.BICUBIC else "bilinear"
        values = torch.from_numpy(np.ascontiguousarray(scaled(bands)[0]))[None]
        resized = F.interpolate(values, size, mode=mode, antialias=True, align_corners=False)[0]
        top, left = (size[0] - self.height) // 2, (size[1] - self.width) // 2
        return resized[:, top : top + self.height, left : left + self.width]

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of the resized image, before the centre crop."""
        scale = self.resize / min(height, width)
        return max(self.height, round(height * scale)), max(self.width, round(width * scale))


def as_preprocess(preprocess: Any) -> Preprocess | None:
    """`preprocess` as a callable from an image as it was opened to the input of one image.

    Takes a callable (torchvision's `transforms()` is one), a Hugging Face image processor, timm's data config,
    or a mapping with `mean`, `std` and `size` (an int or height and width).
    """
    if preprocess is None:
        return None
    if isinstance(preprocess, Mapping):
        return _from_mapping(preprocess)
    if hasattr(preprocess, "image_mean") and callable(preprocess):

        def processor(image: Image.Image) -> Tensor:
            result: Tensor = preprocess(images=image, return_tensors="pt")["pixel_values"]
            return result

        return processor
    if callable(preprocess):
        result: Callable[[Any], Tensor] | None = preprocess
        return result
    raise TypeError(
        "preprocess must be a callable, an image processor, a timm data config or a mapping with mean, std and "
        f"size, got {type(preprocess).__name__}"
    )


def _from_mapping(config: Mapping[str, Any]) -> Resize:
    for key in config:
        near = difflib.get_close_matches(str(key), _CONFIG, n=1, cutoff=0.75)
        if key not in _CONFIG and near and near[0] not in config:
            raise ValueError(f"preprocess has no key {key!r}; did you mean {near[0]!r}?")
    size = config.get("input_size", config.get("size"))
    if size is None:
        raise ValueError(f"preprocess must have 'size' (or timm's 'input_size') as a mapping, got {sorted(config)}")
    numbers = (size, size) if isinstance(size, int) else tuple(size)
    if len(numbers) not in (2, 3) or not all(isinstance(number, int) and number > 0 for number in numbers):
        raise ValueError(f"preprocess size must be an int, (height, width) or (channels, height, width), got {size!r}")
    height, width = numbers[-2:]
    mean = tuple(map(float, np.atleast_1d(config.get("mean", 0.0))))
    std = tuple(map(float, np.atleast_1d(config.get("std", 1.0))))
    if not all(std):
        raise ValueError(f"preprocess std must not be 0, got {std}")
    # A list has a number for each channel; a bare number is the same for all three colours.
    lists = [len(item) for name, item in (("mean", mean), ("std", std)) if np.shape(config.get(name, 0.0))]
    channels = numbers[0] if len(numbers) == 3 else max(lists, default=3)
    for name, argument in (("mean", mean), ("std", std)):
        if len(argument) not in (1, channels):
            raise ValueError(
                f"preprocess {name} must have 1 or {channels} numbers, as the input's channels, got {argument}"
            )
    crop = float(config.get("crop_pct", 1.0) or 1.0)
    resample = Image.Resampling[str(config.get("interpolation", "bilinear")).upper()]
    return Resize(
        height=height,
        width=width,
        resize=round(min(height, width) / crop),
        mean=mean,
        std=std,
        channels=channels,
        resample=resample,
    )


def probe_normalisation(preprocess: Preprocess, image: Image.Image | np.ndarray | Tensor) -> Normalisation | None:
    """Mean and std of `preprocess`, found from what it makes of a black, a dark and a white image like `image`.

    None if it is not a per-channel scaling of the pixels (dark is not mapped between black and white), or if
    black and white are not known (values that are not 8-bit).
    """

    def made_of(level: int) -> Tensor:
        return ready_input(preprocess(_flat(image, level)))[0].float()

    try:
        black, dark, white = made_of(0), made_of(51), made_of(255)
    except Exception:  # the photograph itself was accepted: a transform that refuses flat images is not an error
        return None
    low, mid, high = (tensor.flatten(1).mean(1) for tensor in (black, dark, white))
    span = high - low
    flat = all(float(tensor.flatten(1).std(1, unbiased=False).max()) < 1e-3 for tensor in (black, dark, white))
    if not flat or (span.abs() < 1e-6).any() or not torch.allclose(mid, low + span * 0.2, atol=1e-2):
        return None
    return Normalisation(tuple((-low / span).tolist()), tuple((1 / span).tolist()))


def _flat(image: Image.Image | np.ndarray | Tensor, level: int) -> Any:
    """An image of one brightness, 0…255, in the form of another."""
    if isinstance(image, Image.Image):
        # An opaque one, where it has transparency.
        colours: dict[str, Any] = {"L": level, "RGB": (level,) * 3, "RGBA": (level,) * 3 + (255,), "LA": (level, 255)}
        if image.mode.startswith("I") or image.mode == "F":
            raise ValueError("only 8-bit values have a known white")
        mode = image.mode if image.mode in colours else "RGB"
        return Image.new(mode, image.size, colours[mode])
    if image.dtype not in (np.uint8, torch.uint8):
        raise ValueError("only 8-bit values have a known white")
    return torch.full_like(image, level) if isinstance(image, Tensor) else np.full_like(image, level)
