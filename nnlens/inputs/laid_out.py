"""Inputs of any kind for views of images: one is laid out as an image, the others are held."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from nnlens.utils.language import _, number
from nnlens.utils.nests import paths_in

from .as_image import AsImage
from .input import Input, shown_of
from .preprocessing import Normalisation
from .trace import rows_picture, trace_of
from .varied import Around, Path

AxesOf = Callable[
    [int, tuple[int, ...]], tuple[str, bool]
]  # of the n-th input tensor: its axes, and whether that is sure


def forward_names(model: nn.Module) -> list[str]:
    """The names of the parameters of a model's forward."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    return [item.name for item in parameters if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)]


def takes_any_name(model: nn.Module) -> bool:
    """Whether a model's forward takes keywords of any name."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(item.kind == item.VAR_KEYWORD for item in parameters)


def names_of_inputs(model: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any]) -> dict[Path, str]:
    """The paths of the tensors among a model's arguments, and what a person calls them: the forward's own names."""
    positional = forward_names(model)
    names: dict[Path, str] = {}
    every: list[tuple[int | str, Any]] = [*enumerate(args), *keywords.items()]
    for place, argument in every:
        own = place if isinstance(place, str) else positional[place] if place < len(positional) else f"input {place}"
        for path, _tensor in paths_in(argument):
            names[(place, *path)] = own + "".join(f".{key}" if isinstance(key, str) else f"[{key}]" for key in path)
    return names


def check_call(model: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """TypeError where the model's forward does not take these arguments, with the name of what is missing or wrong."""
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*args, **keywords)
    except TypeError as error:
        raise TypeError(f"the inputs must fit the model's forward{signature}: {error}") from None


def fits(model: nn.Module, args: tuple[Any, ...], keywords: dict[Any, Any]) -> bool:
    """Whether a model's forward takes these arguments."""
    if not all(isinstance(name, str) for name in keywords):
        return False
    try:
        check_call(model, args, keywords)
    except TypeError:
        return False
    return True


def laid_out(
    model: nn.Module,
    given: Input,
    axes_of: AxesOf,
    *,
    varied: str | None = None,
    bands: Any = None,
    rate: float | None = None,
) -> Input:
    """An input of any kind, laid out as an image: `given` itself where there is nothing to lay out.

    Parameters
    ----------
    given : Input
        With what the model is called with in `given.given`.
    axes_of : callable
        From the number of a tensor among the inputs and its shape to its axes; see `AsImage`.
    varied : str, optional
        The name of the input that is varied; by default the first image, else the first floating-point tensor.

    Raises
    ------
    ValueError
        For a name that no input has, and an input that cannot be varied.
    """
    args, keywords = given.call
    names = names_of_inputs(model, args, keywords)
    tensors = [tensor for argument in (*args, *keywords.values()) for _path, tensor in paths_in(argument)]
    able = [
        (place, path, tensor)
        for place, (path, tensor) in enumerate(zip(names, tensors, strict=True))
        if tensor.is_floating_point() and 2 <= tensor.ndim <= 5 and tensor.numel()
    ]
    if varied is not None and varied not in [names[path] for _place, path, _tensor in able]:
        can = ", ".join(names[path] for _place, path, _tensor in able)
        raise ValueError(f"varied must be the name of an input of floating-point numbers ({can}), got {varied!r}")
    if not able:
        return given
    chosen = next((item for item in able if names[item[1]] == varied), None)
    for _place, path, tensor in able:
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{names[path]} must be finite, got NaN or infinity")
    place, path, tensor = chosen or next((item for item in able if item[2].ndim == 4), able[0])
    axes, sure = axes_of(place, tuple(tensor.shape))
    layout = AsImage.of(axes, tuple(tensor.shape))
    batch = tensor.shape[axes.index("n")]
    if batch != 1:
        raise ValueError(
            f"{names[path]} must be one input: a batch of 1 along the axis n of {axes!r}, got {tuple(tensor.shape)}"
        )
    layouts = {
        other: AsImage.of(axes_of(which, tuple(item.shape))[0], tuple(item.shape)) for which, other, item in able
    }
    around = Around(args=args, keywords=keywords, path=path, as_image=layout, names=names, layouts=layouts)
    notes = given.notes
    if axes != "nchw":
        words = layout.words()
        note = (
            _("axes {axes}", axes=words)
            if sure
            else _("its axes were taken as {axes}; Lens(…, axes=…) says otherwise", axes=words)
        )
        notes = (*notes, note)
    if len(names) > 1:
        notes = (*notes, _("{name} is varied, the other inputs are held", name=names[path]))
    return _shown(replace(given, notes=notes), around, bands, rate)


