"""One image as the model's input, and the picture that shows it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageColor
from torch import Tensor, nn

from nnlens.utils.language import _, number
from nnlens.utils.nests import mapped, tensors_in

from .as_image import Kind
from .opening import Opened, as_pil, open_image, ready_input, scaled, to_rgb
from .preprocessing import Normalisation, Preprocess, Resize, probe_normalisation
from .text import Encoded
from .trace import Trace, trace_of
from .varied import Around, Varied

BACKGROUND = 0.4  # an image's most frequent colour counts as its background from this share on


@dataclass(frozen=True, eq=False, kw_only=True)
class Input:
    """One input of the model.

    Attributes
    ----------
    name : str
    path : str or None
        The file it came from, where it came from one.
    x : tensor (1, channels, height, width)
        The model's input. For an input that is not an image, the first tensor that the model is given.
    shown : PIL image
        The same pixels as a picture.
    shown_as : str
        In words, how the values became colours.
    grey : tensor (channels, 1, 1)
        The input value of mid-grey.
    scale : Normalisation
        The relation between pixels and input values.
    notes : tuple of str
        Remarks on how the image was converted to the input.
    given : (tuple, dict) or None
        What the model is called with, where that is not just `x`.
    around : Around or None
        What the model is called with, where `x` is one of its inputs laid out as an image.
    bands : three int, or None
        Which channels are shown as red, green and blue, where they were chosen.
    rate : float or None
        Of a signal: how many samples there are in a second.
    text : Encoded or None
        The text that `x` are the tokens of.
    renewed : callable or None
        Makes the input again after the model has changed, where it depends on the model.
    """

    name: str
    path: str | None
    x: Tensor
    shown: Image.Image
    shown_as: str
    grey: Tensor
    scale: Normalisation
    notes: tuple[str, ...] = ()
    given: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    around: Around | None = None
    bands: tuple[int, ...] | None = None
    rate: float | None = None
    text: Encoded | None = None
    renewed: Callable[[Input], Input] | None = None

    def __repr__(self) -> str:
        return f"Input({self.name!r}, {' × '.join(map(str, self.x.shape))}, {self.shown_as})"

    @property
    def is_image(self) -> bool:
        """Whether it is an image, or laid out as one, rather than another kind of model input."""
        return self.given is None

    @property
    def kind(self) -> Kind:
        """What it is: "image", or what is laid out as one: "signal", "vector", "volume" or "video"."""
        return "image" if self.around is None else self.around.as_image.kind

    @property
    def is_row(self) -> bool:
        """Whether it is a signal or a vector, laid out as an image of one row."""
        return self.kind in ("signal", "vector")

    @cached_property
    def trace(self) -> Trace | None:
        """A signal of few channels, or a vector, as it is drawn; None for everything else."""
        return trace_of(self.x[0, :, 0].float().cpu().numpy(), bars=self.kind == "vector") if self.is_row else None

    def model(self, model: nn.Module) -> nn.Module:
        """The model (unwrapped) as a function of `x`: itself, or with its other inputs held."""
        return model if self.around is None else Varied(model, self.around)

    @property
    def is_tokens(self) -> bool:
        """Whether the model is given the tokens of a text."""
        return self.text is not None and not self.is_image

    @property
    def call(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments and keywords of the model's forward."""
        if self.around is not None:
            return self.around.call_with(self.around.as_image.value(self.x, self.around.value))
        return ((self.x,), {}) if self.given is None else self.given

    @cached_property
    def background(self) -> Tensor | None:
        """The input value (channels, 1, 1) of the colour that most of the image has; None where none dominates."""
        values = self.x[0].float().cpu()
        pixels = np.asarray(self.shown).reshape(-1, 3).astype(np.int64) // 8
        codes = pixels[:, 0] * 1024 + pixels[:, 1] * 32 + pixels[:, 2]
        if len(codes) != values[0].numel():
            return None
        result, counts = np.unique(codes, return_counts=True)
        if counts.max() < BACKGROUND * len(codes):
            return None
        own = values.flatten(1)[:, torch.from_numpy(codes == result[counts.argmax()])]
        # The exact value where the background is uniform, otherwise its median.
        return own.median(1).values.view(-1, 1, 1).to(self.x)

    @property
    def usual_fill(self) -> str:
        """The default fill of what is hidden: the "background" if there is one, otherwise "grey".

        Of a signal "mean", of a vector of numbers 0.
        """
        if self.is_row:
            return "mean" if self.kind == "signal" else "0"
        return "grey" if self.background is None else "background"

    def fill(self, name: str) -> Any:
        """A view's fill as kernels take it: input values for "grey", "background", a number or a colour; else the name.

        Raises ValueError for a name that is none of these.
        """
        if name == "grey":
            return self.grey
        if name == "background":
            if self.background is None:
                raise ValueError("fill must not be 'background': no colour covers 40 % of this image")
            return self.background
        try:
            return float(name)
        except ValueError:
            pass
        try:
            red, green, blue = ImageColor.getrgb(name)[:3]
        except ValueError:
            return name
        levels = torch.tensor([red, green, blue], dtype=torch.float32) / 255
        if self.x.shape[1] != 3:
            levels = levels.mean().expand(self.x.shape[1])
        mean, std = (
            torch.tensor(self.scale.mean, dtype=torch.float32),
            torch.tensor(self.scale.std, dtype=torch.float32),
        )
        return ((levels - mean) / std).view(-1, 1, 1).to(self.x)


