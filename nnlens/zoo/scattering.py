"""The scattering transform: a network of fixed wavelets, in which nothing is learned (Bruna & Mallat, 2013)."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nnlens.inputs import Resize

from .imagenet import Network
from .small import DigitImages

_WIDTH = 0.8  # of the finest wavelet's envelope, in pixels
_FREQUENCY = 0.75 * math.pi  # of the finest wavelet, in radians per pixel
_LEFT_OUT = 1e-5  # of the sum of a kernel's absolute values, at its borders
_SHARPNESS = 15  # of the probabilities: their largest is then on average the share of digits that are right
_DIGITS = 300  # whose means the classifier knows


class ScatteringNet(nn.Module):
    """The scattering transform and the distance to the mean of each class: a classifier without gradient descent.

    Parameters
    ----------
    images : tensor (n, 1, size, size)
        Examples.
    labels : tensor (n,)
        Their classes, 0 to C − 1.
    scales, angles : int
        See `Scattering`.
    """

    size: Tensor

    def __init__(self, images: Tensor, labels: Tensor, *, scales: int = 2, angles: int = 8):
        super().__init__()
        self.scattering = Scattering(images.shape[-1], scales, angles)
        with torch.no_grad():
            found = torch.cat([self.scattering(part) for part in images.split(50)])
            size = found.mean((0, 2, 3))  # coarser orders are smaller: each channel counts alike
            rows = (found / size[:, None, None]).flatten(1)
            means = torch.stack([rows[labels == label].mean(0) for label in range(int(labels.max()) + 1)])
        self.register_buffer("size", size)
        self.classifier = nn.utils.skip_init(nn.Linear, means.shape[1], len(means))
        # −½ of the squared distance, without the part that is alike for all classes.
        unit = _SHARPNESS / (rows - means[labels]).square().sum(1).mean()
        self.classifier.weight.data, self.classifier.bias.data = unit * means, -0.5 * unit * means.square().sum(1)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes, (n, C)."""
        scattered = self.scattering(x) / self.size[:, None, None]
        result: Tensor = self.classifier(scattered.flatten(1))
        return result


def scattering() -> Network:
    """Handwritten digits by the scattering transform and class means of 300 digits: nothing is learned by gradients.

    88 % of other digits are classified right; 99.5 % by `digits`, which is trained on 60,000.
    """
    data = DigitImages()
    preprocess = Resize(height=28, width=28, resize=28, mean=(0.0,), std=(1.0,), channels=1)
    images = torch.stack([preprocess(data[item][0]) for item in range(_DIGITS)])
    model = ScatteringNet(images, torch.tensor([data[item][1] for item in range(_DIGITS)]))
    return Network(model.eval(), preprocess, [f"digit {digit}" for digit in range(10)])


class Modulus(nn.Module):
    """The length of each complex number, given as a real part and an imaginary part in neighbouring channels."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, 2 c, h, w) becomes (n, c, h, w)."""
        pairs: Tensor = x.unflatten(1, (-1, 2))
        return pairs.square().sum(2).sqrt()


