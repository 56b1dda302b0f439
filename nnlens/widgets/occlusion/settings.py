"""The occluder's settings as the views have them: sizes for a slider, fills by name, number or colour."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import traitlets as t

from nnlens.kernels.occlusion.occluder import FILLS, Fill, named, pair
from nnlens.session.sample import Sample
from nnlens.utils.suggestions import nearest
from nnlens.widgets.base.traits import SelectionTraits, synced

SHAPES = ("rectangle", "circle")
CURVE = 8  # sizes of the curve at one place


class OccluderTraits(SelectionTraits):
    """The occluder: its size, what it shows, and the experiment's steps."""

    size = synced(t.Int(32, help="the occluder's side in pixels of the model's input"), state=True, always=True)
    sizes = synced(t.List(t.Int(), help="the smallest size, the largest, the slider's step"), tuple[int, int, int])
    stride = synced(t.Int(16, help="the steps of the experiment in pixels"), state=True, always=True)
    fill = synced(
        t.Unicode("grey", help="what the occluder shows: a name, an input value, or a colour"), state=True, always=True
    )
    fills = synced(t.List(t.Unicode(), help="the fills that this image has"), list[str])
    fill_color = synced(t.Unicode("#808080", help="how a fill of one value looks"))
    shape = synced(t.Enum(SHAPES, "rectangle", help="which pixels of its window the occluder covers"), state=True)

    @t.validate("fill")
    def _check_fill(self, proposal: Any) -> str:
        name: str = proposal["value"]
        argument = self.selection.sample.input
        try:
            if isinstance(argument.fill(name), str) and name not in FILLS:
                known = f"one of {', '.join(FILLS)}, an input value, or a colour"
                raise ValueError(f"fill must be {known}, got {name!r}{nearest(name, FILLS)}")
        except ValueError as error:
            raise t.TraitError(str(error)) from None
        return name

    @t.validate("size", "stride")
    def _check_pixels(self, proposal: Any) -> int:
        name = proposal["trait"].name
        limit = tuple(self.selection.sample.input.x.shape[2:]) if name == "size" else None
        try:
            return max(pair(proposal["value"], name, limit))  # of a signal the other side is 1
        except ValueError as error:
            raise t.TraitError(str(error)) from None  # traitlets puts the old value back for its own errors only


def slider(shorter_side: int, is_row: bool = False) -> list[int]:
    """The smallest size, the largest and the step for images whose shorter side is this, or signals of this length."""
    step = max(1, shorter_side // (200 if is_row else 56))
    return [step, max(1, shorter_side // 2), step]


def curve_sizes(sizes: list[int], size: int) -> list[int]:
    """A few sizes from the smallest to the largest of the slider, the chosen one among them."""
    least, most, step = sizes
    even = np.geomspace(max(least, min(4 * step, most)), most, CURVE)
    return sorted({size, *(max(least, round(pixels / step) * step) for pixels in even)})


def side(value: Any, name: str, limit: int | None, default: int) -> int:
    """A size or stride of a view, whose occluder is square: a whole number, checked as the kernel does."""
    if value is None:
        return default
    if isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be one whole number in a view (kernels.occlusion takes pairs), got {value!r}")
    return pair(value, name, None if limit is None else (limit, limit))[0]


def fills_of(sample: Sample) -> list[str]:
    """The fills that an image has: not every one has a background."""
    return [name for name in FILLS if name != "background" or sample.input.background is not None]


def filling(sample: Sample, fill: str) -> Fill:
    """The kernel's fill for the view's choice: grey, background and colours are values of the model's input."""
    return named(sample.input.fill(fill), fill)


def fill_name(fill: Any, sample: Sample) -> str:
    """The option `fill` as the trait has it: a name, a number or a colour in words."""
    if fill is None:
        return sample.input.usual_fill
    if (
        isinstance(fill, (tuple, list))
        and len(fill) == 3
        and all(type(level) is int and 0 <= level < 256 for level in fill)
    ):
        return "#" + "".join(f"{level:02x}" for level in fill)
    if isinstance(fill, bool) or not isinstance(fill, (str, int, float)):
        raise TypeError(f"fill must be a name, a number or a colour ('red', '#ff0000', (255, 0, 0)), got {fill!r}")
    return fill if isinstance(fill, str) else f"{fill:g}"


def color_of(sample: Sample, fill: str) -> str:
    """How a fill of one value looks, as a colour of CSS."""
    values = sample.input.fill(fill)
    if isinstance(values, str):
        return "#808080"
    argument, scale = sample.input, sample.input.scale
    levels = torch.as_tensor(values).float().cpu().reshape(-1).expand(argument.x.shape[1])
    mean, std = (torch.tensor(part, dtype=torch.float32) for part in (scale.mean, scale.std))
    shown = (levels * std + mean).clamp(0, 1)
    shown = shown if len(shown) == 3 else shown.mean().expand(3)
    return "#" + "".join(f"{round(float(level) * 255):02x}" for level in shown)