def prepare(
    image: Any,
    preprocess: Preprocess | None,
    *,
    device: torch.device,
    dtypes: Sequence[torch.dtype],
    name: str | None = None,
    bands: Sequence[int] | None = None,
    convert: bool = False,
    check: bool = False,
) -> Input:
    """`image` as the model's input and as a picture; see `open_image` for what it may be.

    A floating tensor (c, h, w) or (1, c, h, w) is taken as a ready input, whatever `preprocess` is.

    Parameters
    ----------
    dtypes : sequence of dtypes
        Those of the model's parameters: the input is cast to the first, unless it already has one of them.
    bands : three int, optional
        Which channels are shown as red, green and blue.
    convert : bool
        Convert a picture to RGB first, whatever mode it has.
    check : bool
        Call `preprocess` twice, and note it where the results differ.
    """
    path = str(image) if isinstance(image, (str, Path)) else None
    name = name or (Path(path).name if path is not None else _("image"))
    x, opened, notes = _model_input(image, preprocess, name, convert)
    normalisation = None
    if opened is not None and preprocess is not None:
        with _undisturbed():
            normalisation = probe_normalisation(preprocess, opened)
        if check and not isinstance(preprocess, Resize):
            with _undisturbed():
                again = ready_input(preprocess(opened))
            if again.shape != x.shape or not torch.equal(again, x):
                notes = (
                    *notes,
                    _("preprocess draws random numbers: this is one of its results, the next call gives another"),
                )
    x = x.to(device, x.dtype if x.dtype in dtypes else dtypes[0])
    return _input(name, path, x, normalisation, bands, notes)


def _input(
    name: str,
    path: str | None,
    x: Tensor,
    normalisation: Normalisation | None,
    bands: Sequence[int] | None,
    notes: tuple[str, ...],
) -> Input:
    shown, shown_as, scale = shown_of(x, normalisation, bands)
    if normalisation is not None and len(normalisation.mean) == x.shape[1]:
        grey = normalisation.value(0.5)
    else:
        grey = ((x.amin((0, 2, 3)) + x.amax((0, 2, 3))) / 2).view(-1, 1, 1)
    made = Input(name=name, path=path, x=x, shown=shown, shown_as=shown_as, grey=grey.to(x), scale=scale, notes=notes)
    return made if bands is None else replace(made, bands=tuple(bands))


def any_input(args: tuple[Any, ...], keywords: dict[str, Any], device: torch.device) -> Input:
    """Any input of a model, for views that need no picture: shown as a grey square."""
    argument: Any = mapped((args, dict(keywords)), lambda tensor: tensor.detach().to(device))
    tensors = list(tensors_in(argument))
    if not tensors:
        raise TypeError(
            f"image must be an image, or tensors that the model takes, got {[type(arg).__name__ for arg in args]}"
        )
    shape = " × ".join(map(str, tensors[0].shape))
    flat = Normalisation((0.5,), (1.0,))
    words = _("not an image: a tensor of {shape}", shape=shape)
    return Input(
        name=_("input"),
        path=None,
        x=tensors[0],
        shown=Image.new("RGB", (32, 32), (128,) * 3),
        shown_as=words,
        grey=torch.zeros(1, 1, 1),
        scale=flat,
        given=argument,
    )


def _model_input(
    image: Any, preprocess: Preprocess | None, name: str, convert: bool = False
) -> tuple[Tensor, Any, tuple[str, ...]]:
    """The model's input (1, c, h, w), what the transform was given for it (None for a ready input), and notes."""
    if isinstance(image, Tensor) and image.is_floating_point():
        return ready_input(image), None, ()
    if preprocess is None:
        if isinstance(image, Tensor):
            return ready_input(image), None, ()
        raise ValueError(
            "image must be a ready tensor where the lens has no preprocess, got "
            f"{type(image).__name__}; give Lens(…, preprocess=…) to open photographs (for a text see kernels.lime_text)"
        )
    if isinstance(image, Tensor) and image.ndim == 2 and image.dtype in (torch.int32, torch.int64):
        raise ValueError(
            f"image must be an image, got integers (a tensor of {tuple(image.shape)}, {image.dtype}), which look "
            "like token ids: for these use lens.activations, lens.summary or nnlens.record"
        )
    opened = open_image(image, name)
    if min(_sides(opened)) < 2:
        raise ValueError(f"image must be at least 2 × 2 pixels, got {' × '.join(map(str, _sides(opened)))}")
    if isinstance(preprocess, Resize):
        extra: tuple[str, ...] = ()
        if not isinstance(opened.image, Image.Image):
            extra = tuple(filter(None, [scaled(np.asarray(opened.image))[1]]))
        elif opened.image.mode.startswith("I") or opened.image.mode == "F":
            extra = (_("its values ({mode}) were scaled to 8 bits", mode=opened.image.mode),)
        return ready_input(preprocess(opened.image)), opened.image, (*opened.notes, *extra)
    problem: Exception | None = None
    for form, notes in _forms(opened, convert):
        try:
            x = preprocess(form)
        except Exception as error:
            problem = problem or error
            continue
        if not isinstance(x, Tensor):
            raise TypeError(f"preprocess must return a tensor, got {type(x).__name__}")
        if not x.is_floating_point():
            raise TypeError(f"preprocess must return a floating-point tensor, got {x.dtype}")
        return ready_input(x), form, (*opened.notes, *notes)
    width, height = _sides(opened)
    raise ValueError(f"preprocess failed on a {width} × {height} photograph: {problem}") from problem


