"""Tiny networks that take other inputs than one photograph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

R = torch.randn


class RgbAndDepth(nn.Module):
    def __init__(self):
        super().__init__()
        self.rgb, self.depth, self.meta = nn.Conv2d(3, 4, 3), nn.Conv2d(1, 4, 3), nn.Linear(5, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, rgb: Tensor, depth: Tensor, meta: Tensor | None = None) -> Tensor:
        seen = (torch.relu(self.rgb(rgb)) + torch.relu(self.depth(depth))).amax((2, 3))
        return self.head(seen if meta is None else seen + self.meta(meta))


class Pair(nn.Module):
    """Siamese: the two images arrive in a list."""

    def __init__(self):
        super().__init__()
        self.features, self.head = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Linear(4, 2)

    def forward(self, pair: list[Tensor]) -> Tensor:
        one, other = map(self.features, pair)
        return self.head((one - other).abs().amax((2, 3)))


class OfDictionary(nn.Module):
    def __init__(self):
        super().__init__()
        self.features, self.meta = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Linear(6, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.head(self.features(batch["rgb"]).amax((2, 3)) + self.meta(batch["meta"]))


class Residual1d(nn.Module):
    """Strides, pooling, dilation, padding of its own, concatenation, a residual."""

    def __init__(self, channels: int = 2, width: int = 8):
        super().__init__()
        self.stem, self.norm = nn.Conv1d(channels, width, 7, stride=2, padding=3), nn.BatchNorm1d(width)
        self.pool, self.average = nn.MaxPool1d(3, 2, 1), nn.AvgPool1d(3, 2, 1)
        self.first, self.second = nn.Conv1d(width, width, 3, padding=1, bias=False), nn.BatchNorm1d(width)
        self.third, self.pad = nn.Conv1d(width, width, 3, padding=2, dilation=2), nn.ConstantPad1d((1, 2), 0.5)
        self.head = nn.Linear(2 * width, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.norm(self.stem(x))))
        x = torch.relu(x + self.third(torch.relu(self.second(self.first(x)))))
        x = self.average(self.pad(x))
        return self.head(torch.cat([x, x.neg()], 1).mean(2))


class TimeFirst(nn.Module):
    """Convolutions, then layers over the last axis."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear, self.norm = nn.Conv1d(2, 8, 5, padding=2), nn.Linear(8, 8), nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x.permute(0, 2, 1)).transpose(1, 2)
        return self.head(self.norm(torch.nn.functional.gelu(self.linear(y))).amax(1))


class Recurrent(nn.Module):
    def __init__(self, batch_first: bool):
        super().__init__()
        self.cells, self.head = nn.GRU(3, 8, batch_first=batch_first), nn.Linear(8, 4)
        self.batch_first = batch_first

    def forward(self, x: Tensor) -> Tensor:
        states = self.cells(x)[0]
        return self.head(states[:, -1] if self.batch_first else states[-1])


class Volume(nn.Module):
    def __init__(self, channels: int = 1):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv3d(channels, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU(), nn.MaxPool3d(2)),
            *(nn.Conv3d(6, 8, 3, stride=2, padding=1), nn.ReLU(), nn.AvgPool3d(3, 2, 1)),
            *(nn.Conv3d(8, 8, (1, 3, 3), padding=(0, 1, 1)), nn.ReLU()),
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).amax((2, 3, 4)))


class Frames(nn.Module):
    """A video (n, time, channels, height, width): every frame by itself, then over time."""

    def __init__(self):
        super().__init__()
        self.frame, self.cells, self.head = nn.Conv2d(3, 4, 3), nn.GRU(4, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, video: Tensor) -> Tensor:
        seen = torch.relu(self.frame(video.flatten(0, 1))).amax((2, 3)).unflatten(0, video.shape[:2])
        return self.head(self.cells(seen)[0][:, -1])


def numbers() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def waveform() -> nn.Module:
    """Of a signal without an axis for its channels."""
    return nn.Sequential(
        nn.Unflatten(1, (1, -1)), nn.Conv1d(1, 4, 9), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)
    )


@dataclass
class Case:
    """A model with its inputs, as `lens.explore(*given, **keywords)` takes them, and what they are taken for."""

    make: Any
    given: Any
    keywords: dict[str, Any] = field(default_factory=dict)
    kind: str = "image"
    axes: str = "nchw"
    lens: dict[str, Any] = field(default_factory=dict)

    def model(self) -> nn.Module:
        model = self.make().eval()
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
        return model


def cases() -> dict[str, Case]:
    image = R(1, 3, 16, 16)
    return {
        "two images": Case(RgbAndDepth, (image, R(1, 1, 16, 16))),
        "keywords": Case(RgbAndDepth, image, {"depth": R(1, 1, 16, 16), "meta": R(1, 5)}),
        "a pair": Case(Pair, [R(1, 3, 12, 12), R(1, 3, 12, 12)]),
        "a dictionary": Case(OfDictionary, {"rgb": R(1, 3, 12, 12), "meta": R(1, 6)}),
        "a signal": Case(Residual1d, R(1, 2, 120), kind="signal", axes="nct"),
        "time first": Case(TimeFirst, R(1, 60, 2), kind="signal", axes="ntc"),
        "recurrent": Case(lambda: Recurrent(True), R(1, 40, 3), kind="signal", axes="ntc"),
        "recurrent, steps first": Case(lambda: Recurrent(False), R(40, 1, 3), kind="signal", axes="tnc"),
        "a waveform": Case(waveform, R(1, 80), kind="signal", axes="nt"),
        "numbers": Case(numbers, R(1, 6), kind="vector", axes="nf"),
        "a volume": Case(Volume, R(1, 1, 16, 18, 20), kind="volume", axes="ncdhw"),
        "a video": Case(Frames, R(1, 5, 3, 14, 14), kind="video", axes="ntchw", lens={"axes": "ntchw"}),
    }
