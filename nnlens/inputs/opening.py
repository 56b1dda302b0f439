"""Opening images, without converting them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from nnlens.utils.language import _, number

_MOST_PIXELS = 64_000_000
_SHAPES = "(h, w), (h, w, bands) or (bands, h, w)"
_KNOWN = f"a path, bytes, an open file, a PIL image, an array {_SHAPES}, or a tensor (bands, h, w)"
_UPRIGHT = 0x0112  # the EXIF orientation tag


@dataclass(frozen=True, eq=False)
class Opened:
    """An image as it was given: what a user's own transform receives.

    Attributes
    ----------
    image : PIL image, array or tensor
        In the mode, the dtype and the layout that it came in.
    notes : tuple of str
        What was done to it, in words.
    """

    image: Image.Image | np.ndarray | Tensor
    notes: tuple[str, ...] = ()


def open_image(image: Any, name: str = "the bytes given") -> Opened:
    """Open an image in any form; files are rotated upright if their EXIF data says so.

    `name` is what error messages call bytes that cannot be read.
    """
    if isinstance(image, (str, Path)):
        path = Path(image).expanduser()
        if not is_file(image):
            hint = "" if isinstance(image, Path) or path.suffix else "; for a text see nnlens.kernels.lime_text"
            raise FileNotFoundError(f"image must be a file that exists, got {str(image)[:200]!r}{hint}")
        return _decoded(path.read_bytes(), path.name)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _decoded(bytes(image), name)
    if isinstance(image, Image.Image):
        try:
            image.load()
        except (AssertionError, AttributeError, ValueError, OSError) as error:
            why = f" ({error})" if str(error) else ""
            raise ValueError(
                f"image must be open, but the file of this PIL image was closed or is broken{why}: call image.load() "
                "while it is open, or give the path"
            ) from error
        return Opened(image)
    if callable(getattr(image, "read", None)):
        value = image.read()
        if not isinstance(value, bytes):
            raise TypeError(
                f"image must be a file opened for bytes (mode 'rb'), got one that gives {type(value).__name__}"
            )
        if not value and callable(getattr(image, "seek", None)):
            image.seek(0)  # it was read before
            value = image.read()
        called = Path(str(getattr(image, "name", name))).name
        try:
            return _decoded(value, called)
        except ValueError:
            if not callable(getattr(image, "seek", None)):
                raise
            image.seek(0)  # it was read in part before
            return _decoded(image.read(), called)
    if isinstance(image, np.ndarray):
        return Opened(_checked(image))
    if isinstance(image, Tensor):
        return Opened(image.detach())
    several = isinstance(image, (tuple, list, dict))
    hint = "; for models of several inputs see nnlens.record and lens.activations" if several else ""
    raise TypeError(f"image must be {_KNOWN}, got {type(image).__name__}{hint}")


def is_file(name: str | Path) -> bool:
    """Whether a path names a file that exists."""
    try:
        return Path(name).expanduser().is_file()
    except OSError:  # a string too long to be a file name
        return False


def _decoded(data: bytes, name: str) -> Opened:
    if not data:
        raise ValueError(f"image must not be empty, got 0 bytes ({name})")
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                most = f"{_MOST_PIXELS // 1_000_000} megapixels"
                raise ValueError(f"image must have at most {most}, got {opened.width} × {opened.height}")
            opened.load()
            turned = opened.getexif().get(_UPRIGHT, 1) not in (0, 1)
            # A copy, which is still valid when the file is closed.
            upright = ImageOps.exif_transpose(opened) if turned else opened.copy()
    except UnidentifiedImageError:
        raise ValueError(f"image must be a picture that Pillow can read, got {name}, which is not one") from None
    except (OSError, SyntaxError) as error:
        raise ValueError(f"image must be a complete picture, but {name} could not be read: {error}") from None
    return Opened(upright, (_("turned upright, as its EXIF data says"),) if turned else ())


def _checked(array: np.ndarray) -> np.ndarray:
    if array.size == 0:
        raise ValueError(f"image must not be empty, got an array of shape {array.shape}")
    if array.ndim not in (2, 3):
        raise ValueError(
            f"image must have the shape (h, w), (h, w, bands) or (bands, h, w) as an array, got {array.shape}"
        )
    if array.dtype.kind not in "buif":
        raise ValueError(f"image must hold numbers as an array, got the dtype {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("image must be finite, got NaN or infinity")
    return array


def read_image(image: Any, name: str = "the bytes given") -> Image.Image:
    """An image in any form as PIL in 8-bit RGB; see `open_image`.

    Transparent images are put on white; 16-bit and floating greys are scaled to 8 bits.
    """
    return to_rgb(as_pil(open_image(image, name).image)[0])


def to_rgb(image: Image.Image) -> Image.Image:
    """`image` in 8-bit RGB."""
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


def channels_first(image: np.ndarray | Tensor) -> np.ndarray:
    """An array or tensor as (bands, h, w).

    If the first and the last axis could both be bands, they are the last of an array and the first of a tensor.
    """
    array = image.cpu().numpy() if isinstance(image, Tensor) else image
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 2:
        return array[None]
    if array.ndim != 3:
        raise ValueError(f"image must be one image (h, w), (h, w, bands) or (bands, h, w), got the shape {array.shape}")
    few_first, few_last = array.shape[0] <= 4, array.shape[2] <= 4
    first = few_first or (not few_last and array.shape[0] < array.shape[2])
    if (few_first and few_last) or (isinstance(image, Tensor) and not few_last):
        first = isinstance(image, Tensor)
    return array if first else np.moveaxis(array, 2, 0)


def scaled(array: np.ndarray) -> tuple[np.ndarray, str]:
    """Numbers of any dtype as brightness, float32, and in words what range was assumed.

    8-bit integers are divided by 255, and so are other numbers in 0…255; floats in 0…1 are unchanged. All other
    values, from satellites and detectors, are unchanged.
    """
    values = array.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if array.dtype == np.uint8:
        return values / 255, ""
    if array.dtype.kind == "b":
        return values, ""
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        return values, _("its values were taken as 0…1")
    if low >= 0 and high <= 255:
        return values / 255, _("its values were taken as 0…255")
    words = _(
        "its values, {low} … {high}, were taken as they are", low=number(f"{low:.4g}"), high=number(f"{high:.4g}")
    )
    return values, words


def as_pil(image: Image.Image | np.ndarray | Tensor) -> tuple[Image.Image, tuple[str, ...]]:
    """An image of up to four bands as PIL, and in words what was assumed."""
    if isinstance(image, Image.Image):
        return image, ()
    bands = channels_first(image)
    if len(bands) > 4:
        raise ValueError(f"image must have up to 4 bands for a transform on pictures, got {len(bands)}")
    values, words = scaled(bands)
    if bands.dtype != np.uint8:
        low, high = float(values.min()), float(values.max())
        if low < 0 or high > 1:
            values = (values - low) / (high - low or 1)
            words = _(
                "its values, {low} … {high}, were stretched to 0…1",
                low=number(f"{low:.4g}"),
                high=number(f"{high:.4g}"),
            )
        values = (values * 255).round()
    else:
        values = bands
    pixels = np.ascontiguousarray(np.moveaxis(values.astype(np.uint8), 0, 2))
    return Image.fromarray(pixels[:, :, 0] if len(bands) == 1 else pixels), (words,) if words else ()


def ready_input(image: Tensor) -> Tensor:
    """A floating tensor as the model's input (1, c, h, w)."""
    x = image.detach()
    if x.is_inference():
        with torch.inference_mode(False):
            x = x.clone()
    x = x[None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[0] != 1:
        raise ValueError(
            f"image must be one image as a tensor (c, h, w) or (1, c, h, w), got {tuple(image.shape)}: the views take "
            "images; nnlens.record, lens.summary and lens.activations take whatever the model takes"
        )
    if not x.is_floating_point():
        raise ValueError(
            f"image must be floating-point as a tensor (a ready model input), got {image.dtype}; "
            "give the lens a preprocess for pixels"
        )
    if x.numel() == 0:
        raise ValueError(f"image must not be empty, got a tensor of shape {tuple(image.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError("image must be finite, got NaN or infinity")
    return x
