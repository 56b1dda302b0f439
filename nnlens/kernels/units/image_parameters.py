"""Parametrisations of images for gradient ascent: by their spectrum, or by regularised pixels."""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

# The square root of the covariance of the colours of ImageNet's photographs, as published with lucid (Olah et al.).
_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
_JITTER, _SIZES, _TURN = 12 / 224, 0.1, math.radians(10)  # at most: share of the side, share of the size, angle

_WARPED = 0.75  # share of the steps; without warps in the last ones, the details settle


@runtime_checkable
class Ascent(Protocol):
    """n pictures that are optimised, in single precision whatever the model's precision is."""

    def __init__(self, count: int, like: Tensor, steps: int, generator: torch.Generator) -> None: ...

    def pixels(self) -> Tensor:
        """The pictures as the model sees them in this step, (n, c, …) in 0…1."""

    def step(self, slope: Tensor) -> None:
        """One step of gradient ascent, for the objective's slope at the latest `pixels`."""

    def picture(self) -> Tensor:
        """The pictures without a warp, (n, c, …) in 0…1."""


class Fourier:
    """The spectrum of each picture, scaled by 1 / frequency, in decorrelated colours; a new random warp per step."""

    def __init__(self, count: int, like: Tensor, steps: int, generator: torch.Generator) -> None:
        self.generator = generator
        self.taken, self.warped_steps = 0, _WARPED * steps
        self.sides = tuple(like.shape[2:])
        whole = [torch.fft.fftfreq(side) for side in self.sides[:-1]]
        grid = torch.meshgrid(*whole, torch.fft.rfftfreq(self.sides[-1]), indexing="ij")
        frequency = torch.stack(grid).square().sum(0).sqrt()
        self.scale = (1 / frequency.clamp(min=1 / max(self.sides))).to(like.device)[..., None]
        noise = torch.randn(count, like.shape[1], *frequency.shape, 2, generator=generator, dtype=torch.float32) * 0.01
        self.spectrum = noise.to(like.device).requires_grad_()
        # A small picture has few frequencies, each with a larger amplitude.
        rate = min(0.2, max(0.05, 0.05 * math.sqrt(224 / max(self.sides))))
        self.optimiser = torch.optim.Adam([self.spectrum], lr=rate)
        colours = torch.tensor(_COLOURS, dtype=torch.float32)
        self.colours = (colours / colours.norm(dim=0).max()).to(like.device)

    def picture(self) -> Tensor:
        """The pictures without a warp, (n, c, …) in 0…1."""
        spectrum = torch.view_as_complex(self.spectrum * self.scale)
        waves = torch.fft.irfftn(spectrum, s=self.sides, dim=tuple(range(2, spectrum.ndim)), norm="ortho") / 4
        if waves.shape[1] == 3:
            waves = torch.einsum("ij,nj...->ni...", self.colours, waves)
        result: Tensor = waves.sigmoid()
        return result

    def pixels(self) -> Tensor:
        """The pictures after the random warp of this step."""
        with torch.enable_grad():
            picture = self.picture()
            self.seen = _warped(picture, self.generator) if self.taken < self.warped_steps else picture
        return self.seen.detach()

    def step(self, slope: Tensor) -> None:
        """One step of gradient ascent, for the objective's slope at the pixels."""
        (self.spectrum.grad,) = torch.autograd.grad(self.seen, self.spectrum, -slope)
        self.optimiser.step()
        self.taken += 1


def _warped(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture shifted, rotated and scaled a little; a signal is shifted and scaled. Mirrored at the borders."""
    count = len(x)
    draw = (2 * torch.rand(4, count, generator=generator, dtype=torch.float32) - 1).to(x)
    size, turn = 1 + _SIZES * draw[0], _TURN * draw[1]
    shift = 2 * _JITTER * draw[2:]
    zero = torch.zeros_like(size)
    line = x.ndim == 3
    if line:
        x = x[:, :, None]
        rows = [size, zero, shift[0], zero, torch.ones_like(size), zero]
    else:
        # In units of half a side: a rotation must not distort a picture that is not square.
        wide = x.shape[3] / x.shape[2]
        cosine, sine = turn.cos() * size, turn.sin() * size
        rows = [cosine, -sine / wide, shift[0], sine * wide, cosine, shift[1]]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    return x[:, :, 0] if line else x


# Decay, the blur's deviation in pixels and after how many steps, and the shares of pixels that are clipped, by their
# norm and by their contribution: the four settings of Yosinski et al. 2015, table 1.
_SETTINGS = ((0.0, 0.5, 4, 0.5, 0.0), (0.0, 0.5, 4, 0.0, 0.9), (0.0001, 1.0, 4, 0.0, 0.0), (0.3, 0.0, 0, 0.2, 0.0))


class Yosinski:
    """Pixels around mid-grey, regularised in one of four ways."""

    def __init__(self, count: int, like: Tensor, steps: int, generator: torch.Generator) -> None:
        noise = torch.randn(count, *like.shape[1:], generator=generator, dtype=torch.float32) * 0.05
        self.offset = noise.to(like.device)  # from mid-grey
        self.settings = [_SETTINGS[number % len(_SETTINGS)] for number in range(count)]
        self.taken = 0

    def picture(self) -> Tensor:
        """The pictures, (n, c, …) in 0…1."""
        return self.offset + 0.5

    def pixels(self) -> Tensor:
        """The pictures, (n, c, …) in 0…1: without a warp."""
        return self.picture()

    def step(self, slope: Tensor) -> None:
        """One step of gradient ascent, for the objective's slope at the pixels."""
        self.taken += 1
        axes = tuple(range(1, slope.ndim))
        # Steps of equal size: the gradients of units differ by orders of magnitude between layers.
        moved = self.offset + 0.02 * slope / slope.square().mean(axes, keepdim=True).sqrt().clamp(min=1e-20)
        rows = zip(moved, slope, self.settings, strict=True)
        self.offset = torch.stack([self._held(*row) for row in rows]).clamp(-0.5, 0.5)

    def _held(self, offset: Tensor, slope: Tensor, setting: tuple[float, float, int, float, float]) -> Tensor:
        decay, width, often, small, idle = setting
        offset = offset * (1 - decay)
        if often and self.taken % often == 0:
            offset = _blurred(offset, width)
        for share, amounts in ((small, offset.norm(dim=0)), (idle, (offset * slope).sum(0).abs())):
            if share:
                offset = offset * (amounts >= amounts.flatten().quantile(share))
        return offset


def _blurred(x: Tensor, deviation: float) -> Tensor:
    """(c, …) under a Gaussian, axis by axis, mirrored at the borders where these are wide enough."""
    reach = max(1, math.ceil(3 * deviation))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation) ** 2).to(x)
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    for axis in range(1, x.ndim):
        lines = x.transpose(axis, -1)
        flat = lines.reshape(-1, 1, lines.shape[-1])
        mode = "reflect" if reach < flat.shape[-1] else "replicate"
        blurred = F.conv1d(F.pad(flat, (reach, reach), mode=mode), kernel)
        x = blurred.view(lines.shape).transpose(axis, -1)
    return x
