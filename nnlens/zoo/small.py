"""Small networks that we trained ourselves (`python -m nnlens.zoo.train`), and digits to show them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from nnlens.inputs import Resize

from .imagenet import Network

OBJECTS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_SIDE = 28


class SmallNet(nn.Module):
    """Pairs of 3 × 3 convolutions, each normalised and rectified; a maximum pool after each pair but the last."""

    def __init__(self, channels: int, widths: tuple[int, ...], classes: int = 10):
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for stage, width in enumerate(widths):
            layers += [nn.MaxPool2d(2)] if stage else []
            for _ in range(2):
                layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                before = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of the classes, (n, classes)."""
        result: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return result


def digits_net() -> SmallNet:
    """The untrained network of `digits`."""
    return SmallNet(1, (16, 32, 48))


def objects_net() -> SmallNet:
    """The untrained network of `objects`."""
    return SmallNet(3, (24, 48, 96))


def digits() -> Network:
    """Handwritten digits, input 28 × 28 in grey, white on black; 99.5 % test accuracy on MNIST. 52,000 parameters."""
    preprocess = Resize(height=28, width=28, resize=28, mean=(0.5,), std=(0.25,), channels=1)
    return Network(_trained(digits_net, "digits"), preprocess, [f"digit {digit}" for digit in range(10)])


def objects() -> Network:
    """Ten kinds of objects, input 32 × 32 in colour; 86.1 % test accuracy on CIFAR-10. 163,000 parameters."""
    preprocess = Resize(height=32, width=32, resize=32, mean=(0.5,) * 3, std=(0.25,) * 3)
    return Network(_trained(objects_net, "objects"), preprocess, OBJECTS)


def _trained(make: Callable[[], SmallNet], name: str) -> SmallNet:
    with torch.random.fork_rng(devices=[]):  # its first weights are of no use, and must not change the user's numbers
        model = make()
    with as_file(files("nnlens.zoo").joinpath(f"{name}.pt")) as path:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict({key: item.float() if item.is_floating_point() else item for key, item in weights.items()})
    return model.eval()


class DigitImages(Dataset[tuple[Image.Image, int]]):
    """The first 1,000 digits of MNIST's test set, each a picture and its class."""

    def __init__(self) -> None:
        folder = files("nnlens.zoo")
        with as_file(folder.joinpath("digits.png")) as path, Image.open(path) as sheet:
            pixels = np.asarray(sheet)
        rows, columns = pixels.shape[0] // _SIDE, pixels.shape[1] // _SIDE
        self._pixels = pixels.reshape(rows, _SIDE, columns, _SIDE).swapaxes(1, 2).reshape(-1, _SIDE, _SIDE)
        self._classes = [int(digit) for digit in folder.joinpath("digits.txt").read_text("utf-8").strip()]

    def __len__(self) -> int:
        return len(self._classes)

    def __getitem__(self, item: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self._pixels[item]), self._classes[item]


def digit_vectors(count: int = 500, side: int = 8) -> tuple[Float[Tensor, "count pixels"], Int[Tensor, " count"]]:
    """The first of the `DigitImages`, reduced to side × side pixels of 0…1, as rows, and their classes.

    For small experiments that train in seconds.
    """
    data = DigitImages()
    if not 1 <= count <= len(data) or not 2 <= side <= _SIDE:
        raise ValueError(f"count must be 1…{len(data)} and side 2…{_SIDE}, got {count} and {side}")
    pixels = torch.tensor(np.stack([np.asarray(data[item][0]) for item in range(count)])).float() / 255
    rows = F.adaptive_avg_pool2d(pixels[:, None], side).reshape(count, -1)
    return rows, torch.tensor([data[item][1] for item in range(count)])
