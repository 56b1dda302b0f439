"""How signals, volumes and vectors of numbers are laid out as images, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from nnlens.utils.language import _

# The letters are the usual ones: batch (n), channels (c), depth (d), height (h), width (w), time (t), features (f).
AXES = (
    *("nchw", "nhwc", "nhw"),
    *("nct", "ntc", "tnc", "nt"),
    *("ncdhw", "ndhwc", "ndhw", "ncthw", "ntchw", "nthwc"),
    "nf",
)

Kind = Literal["image", "signal", "vector", "volume", "video"]


@dataclass(frozen=True)
class AsImage:
    """How a tensor of certain axes is laid out as an image (n, channels, rows, columns).

    A signal becomes an image of one row, and so does a vector. Of a volume, some neighbouring slices are taken: they
    become the image's channels. Along which axis the volume is sliced can be chosen.

    Attributes
    ----------
    axes : str
        What the tensor's axes are, one letter for each; one of `AXES`.
    along : str
        The axis of which slices are taken; empty without one.
    first, count : int
        Which slices.
    """

    axes: str
    along: str = ""
    first: int = 0
    count: int = 1

    @staticmethod
    def of(axes: str, shape: tuple[int, ...]) -> AsImage:
        """The usual layout of a tensor: the middle slice of a volume, the first frame of a video."""
        if axes not in AXES or len(axes) != len(shape):
            fitting = [known for known in AXES if len(known) == len(shape)]
            raise ValueError(f"axes must be one of {', '.join(fitting)} for the shape {shape}, got {axes!r}")
        sliced = "d" if "d" in axes else "t" if "t" in axes and "h" in axes else ""
        return AsImage(axes, sliced, shape[axes.index("d")] // 2 if sliced == "d" else 0)

    @property
    def kind(self) -> Kind:
        """What it is: "image", "signal", "vector", "volume" or "video"."""
        if "d" in self.axes:
            return "volume"
        if "h" in self.axes:
            return "video" if "t" in self.axes else "image"
        return "vector" if "f" in self.axes else "signal"

    @property
    def slicing(self) -> tuple[str, ...]:
        """The axes of which slices can be taken."""
        return tuple("dhw") if self.kind == "volume" else ("t",) if self.kind == "video" else ()

    def slices(self, shape: tuple[int, ...]) -> int:
        """How many slices a tensor of this shape has along the chosen axis."""
        return shape[self.axes.index(self.along)] if self.along else 1

    def at(
        self, shape: tuple[int, ...], *, along: str | None = None, first: int | None = None, count: int = 1
    ) -> AsImage:
        """The same layout with other slices; those of another axis begin in the middle."""
        chosen = replace(self, along=self.along if along is None else along)
        if chosen.along not in ("", *self.slicing):
            raise ValueError(f"along must be one of {', '.join(self.slicing)}, got {along!r}")
        most = chosen.slices(shape)
        if not 1 <= count <= most:
            raise ValueError(f"count must be 1…{most} slices, got {count}")
        if first is None:
            first = self.first if chosen.along == self.along else most // 2
        if not 0 <= first < most:
            raise ValueError(f"first must be 0…{most - 1}, the slices along {chosen.along!r}, got {first}")
        return replace(chosen, first=min(first, most - count), count=count)

    @property
    def _order(self) -> tuple[str, ...]:
        """The letters of slices, channels, rows and columns; a letter that the tensor lacks is an axis of length 1."""
        if self.kind in ("signal", "vector"):
            return "s", "c", "r", "f" if self.kind == "vector" else "t"
        rows, columns = (letter for letter in "dhw" if letter in self.axes and letter != self.along)
        return self.along or "s", "c", rows, columns

    def _spread(self, value: Tensor) -> Tensor:
        """(n, slices, channels, rows, columns)."""
        order = ("n", *self._order)
        there = [letter for letter in order if letter in self.axes]
        value = value.permute([self.axes.index(letter) for letter in there])
        for place, letter in enumerate(order):
            if letter not in self.axes:
                value = value.unsqueeze(place)
        return value

    def image(self, value: Tensor) -> Tensor:
        """A tensor laid out as an image (n, channels, rows, columns)."""
        spread = self._spread(value)[:, self.first : self.first + self.count]
        return spread.flatten(1, 2).contiguous()

    def value(self, image: Tensor, around: Tensor) -> Tensor:
        """An image as the model takes it; `around` is the tensor (of one input) that the other slices are taken of."""
        order = ("n", *self._order)
        if self.along:
            count = len(image)
            with torch._C.DisableTorchFunction():  # what is held is no operation of the model
                held = self._spread(around).expand(count, -1, -1, -1, -1)
                before, after = held[:, : self.first].clone(), held[:, self.first + self.count :].clone()
            part = image.unflatten(1, (self.count, -1)) if self.count > 1 else image.unsqueeze(1)
            value = torch.cat([before, part, after], 1)
            missing = [letter for letter in order if letter not in self.axes]
        else:
            value, order = image, order[:1] + order[2:]
            missing = [letter for letter in order if letter not in self.axes]
        for letter in missing:
            value = value.squeeze(order.index(letter))
            order = tuple(item for item in order if item != letter)
        if order == tuple(self.axes):
            return value
        return value.permute([order.index(letter) for letter in self.axes])

    @property
    def operations(self) -> int:
        """How many operations of torch `value` takes: they precede those of the model."""
        order = ("n", *self._order) if self.along else ("n", *self._order[1:])
        missing = [letter for letter in order if letter not in self.axes]
        left = [letter for letter in order if letter in self.axes]
        return 2 * bool(self.along) + len(missing) + (left != list(self.axes))

    def words(self) -> str:
        """The axes, each letter with what it stands for."""
        names = {
            "n": _("batch"),
            "c": _("channels"),
            "d": _("depth"),
            "h": _("height"),
            "w": _("width"),
            "t": _("time"),
            "f": _("features"),
        }
        return ", ".join(f"{letter} {names[letter]}" for letter in self.axes)