class Scattering(nn.Module):
    """Wavelets and moduli in turn, averaged over 2^J pixels: what a convolutional network is before it learns.

    Orders 0, 1 and 2: averages of the image, of |image ∗ ψ|, and of ||image ∗ ψ| ∗ ψ′| for coarser ψ′, with Morlet
    wavelets ψ of J scales and L angles. The result hardly changes when the image is shifted by much less than 2^J
    pixels or deformed a little (Mallat, 2012).

    Parameters
    ----------
    size : int
        Rows and columns of the image: a multiple of 2^J.
    scales : int
        J.
    angles : int
        L.
    """

    def __init__(self, size: int, scales: int = 2, angles: int = 8):
        super().__init__()
        step = 2**scales
        if scales < 1 or angles < 1 or size % step or size < step:
            raise ValueError(
                f"size must be a multiple of 2^scales, and scales and angles at least 1, got {size}, {scales}, {angles}"
            )
        self.scales, self.angles = scales, angles
        padded = size + 2 * step  # of mirrored pixels, taken off again at the end
        wavelets = [[_morlet(padded, scale, angle, angles) for angle in range(angles)] for scale in range(scales)]
        average = _gabor(padded, _WIDTH * 2 ** (scales - 1), 0, 0, 1).real
        self.pad = nn.ReflectionPad2d(step)
        self.first = nn.ModuleList(_filters(wavelets[scale], 0, scale, 1) for scale in range(scales))
        self.second = nn.ModuleDict(
            {
                f"{fine}_{coarse}": _filters(wavelets[coarse], fine, coarse - fine, angles)
                for fine in range(scales)
                for coarse in range(fine + 1, scales)
            }
        )
        self.modulus = Modulus()
        self.average = nn.ModuleList(_Average(average, scale, scales - scale) for scale in range(scales))
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, size, size) becomes (n, 1 + J L + L² J (J − 1) / 2, size / 2^J, size / 2^J)."""
        x = self.pad(x)
        once, twice = [], []
        for scale, filters in enumerate(self.first):
            found = self.modulus(filters(x))
            once.append(self.average[scale](found))
            paths = []
            for coarse in range(scale + 1, self.scales):
                path = self.modulus(self.second[f"{scale}_{coarse}"](found))
                paths.append(self.average[coarse](path).unflatten(1, (self.angles, self.angles)))
            if paths:
                twice.append(torch.cat(paths, 2).flatten(1, 2))  # by the first wavelet, then by the second
        return torch.cat([self.average[0](x), *once, *twice], 1)[..., 1:-1, 1:-1]


class _Average(nn.Module):
    """Each channel averaged by a Gaussian, and every so many pixels kept."""

    kernel: Tensor

    def __init__(self, kernel: np.ndarray, level: int, steps: int):
        super().__init__()
        self.register_buffer("kernel", _cropped(_centred(_reduced(kernel, level).real)[None]))
        self.stride = 2**steps

    def forward(self, x: Tensor) -> Tensor:
        count, side = x.shape[1], self.kernel.shape[-1]
        return F.conv2d(_wrapped(x, side), self.kernel.expand(count, -1, -1, -1), stride=self.stride, groups=count)


class _Wavelets(nn.Module):
    """Complex wavelets over each channel: the real and the imaginary part of each as neighbouring channels."""

    def __init__(self, kernels: np.ndarray, stride: int, groups: int):
        super().__init__()
        self.weight = nn.Parameter(_cropped(kernels).repeat(groups, 1, 1, 1))
        self.stride, self.groups = stride, groups

    def forward(self, x: Tensor) -> Tensor:
        padded = _wrapped(x, self.weight.shape[-1])
        return F.conv2d(padded, self.weight, stride=self.stride, groups=self.groups)


def _filters(wavelets: list[np.ndarray], level: int, steps: int, groups: int) -> nn.Module:
    """Wavelets for images that were reduced by 2^level; every 2^steps-th pixel is kept."""
    kernels = []
    for wavelet in wavelets:
        reduced = _reduced(wavelet, level)
        kernels += [_centred(reduced.real), _centred(reduced.imag)]
    return _Wavelets(np.stack(kernels), 2**steps, groups)


def _reduced(kernel: np.ndarray, level: int) -> np.ndarray:
    """A periodic kernel for an image with every 2^level-th pixel, without the frequencies that this one cannot hold."""
    side = len(kernel)
    half = side // 2 ** (level + 1)
    kept = np.zeros(side)
    kept[:half] = kept[side - half :] = 1
    spectrum = np.fft.fft2(kernel) * kept[:, None] * kept[None]
    made: np.ndarray = (np.fft.ifft2(spectrum) if level else kernel)[:: 2**level, :: 2**level] * 4**level
    return made


def _centred(kernel: np.ndarray) -> np.ndarray:
    """A periodic kernel with its origin in the middle, odd in size, and mirrored as torch's convolution takes it."""
    side = len(kernel)
    half = side // 2
    places = np.arange(-half, half + 1) % side
    made = kernel[np.ix_(places, places)].copy()
    if side % 2 == 0:  # the two ends are one place of the period
        made[[0, -1]] *= 0.5
        made[:, [0, -1]] *= 0.5
    return made[::-1, ::-1]


def _cropped(kernels: np.ndarray) -> Tensor:
    """Kernels (k, side, side) without the rows and columns around them that hold next to nothing."""
    total, edge = np.abs(kernels).sum(), 0
    while True:
        inner = kernels[:, edge + 1 : -edge - 1, edge + 1 : -edge - 1]
        if inner.size == 0 or np.abs(inner).sum() < (1 - _LEFT_OUT) * total:
            break
        edge += 1
    kept = kernels[:, edge : kernels.shape[1] - edge, edge : kernels.shape[2] - edge]
    return torch.from_numpy(np.ascontiguousarray(kept)).float()[:, None]


def _wrapped(x: Tensor, side: int) -> Tensor:
    return F.pad(x, (side // 2,) * 4, mode="circular")


def _gabor(size: int, width: float, angle: float, frequency: float, slant: float) -> np.ndarray:
    """A wave under a Gaussian, periodic with the image's size, complex; its Gaussian has the sum 1."""
    cosine, sine = math.cos(angle), math.sin(angle)
    total = np.zeros((size, size), complex)
    for down in range(-2, 3):
        for right in range(-2, 3):
            row, column = np.mgrid[down * size : (down + 1) * size, right * size : (right + 1) * size]
            along, across = row * cosine + column * sine, column * cosine - row * sine
            total += np.exp(-(along**2 + (slant * across) ** 2) / (2 * width**2) + 1j * frequency * along)
    return total * slant / (2 * math.pi * width**2)


def _morlet(size: int, scale: int, angle: int, angles: int) -> np.ndarray:
    """A wave under a Gaussian, less as much of the Gaussian as makes its sum 0."""
    turned = (angles // 2 - 1 - angle) * math.pi / angles
    slant = 4 / angles
    wave = _gabor(size, _WIDTH * 2**scale, turned, _FREQUENCY / 2**scale, slant)
    envelope = _gabor(size, _WIDTH * 2**scale, turned, 0, slant)
    made: np.ndarray = wave - wave.sum() / envelope.sum() * envelope
    return made
