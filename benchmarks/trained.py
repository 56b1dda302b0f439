"""Trained networks for the experiments on weights: those of the package, and those of a folder if one is given.

A folder may have safetensors files of published weights, in half precision: `squeezenet1_0_imagenet`,
`alexnet_features_imagenet` (with torchvision's names) and `cifar10_resnet20`; `cifar10_test1200.npz` with test images
(x, y); and `photos/` with `labels.json` (a list of file and index).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from networks import squeezenet
from PIL import Image
from torch import Tensor, nn

import nnlens


def alexnet_features() -> nn.Module:
    """The convolutions of AlexNet (Krizhevsky 2014, one tower)."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    )  # fmt: skip


def filled(model: nn.Module, path: Path) -> nn.Module:
    """A model with the weights of a file, in the order of both."""
    from safetensors.torch import load_file

    stored = load_file(path)
    for (name, parameter), value in zip(model.named_parameters(), in_order(stored), strict=True):
        assert parameter.shape == value.shape, name
        parameter.data = value.float()
    return model.eval()


def in_order(stored: dict[str, Tensor]) -> list[Tensor]:
    """Tensors by the numbers in their names, weights before biases, squeeze before expand."""

    def place(name: str) -> list[tuple[int, str]]:
        parts = name.replace("weight", "0weight").split(".")
        known = {"features": 0, "classifier": 1, "squeeze": 0, "expand1x1": 1, "expand3x3": 2}
        return [(int(part), "") if part.isdigit() else (known.get(part, 0), part) for part in parts]

    return [stored[name] for name in sorted(stored, key=place)]


def networks(folder: Path | None) -> Iterator[tuple[str, nn.Module]]:
    """The trained networks by name."""
    yield "digits (52 k parameters)", nnlens.zoo.digits().model
    yield "objects (163 k)", nnlens.zoo.objects().model
    yield "EfficientNet-Lite0 (4.7 M)", nnlens.zoo.efficientnet_lite0().model
    if folder is None:
        return
    yield "SqueezeNet 1.0 (1.2 M)", filled(squeezenet(), folder / "models" / "squeezenet1_0_imagenet.safetensors")
    yield (
        "AlexNet, convolutions (2.5 M)",
        filled(alexnet_features(), folder / "models" / "alexnet_features_imagenet.safetensors"),
    )
    yield "ResNet-20 (0.27 M)", bare_convolutions(folder / "models" / "cifar10_resnet20.safetensors")


def bare_convolutions(path: Path) -> nn.Module:
    """The convolutions and the linear layer of a file by themselves, for statistics of their weights alone."""
    from safetensors.torch import load_file

    made = nn.Module()
    for name, value in load_file(path).items():
        if value.ndim < 2:
            continue
        shape = value.shape
        layer = nn.Linear(shape[1], shape[0]) if value.ndim == 2 else nn.Conv2d(shape[1], shape[0], shape[2:])
        layer.weight.data = value.float()
        made.add_module(name.removesuffix(".weight").replace(".", "_"), layer)
    return made


def digits() -> tuple[Tensor, list[int]]:
    """The package's 1,000 digits as inputs, and their classes."""
    network, data = nnlens.zoo.digits(), nnlens.zoo.DigitImages()
    pictures = nnlens.Lens(network.model, preprocess=network.preprocess).dataset(data)
    return torch.stack([pictures[item] for item in range(len(data))]), [data[item][1] for item in range(len(data))]


def objects(folder: Path) -> tuple[Tensor, list[int]]:
    """CIFAR-10 test images as inputs of the package's network, and their classes."""
    stored = np.load(folder / "datasets" / "cifar10_test1200.npz")
    return (torch.from_numpy(stored["x"]).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25, stored["y"].tolist()


def photographs(folder: Path, mean: Sequence[float], std: Sequence[float]) -> tuple[Tensor, list[int]]:
    """Photographs as normalised inputs of 224 × 224 pixels, each followed by its mirror image, and their classes."""
    middle, spread = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    images, labels = [], []
    for item in json.loads((folder / "photos" / "labels.json").read_text()):
        if item.get("index") is None:
            continue
        picture = Image.open(folder / "photos" / item["file"]).convert("RGB")
        scale = 256 / min(picture.size)
        picture = picture.resize([max(224, round(side * scale)) for side in picture.size], Image.Resampling.BILINEAR)
        left, top = [(side - 224) // 2 for side in picture.size]
        pixels = np.asarray(picture.crop((left, top, left + 224, top + 224))).copy()
        x = (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255 - middle) / spread
        images += [x, x.flip(2)]
        labels += [int(item["index"])] * 2
    return torch.stack(images), labels
