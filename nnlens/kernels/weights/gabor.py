"""Gabor functions fitted to filters, and the fit that noise gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .orientation import power_spectra

PARAMETERS = 9
STARTS = 4
_STEPS = 60
# What fits of noise are repeated with; the seed makes the comparison the same in each session.
_NOISE_FILTERS, _NOISE_SEED = 64, 0


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Gabor:
    """Gabor functions fitted to patterns, one each.

    exp(−u² ÷ 2σᵤ² − v² ÷ 2σᵥ²) · amplitude · cos(2π · frequency · u + phase) + offset, where u is the distance from the
    centre along the direction `angle`, and v the one across it.

    Attributes
    ----------
    angle : float64 array (n,)
        The direction in which the wave varies, in degrees, anticlockwise from the rows: 0…180.
    frequency : float64 array (n,)
        Cycles per pixel.
    phase, amplitude, offset : float64 arrays (n,)
        The phase in degrees at the centre.
    centre : float64 array (n, 2)
        Row and column in pixels, 0 being the middle of the first pixel.
    sigma : float64 array (n, 2)
        Along the wave and across it, in pixels.
    r_squared : float64 array (n,)
        1 − Σ (pattern − fit)² ÷ Σ (pattern − its mean)². NaN for a pattern whose values are all equal.
    fitted : float64 array (n, height, width)
    """

    angle: Float[np.ndarray, " n"]
    frequency: Float[np.ndarray, " n"]
    phase: Float[np.ndarray, " n"]
    amplitude: Float[np.ndarray, " n"]
    offset: Float[np.ndarray, " n"]
    centre: Float[np.ndarray, "n 2"]
    sigma: Float[np.ndarray, "n 2"]
    r_squared: Float[np.ndarray, " n"]
    fitted: Float[np.ndarray, "n h w"]

    def __len__(self) -> int:
        return len(self.angle)

    def __repr__(self) -> str:
        return f"Gabor({len(self)} patterns, median R² {np.nanmedian(self.r_squared):.3f})"


def fit_gabor(planes: Float[np.ndarray, "n h w"]) -> Gabor:
    """Fit a Gabor function to each pattern by least squares.

    Levenberg and Marquardt's method, for all patterns together, from four starts each: the two strongest waves of the
    power spectrum, each with a narrow and a wide envelope. Of these the best fit is kept; there may be a better one.

    Raises ValueError for patterns with fewer than 25 values, whose nine parameters would fit anything.
    """
    planes = np.asarray(planes, np.float64)
    if planes.ndim != 3 or min(planes.shape[1:]) < 2 or planes.shape[1] * planes.shape[2] < 25:
        raise ValueError(
            "planes must be patterns of at least 25 pixels, (n, height, width), for a function of "
            f"{PARAMETERS} parameters; got the shape {tuple(planes.shape)}"
        )
    if not np.isfinite(planes).all():
        raise ValueError("planes must be finite, got NaN or infinite values")
    count, height, width = planes.shape
    spread = planes.std((1, 2))
    known = spread > 1e-12 * np.abs(planes).max((1, 2), initial=0)
    # Scaled to the same size, so that one damping suits all.
    scale = np.where(known, spread, 1.0)
    target = torch.from_numpy((planes / scale[:, None, None]).reshape(count, 1, -1)).expand(-1, STARTS, -1)
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float64)
    grid = torch.from_numpy(np.stack([x - (width - 1) / 2, (height - 1) / 2 - y]))  # upwards
    parameters = _starts(planes, target.reshape(count, STARTS, height, width)[:, 0].numpy(), height, width)
    parameters, residual = _fit(parameters, target, grid, (height, width))
    best = residual.argmin(1)
    chosen = parameters[torch.arange(count), best]
    fitted = _function(chosen, grid)[0].numpy() * scale[:, None]
    total = ((planes - planes.mean((1, 2), keepdims=True)) ** 2).sum((1, 2))
    errors = ((planes.reshape(count, -1) - fitted) ** 2).sum(1)
    x0, y0, angle, frequency, log_u, log_v, cosine, sine, offset = chosen.numpy().T
    # Half a turn reverses the direction of the wave, and with it the sign of its phase.
    sine = np.where(np.floor_divide(angle, np.pi) % 2 == 1, -sine, sine)
    return Gabor(
        angle=np.where(known, np.degrees(angle) % 180, np.nan),
        frequency=np.where(known, frequency, np.nan),
        phase=np.degrees(np.arctan2(-sine, cosine)) % 360,
        amplitude=np.hypot(cosine, sine) * scale,
        offset=offset * scale,
        centre=np.stack([(height - 1) / 2 - y0, x0 + (width - 1) / 2], 1),
        sigma=np.exp(np.stack([log_u, log_v], 1)),
        r_squared=np.where(known, 1 - errors / np.where(known, total, 1), np.nan),
        fitted=fitted.reshape(count, height, width),
    )


@cache
def noise_fit(height: int, width: int) -> Gabor:
    """The fits of 64 patterns of independent normal noise of this size: what a fit of nothing looks like."""
    noise = np.random.default_rng(_NOISE_SEED).standard_normal((_NOISE_FILTERS, height, width))
    return fit_gabor(noise)


def _starts(planes: np.ndarray, scaled: np.ndarray, height: int, width: int) -> Tensor:
    """Four starts for each pattern (n, 4, 9): two waves × two envelopes; the linear parameters follow from a solve."""
    half = power_spectra(planes - planes.mean((1, 2), keepdims=True))
    points = half.shape[1]
    frequencies = np.fft.fftfreq(points)
    first = half.reshape(len(half), -1).argmax(1)
    waves = []
    rows, columns = np.unravel_index(first, half.shape[1:])
    # The second wave is the strongest one away from the first.
    away = np.ones_like(half, bool)
    reach = max(2, points // max(height, width))
    for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
        distance = np.minimum(abs(np.arange(points) - row), points - abs(np.arange(points) - row))
        near = distance[:, None] <= reach
        away[index] &= ~(near & (abs(np.arange(half.shape[2]) - column) <= reach)[None])
    second = np.where(away, half, -1).reshape(len(half), -1).argmax(1)
    for flat in (first, second):
        row, column = np.unravel_index(flat, half.shape[1:])
        y, x = -frequencies[row], np.fft.rfftfreq(points)[column]
        waves.append((np.arctan2(y, x), np.hypot(x, y)))
    energy = (scaled - scaled.mean((1, 2), keepdims=True)) ** 2
    energy /= np.maximum(energy.sum((1, 2), keepdims=True), 1e-300)
    x0 = (energy * (np.arange(width) - (width - 1) / 2)).sum((1, 2))
    y0 = (energy * ((height - 1) / 2 - np.arange(height))[:, None]).sum((1, 2))
    starts = np.zeros((len(planes), STARTS, PARAMETERS))
    for index in range(STARTS):
        angle, frequency = waves[index // 2]
        sigma = np.log(max(height, width) / (6 if index % 2 else 3))
        starts[:, index, :6] = np.stack([x0, y0, angle, frequency, sigma + 0 * x0, sigma + 0 * x0], 1)
    return torch.from_numpy(starts)


def _function(parameters: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """The functions (…, pixels) and their derivatives (…, pixels, 9)."""
    x0, y0, angle, frequency, log_u, log_v, cosine, sine, offset = parameters.unsqueeze(-2).unbind(-1)
    x, y = grid[0] - x0, grid[1] - y0
    u = x * angle.cos() + y * angle.sin()
    v = y * angle.cos() - x * angle.sin()
    square_u, square_v = (-2 * log_u).exp(), (-2 * log_v).exp()  # 1 ÷ σ²
    envelope = (-(u**2 * square_u + v**2 * square_v) / 2).exp()
    wave = 2 * torch.pi * frequency * u
    cos, sin = wave.cos(), wave.sin()
    carrier, turned = cosine * cos + sine * sin, sine * cos - cosine * sin
    value = envelope * carrier
    along = 2 * torch.pi * envelope * turned
    by_u = along * frequency - u * square_u * value
    by_v = -v * square_v * value
    derivatives = [
        by_v * angle.sin() - by_u * angle.cos(),
        -by_u * angle.sin() - by_v * angle.cos(),
        by_u * v - by_v * u,
        along * u,
        u**2 * square_u * value,
        v**2 * square_v * value,
        envelope * cos,
        envelope * sin,
        torch.ones_like(value),
    ]
    return value + offset, torch.stack(derivatives, -1)


def _fit(start: Tensor, target: Tensor, grid: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The parameters after some steps of Levenberg and Marquardt's method, and the sums of squared errors."""
    parameters = _bounded(start, size)
    # The linear parameters that fit the start best.
    _, derivatives = _function(parameters, grid)
    linear = derivatives[..., 6:]
    normal = linear.mT @ linear + 1e-9 * torch.eye(3, dtype=torch.float64)
    parameters[..., 6:] = torch.linalg.solve(normal, linear.mT @ target.unsqueeze(-1)).squeeze(-1)
    damping = torch.full(parameters.shape[:-1], 1e-2, dtype=torch.float64)
    value, derivatives = _function(parameters, grid)
    error = (target - value).square().sum(-1)
    for _ in range(_STEPS):
        normal = derivatives.mT @ derivatives
        diagonal = normal.diagonal(dim1=-2, dim2=-1).clamp(min=1e-8)
        damped = normal + torch.diag_embed(damping.unsqueeze(-1) * diagonal + 1e-12)
        step = torch.linalg.solve(damped, derivatives.mT @ (target - value).unsqueeze(-1)).squeeze(-1)
        proposed = _bounded(parameters + step, size)
        new_value, new_derivatives = _function(proposed, grid)
        new_error = (target - new_value).square().sum(-1)
        better = (new_error < error).unsqueeze(-1)
        parameters = torch.where(better, proposed, parameters)
        value = torch.where(better, new_value, value)
        derivatives = torch.where(better.unsqueeze(-1), new_derivatives, derivatives)
        error = torch.minimum(new_error, error)
        damping = (damping * torch.where(better.squeeze(-1), 0.3, 4.0)).clamp(1e-9, 1e6)
    return parameters, error


def _bounded(parameters: Tensor, size: tuple[int, int]) -> Tensor:
    """Within what the pixels can show: the centre inside, at most half a cycle per pixel, an envelope not too wide."""
    x0, y0, angle, frequency, log_u, log_v, *linear = parameters.unbind(-1)
    height, width = size
    longest = float(max(size))
    return torch.stack(
        [
            x0.clamp(-width / 2, width / 2),
            y0.clamp(-height / 2, height / 2),
            angle,
            frequency.clamp(0, 0.5),
            log_u.clamp(np.log(0.6), np.log(longest)),
            log_v.clamp(np.log(0.6), np.log(longest)),
            *linear,
        ],
        -1,
    )