def _shown(given: Input, around: Around, bands: Any = None, rate: float | None = None) -> Input:
    """The input that is varied as an image, and its picture."""
    layout, value = around.as_image, around.value
    x = layout.image(value)
    name = around.names[around.path] if len(around.names) > 1 else given.name
    rate = rate if layout.kind == "signal" else None
    made = replace(given, name=name, x=x, given=None, around=around, rate=rate)
    if layout.kind in ("signal", "vector"):
        count, steps = x.shape[1], x.shape[3]
        picture = rows_picture(x[0, :, 0].float().cpu().numpy()) if made.trace is None else made.trace.picture()
        words = (
            _("{count} numbers", count=steps)
            if layout.kind == "vector"
            else _("a signal of {channels} × {steps} values", channels=count, steps=steps)
        )
        mean = x.float().mean((0, 2, 3)).view(-1, 1, 1)
        flat = Normalisation((0.5,) * count, (1.0,) * count)
        return replace(made, shown=picture, shown_as=words, grey=mean.to(x), scale=flat)
    channels = x.shape[1] // layout.count
    middle = layout.count // 2
    part = x[:, middle * channels : (middle + 1) * channels]
    low, high = float(value.min()), float(value.max())
    span = high - low if high > low else 1.0
    # All slices of a volume have the scale of the whole.
    scale = Normalisation((-low / span if high > low else 0.5 - low,) * channels, (1 / span,) * channels)
    # The lens's bands may be those of another of its inputs.
    fitting = bands if bands is not None and max(bands) < channels else None
    picture, _words, scale = shown_of(part, scale, fitting)
    words = _("the model's input, stretched from {low} … {high}", low=number(f"{low:.3g}"), high=number(f"{high:.3g}"))
    if layout.along:
        total = layout.slices(tuple(value.shape))
        words += _(
            ", slice {which} of {count} along {axis}", which=layout.first + middle, count=total, axis=layout.along
        )
    grey = torch.full((x.shape[1], 1, 1), (low + high) / 2).to(x)
    everything = Normalisation(scale.mean * layout.count, scale.std * layout.count)
    chosen = None if fitting is None else tuple(fitting)
    return replace(made, shown=picture, shown_as=words, grey=grey, scale=everything, bands=chosen)


def shown_tensor(tensor: Tensor, layout: AsImage) -> Image.Image:
    """Any input that can be varied as a picture: a signal as its trace, a volume as one slice."""
    x = layout.image(tensor)
    if layout.kind in ("signal", "vector"):
        values = x[0, :, 0].float().cpu().numpy()
        trace = trace_of(values, bars=layout.kind == "vector")
        return rows_picture(values) if trace is None else trace.picture()
    return shown_of(x, None, None)[0]


def with_layout(value: Input, layout: AsImage, bands: Any = None) -> Input:
    """The same input with another part of it laid out: other slices."""
    assert value.around is not None
    return _shown(value, replace(value.around, as_image=layout), bands, value.rate)


def with_value(value: Input, path: Path, tensor: Tensor, bands: Any = None) -> Input:
    """The same inputs, but one of them has another value."""
    assert value.around is not None
    args, keywords = value.around.call_with(tensor, path)
    return _shown(value, replace(value.around, args=args, keywords=keywords), bands, value.rate)
