"""Signals and vectors as images of one row, for the kernels that take images."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from nnlens.geometry.input_axes import input_axes
from nnlens.inputs.as_image import AsImage
from nnlens.inputs.varied import Around, Varied
from nnlens.recording import ForwardError, record
from nnlens.recording.record import unwrapped


def as_image(model: nn.Module, x: Any, axes: str | None = None) -> tuple[nn.Module, Any]:
    """A model and its input, a signal (1, c, t), (1, t, c) or a vector (1, f), as those of an image of one row.

    `axes` says what the input's axes are (see `inputs.as_image.AXES`), by default the operations that read it. Images
    are returned as they are.
    """
    if not isinstance(x, Tensor) or x.ndim not in (2, 3) or not x.is_floating_point():
        return model, x
    if axes is None:
        try:
            axes, _sure = input_axes(record(model, x), "input", tuple(x.shape))
        except ForwardError:
            return model, x  # refused where it is used
    if x.shape[axes.index("n")] != 1:
        return model, x  # refused where it is used
    layout = AsImage.of(axes, tuple(x.shape))
    around = Around(args=(x,), keywords={}, path=(0,), as_image=layout, names={(0,): "x"})
    return Varied(unwrapped(model), around), layout.image(x)