def _forms(opened: Opened, convert: bool) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """What a user's transform is given: the image as it was opened, and if it does not accept that, as a picture."""
    image = opened.image
    if not convert:
        yield image, ()
    try:
        picture, notes = as_pil(image)
    except ValueError:
        return
    if picture is not image and not convert:
        yield picture, notes
    if picture.mode != "RGB" or convert:
        words = _("converted from {mode} to RGB, because it was not accepted as is", mode=picture.mode)
        yield to_rgb(picture), (*notes, words)


def _sides(opened: Opened) -> tuple[int, int]:
    """Width and height."""
    if isinstance(opened.image, Image.Image):
        return opened.image.size
    shape = tuple(opened.image.shape)
    if len(shape) == 2:
        return shape[1], shape[0]
    last = shape[-1] <= 4 and not isinstance(opened.image, Tensor)
    return (shape[-2], shape[-3]) if last and len(shape) > 2 else (shape[-1], shape[-2])


def model_input(image: Any, preprocess: Preprocess | None) -> Tensor:
    """`image`, whatever `prepare` takes, as the model's input (1, c, h, w) alone."""
    return _model_input(image, preprocess, "the bytes given")[0]


def redrawn(picture: Image.Image, like: Input, name: str) -> Input:
    """A picture of the size of `like.shown`, pixel by pixel, as the model's input: a drawing on it."""
    channels, height, width = like.x.shape[1:]
    if channels not in (1, 3):
        raise ValueError(f"drawing needs an input of 1 or 3 channels, this one has {channels}")
    if picture.size != (width, height):
        raise ValueError(f"drawing must have {width} × {height} pixels, got {picture.width} × {picture.height}")
    pixels = np.array(picture.convert("L" if channels == 1 else "RGB"), dtype=np.float32).reshape(height, width, -1)
    levels = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(item, dtype=torch.float32).view(-1, 1, 1) for item in (like.scale.mean, like.scale.std))
    x = ((levels - mean) / std)[None].to(like.x.device, like.x.dtype)
    return replace(like, name=name, path=None, x=x, shown=to_rgb(picture), shown_as=_("a drawing"), notes=())


def picture_like(x: Tensor, like: Input) -> Image.Image:
    """Another input of the same shape as a picture, on the scale of the first one's."""
    return shown_of(x, like.scale, None)[0]


def shown_of(
    x: Tensor, normalisation: Normalisation | None, bands: Sequence[int] | None
) -> tuple[Image.Image, str, Normalisation]:
    """An input (1, channels, height, width) as a picture, in words how it became one, and the scale that was used."""
    image = x[0].float().cpu()
    channels = image.shape[0]
    if normalisation is not None and len(normalisation.mean) == channels:
        words = _("the model's input, its normalisation undone")
    else:
        low, high = float(image.min()), float(image.max())
        span = high - low if high > low else 1.0
        normalisation = Normalisation((-low / span if high > low else 0.5 - low,) * channels, (1 / span,) * channels)
        words = _(
            "the model's input, stretched from {low} … {high}", low=number(f"{low:.3g}"), high=number(f"{high:.3g}")
        )
    mean, std = (torch.tensor(part, dtype=torch.float32) for part in (normalisation.mean, normalisation.std))
    image = image * std.view(-1, 1, 1) + mean.view(-1, 1, 1)
    if bands is not None:
        if len(bands) != 3 or not all(isinstance(band, (int, np.integer)) and 0 <= band < channels for band in bands):
            raise ValueError(
                f"bands must be three channels 0…{channels - 1} for red, green and blue, got {tuple(bands)}"
            )
        image = image[list(bands)]
        words += _(", channels {channels} as red, green and blue", channels=", ".join(map(str, bands)))
        if channels > 4:
            # Bands of a satellite have ranges of their own.
            least, most = (torch.quantile(image.flatten(1), share, dim=1).view(-1, 1, 1) for share in (0.02, 0.98))
            image = (image - least) / (most - least).clamp(min=1e-6)
            words += _(", each stretched from 2 % to 98 %")
    elif channels not in (1, 3):
        image = image.mean(0, keepdim=True)
        words += _(", mean of {channels} channels", channels=channels)
    pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).convert("RGB")
    return picture, words, normalisation


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Restore the random state after the block."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
