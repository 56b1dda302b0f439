"""Images in: whatever a user has becomes a photograph, the model's input, and the picture that is shown."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

Preprocess = Callable[[Image.Image], Tensor]
_MOST_PIXELS = 64_000_000
_CONFIG = ("input_size", "size", "mean", "std", "crop_pct", "interpolation")


def read_image(image: Any, name: str = "the bytes given") -> Image.Image:
    """A photograph as PIL in RGB: from a path, bytes, a PIL image or a uint8 array (h, w), (h, w, 1…4).

    `name` is what bytes are called where they cannot be read. EXIF rotation is applied, transparency stands on white,
    16-bit and floating greys are scaled to 8 bits.
    """
    if isinstance(image, (str, Path)):
        path = Path(image).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"image must be a file that exists, got {str(image)!r}")
        return _decode(path.read_bytes(), path.name)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _decode(bytes(image), name)
    if isinstance(image, np.ndarray):
        return to_rgb(_from_array(image))
    if isinstance(image, Image.Image):
        return to_rgb(image)
    known = "a path, bytes, a PIL image, a uint8 array (h, w, 3) or a float tensor"
    raise TypeError(f"image must be {known}, got {type(image).__name__}")


def _decode(data: bytes, name: str) -> Image.Image:
    if not data:
        raise ValueError(f"image must not be empty, got 0 bytes ({name})")
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                most = f"{_MOST_PIXELS // 1_000_000} megapixels"
                raise ValueError(f"image must have at most {most}, got {opened.width} × {opened.height}")
            opened.load()
            return to_rgb(opened)
    except UnidentifiedImageError:
        raise ValueError(f"image must be a picture that Pillow can read, but {name} is none") from None
    except (OSError, SyntaxError) as error:
        raise ValueError(f"image must be a whole picture, but {name} could not be read: {error}") from None


def _from_array(array: np.ndarray) -> Image.Image:
    if array.size == 0:
        raise ValueError(f"image must not be empty, got an array of shape {array.shape}")
    if array.dtype != np.uint8:
        raise ValueError(
            f"image must be uint8 as an array, got {array.dtype}; a ready model input goes in as a torch tensor"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (2, 3, 4)):
        return Image.fromarray(np.ascontiguousarray(array))
    raise ValueError(f"image must have the shape (h, w) or (h, w, 1…4) as an array, got {array.shape}")


def to_rgb(image: Image.Image) -> Image.Image:
    """`image` upright and in 8-bit RGB."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image, dtype=np.float64)
        top = 65535.0 if image.mode.startswith("I") and grey.max(initial=0) > 255 else max(1.0, float(grey.max()))
        if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
            low = grey.min()
            grey, top = grey - low, max(float(grey.max() - low), 1e-12)
        elif grey.max() <= 255:
            top = 255.0
        image = Image.fromarray((grey / top * 255).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


@dataclass(frozen=True)
class Normalisation:
    """input = (pixel / 255 − mean) / std, per channel, as found by asking `preprocess` itself."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def value(self, level: float) -> Tensor:
        """The input value of a pixel of brightness `level` (0…1), (channels, 1, 1)."""
        return ((level - torch.tensor(self.mean)) / torch.tensor(self.std)).view(-1, 1, 1)


@dataclass(frozen=True)
class Resize:
    """Shorter side to `resize`, centre crop to (height, width), channels first, (x / 255 − mean) / std."""

    height: int
    width: int
    resize: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int = 3
    resample: Image.Resampling = Image.Resampling.BILINEAR

    def __call__(self, image: Image.Image) -> Tensor:
        scale = self.resize / min(image.size)
        size = max(self.width, round(image.width * scale)), max(self.height, round(image.height * scale))
        image = image.convert("L" if self.channels == 1 else "RGB").resize(size, self.resample)
        left, top = (size[0] - self.width) // 2, (size[1] - self.height) // 2
        pixels = np.array(image.crop((left, top, left + self.width, top + self.height)), dtype=np.float32)
        tensor = torch.from_numpy(pixels.reshape(self.height, self.width, -1)).permute(2, 0, 1) / 255
        mean, std = (torch.tensor(numbers, device="cpu").view(-1, 1, 1) for numbers in (self.mean, self.std))
        return (tensor - mean) / std


def as_preprocess(preprocess: Any) -> Preprocess | None:
    """`preprocess` as a callable from an RGB photograph to the input of one image.

    Takes a callable (torchvision's `transforms()` is one), a Hugging Face image processor, timm's data config,
    or a mapping with `mean`, `std` and `size` (an int or height and width).
    """
    if preprocess is None:
        return None
    if isinstance(preprocess, Mapping):
        return _from_mapping(preprocess)
    if hasattr(preprocess, "image_mean") and callable(preprocess):

        def processor(image: Image.Image) -> Tensor:
            return preprocess(images=image, return_tensors="pt")["pixel_values"]

        return processor
    if callable(preprocess):
        return preprocess
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
    # A list of one mean stands for a grey input; a bare number is the same for all three colours.
    channels = numbers[0] if len(numbers) == 3 else 1 if np.shape(config.get("mean", 0.0)) == (1,) else 3
    if channels not in (1, 3):
        raise ValueError(f"preprocess size must be (channels, height, width) with 1 or 3 channels, got {size!r}")
    for name, given in (("mean", mean), ("std", std)):
        if len(given) not in (1, channels):
            raise ValueError(
                f"preprocess {name} must have 1 or {channels} numbers, as the input's channels, got {given}"
            )
    crop = float(config.get("crop_pct", 1.0) or 1.0)
    resample = Image.Resampling[str(config.get("interpolation", "bilinear")).upper()]
    return Resize(height, width, round(min(height, width) / crop), mean, std, channels, resample)


def probe_normalisation(preprocess: Preprocess, image: Image.Image) -> Normalisation | None:
    """Mean and std of `preprocess`, found from what it makes of a black, a grey and a white image.

    None where it is no per-channel scaling of the pixels (grey does not come out between black and white).
    """

    def made_of(level: int) -> Tensor:
        return _ready(preprocess(Image.new("RGB", image.size, (level, level, level))))[0].float()

    try:
        black, dark, white = made_of(0), made_of(51), made_of(255)
    except Exception:  # the photograph itself went through: a transform that refuses flat images is no error
        return None
    low, mid, high = (tensor.flatten(1).mean(1) for tensor in (black, dark, white))
    span = high - low
    flat = all(float(tensor.flatten(1).std(1, unbiased=False).max()) < 1e-3 for tensor in (black, dark, white))
    if not flat or (span.abs() < 1e-6).any() or not torch.allclose(mid, low + span * 0.2, atol=1e-2):
        return None
    return Normalisation(tuple((-low / span).tolist()), tuple((1 / span).tolist()))


@dataclass(frozen=True, eq=False)
class Input:
    """One image on its way into the model.

    `x` is the model's input (1, c, h, w); `shown` the same pixels as a picture of w × h; `shown_as` says in
    words how the values became colours; `grey` is the input value of mid-grey, (c, 1, 1); `path` is the file it
    came from, where it came from one; `scale` is how pixels and input values belong together.
    """

    name: str
    path: str | None
    x: Tensor
    shown: Image.Image
    shown_as: str
    grey: Tensor
    scale: Normalisation


def prepare(
    image: Any, preprocess: Preprocess | None, *, device: torch.device, dtype: torch.dtype, name: str | None = None
) -> Input:
    """`image` as the model's input and as a picture; see `read_image` for what it may be.

    A floating tensor (c, h, w) or (1, c, h, w) is taken as a ready input, whatever `preprocess` is.
    """
    name = name or (Path(image).name if isinstance(image, (str, Path)) else "image")
    x, photo = _model_input(image, preprocess, name)
    normalisation = None if photo is None or preprocess is None else probe_normalisation(preprocess, photo)
    shown, shown_as, scale = _show(x, normalisation)
    if normalisation is not None:
        grey = normalisation.value(0.5)
    else:
        grey = ((x.amin((0, 2, 3)) + x.amax((0, 2, 3))) / 2).view(-1, 1, 1)
    path = str(image) if isinstance(image, (str, Path)) else None
    return Input(name, path, x.to(device, dtype), shown, shown_as, grey.to(device, dtype), scale)


def _model_input(
    image: Any, preprocess: Preprocess | None, name: str = "the bytes given"
) -> tuple[Tensor, Image.Image | None]:
    """The model's input (1, c, h, w), and the photograph that it was made of, where it was one."""
    if isinstance(image, Tensor):
        return _ready(image), None
    if preprocess is None:
        raise ValueError(
            "image must be a ready tensor where the lens has no preprocess, got "
            f"{type(image).__name__}; give Lens(…, preprocess=…) to open photographs"
        )
    photo = read_image(image, name)
    if min(photo.size) < 2:
        raise ValueError(f"image must be at least 2 × 2 pixels, got {photo.width} × {photo.height}")
    try:
        x = preprocess(photo)
    except Exception as error:
        raise ValueError(f"preprocess failed on a {photo.width} × {photo.height} photograph: {error}") from error
    if not isinstance(x, Tensor):
        raise TypeError(f"preprocess must return a tensor, got {type(x).__name__}")
    return _ready(x), photo


def model_input(image: Any, preprocess: Preprocess | None) -> Tensor:
    """`image`, whatever `prepare` takes, as the model's input (1, c, h, w) alone."""
    return _model_input(image, preprocess)[0]


def redrawn(picture: Image.Image, like: Input, name: str) -> Input:
    """A picture of the size of `like.shown`, pixel by pixel, as the model's input: what somebody drew on it."""
    channels, height, width = like.x.shape[1:]
    if channels not in (1, 3):
        raise ValueError(f"drawing needs an input of 1 or 3 channels, this one has {channels}")
    if picture.size != (width, height):
        raise ValueError(f"drawing must have {width} × {height} pixels, got {picture.width} × {picture.height}")
    pixels = np.array(picture.convert("L" if channels == 1 else "RGB"), dtype=np.float32).reshape(height, width, -1)
    levels = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(one).view(-1, 1, 1) for one in (like.scale.mean, like.scale.std))
    x = ((levels - mean) / std)[None].to(like.x.device, like.x.dtype)
    return replace(like, name=name, path=None, x=x, shown=to_rgb(picture), shown_as="a drawing")


def _ready(image: Tensor) -> Tensor:
    x = image.detach()
    x = x[None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[0] != 1:
        raise ValueError(f"image must be one image as a tensor (c, h, w) or (1, c, h, w), got {tuple(image.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"image must be floating as a tensor (a ready model input), got {image.dtype}")
    if x.numel() == 0:
        raise ValueError(f"image must not be empty, got a tensor of shape {tuple(image.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError("image must be finite, got NaN or infinity")
    return x


def _show(x: Tensor, normalisation: Normalisation | None) -> tuple[Image.Image, str, Normalisation]:
    image = x[0].float().cpu()
    channels = image.shape[0]
    if normalisation is not None and len(normalisation.mean) == channels:
        words = "the model's input, its normalisation undone"
    else:
        low, high = float(image.min()), float(image.max())
        span = high - low if high > low else 1.0
        normalisation = Normalisation((-low / span if high > low else 0.5 - low,) * channels, (1 / span,) * channels)
        words = f"the model's input, stretched from {low:.3g} … {high:.3g}"
    mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
    image = image * std.view(-1, 1, 1) + mean.view(-1, 1, 1)
    if channels not in (1, 3):
        image, words = image.mean(0, keepdim=True), f"{words}, mean of {channels} channels"
    pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).convert("RGB")
    return picture, words, normalisation
