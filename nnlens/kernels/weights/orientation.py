"""Which way filters are oriented and how fine their pattern is, by their power spectra; statistics of angles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

POINTS = 64  # of the padded power spectrum, on each axis
_SMALL = 128  # pixels of a pattern


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Orientation:
    """The dominant wave of each filter of a bank.

    Attributes
    ----------
    planes : float64 array (filters, height, width)
        Each filter's pattern in space: its first principal component over the channels that it reads.
    share : float64 array (filters,)
        The share of the filter's squared weights that this pattern holds; 1 where one channel is read.
    frequency : float64 array (filters,)
        Of the largest value of the power spectrum of the pattern less its mean, in cycles per pixel (0…0.71).
    angle : float64 array (filters,)
        The direction in which that wave varies, in degrees: 0 is along the rows of the picture (so the stripes are
        upright), 90 along its columns; anticlockwise, 0…180. NaN for a filter whose weights are all equal.
    """

    planes: Float[np.ndarray, "filters h w"]
    share: Float[np.ndarray, " filters"]
    frequency: Float[np.ndarray, " filters"]
    angle: Float[np.ndarray, " filters"]

    def __repr__(self) -> str:
        known = int(np.isfinite(self.angle).sum())
        return f"Orientation({len(self.angle)} filters, {known} with a direction, {self.uniformity(1)!r})"

    def uniformity(self, period: int = 1) -> Uniformity:
        """Whether the angles are spread evenly; see `uniformity`."""
        return uniformity(self.angle[np.isfinite(self.angle)], period=180 / period)


@dataclass(frozen=True, kw_only=True)
class Uniformity:
    """Angles as unit vectors: how long their mean is, and how often evenly spread angles give a longer one.

    Attributes
    ----------
    resultant : float
        The length of the mean vector: 0 for an even spread, 1 for one direction only.
    direction : float
        The mean direction in degrees.
    p : float
        The probability of a longer mean vector for the same number of independent, uniform angles (Rayleigh's test, in
        the approximation of Zar 1999, equation 27.4).
    count : int
    """

    resultant: float
    direction: float
    p: float
    count: int


def uniformity(angles: Float[np.ndarray, " n"], *, period: float = 180) -> Uniformity:
    """The mean direction of angles in degrees, and Rayleigh's test of a uniform spread.

    Parameters
    ----------
    angles : float array (n,)
    period : float
        The angle after which a direction repeats. With 180 a wave; with 90 the two axes of the pixel grid count as one
        direction, so that filters along both axes do not cancel.
    """
    count = len(angles)
    if not count:
        return Uniformity(resultant=float("nan"), direction=float("nan"), p=float("nan"), count=0)
    mean = np.exp(2j * np.pi * np.asarray(angles) / period).mean()
    length = float(min(abs(mean), 1))
    total = length * count
    p = float(np.exp(np.sqrt(1 + 4 * count + 4 * (count**2 - total**2)) - (1 + 2 * count)))
    return Uniformity(
        resultant=length, direction=float(np.angle(mean) / (2 * np.pi) * period % period), p=min(p, 1.0), count=count
    )


def orientation(values: Float[Tensor, "filters channels h w"]) -> Orientation:
    """The dominant orientation and frequency of each filter of a two-dimensional convolution.

    The filter's pattern is its first principal component over channels (the best product of a vector of channels and a
    picture); the power spectrum of its deviations from its mean is taken on a grid of 64 × 64 frequencies.

    Raises ValueError for filters that are no pictures, or of one pixel.
    """
    if values.ndim != 4 or min(values.shape[2:]) < 2:
        raise ValueError(
            f"values must be filters of at least 2 × 2 pixels, (filters, channels, height, width), got the shape "
            f"{tuple(values.shape)}"
        )
    planes, _, share = principal_planes(values)
    half = power_spectra(planes - planes.mean((1, 2), keepdims=True))
    points = half.shape[1]
    rows, columns = np.unravel_index(half.reshape(len(half), -1).argmax(1), half.shape[1:])
    y, x = np.fft.fftfreq(points)[rows], np.fft.rfftfreq(points)[columns]
    frequency = np.hypot(x, y)
    # Rows count downwards: an angle is anticlockwise as the picture is seen.
    angle = np.degrees(np.arctan2(-y, x)) % 180
    return Orientation(planes=planes, share=share, frequency=frequency, angle=np.where(frequency > 0, angle, np.nan))


def power_spectra(planes: Float[np.ndarray, "n h w"]) -> np.ndarray:
    """|Fourier transform|² of patterns, padded with zeros to 64 points or their own size: half of it.

    Returns (n, points, points ÷ 2 + 1): rows as `numpy.fft.fftfreq` orders them, columns as `rfftfreq`. The other half
    is the same, turned by 180°.
    """
    count, height, width = planes.shape
    if height * width > _SMALL:
        points = max(POINTS, height, width)
        result: np.ndarray = torch.fft.rfft2(torch.from_numpy(planes), s=(points, points)).abs().square().numpy()
        return result
    # Of so few pixels a product with all waves is faster than a fast transform that is mostly of zeros.
    cosines, sines = _waves(height, width)
    flat = planes.reshape(count, -1)
    power = (flat @ cosines) ** 2
    power += (flat @ sines) ** 2
    half: np.ndarray = power.reshape(count, POINTS, POINTS // 2 + 1)
    return half


@cache
def _waves(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The waves of all frequencies of the padded spectrum, on the pixels of a pattern: (pixels, frequencies)."""
    y, x = np.mgrid[:height, :width].reshape(2, -1)
    down, across = np.meshgrid(np.fft.fftfreq(POINTS), np.fft.rfftfreq(POINTS), indexing="ij")
    phase = 2 * np.pi * (y[:, None] * down.reshape(-1) + x[:, None] * across.reshape(-1))
    return np.cos(phase), np.sin(phase)


def principal_planes(
    values: Float[Tensor, "filters channels h w"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each filter's best product of channels and picture.

    Returns
    -------
    planes : float64 array (filters, height, width)
        With the filter's weight: the vector of channels has length 1, and a sum that is not negative.
    channels : float64 array (filters, channels)
    share : float64 array (filters,)
        The share of the squared weights that the product holds; NaN for a filter of zeros.
    """
    filters, reads, height, width = values.shape
    flat = values.detach().double().cpu().reshape(filters, reads, -1)
    if reads <= height * width:
        vectors = torch.linalg.eigh(flat @ flat.mT).eigenvectors[..., -1]
    else:
        # The pictures' Gram matrix is the smaller one; the channels follow from its leading vector.
        pictures = torch.linalg.eigh(flat.mT @ flat).eigenvectors[..., -1]
        vectors = torch.nn.functional.normalize(torch.einsum("fcp,fp->fc", flat, pictures), dim=1)
    vectors = vectors * torch.where(vectors.sum(1, keepdim=True) < 0, -1.0, 1.0)
    planes = torch.einsum("fcp,fc->fp", flat, vectors)
    with np.errstate(invalid="ignore"):
        share = (planes.square().sum(1) / flat.square().sum((1, 2))).numpy()
    return planes.reshape(filters, height, width).numpy(), vectors.numpy(), share
