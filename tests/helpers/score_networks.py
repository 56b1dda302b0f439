"""Networks with every kind of scores."""

from __future__ import annotations

import torch
from torch import nn

X = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
QUICK = {"samples": 30, "segmentation": "grid", "segments": 9}


class Ending(nn.Module):
    """A small network with any end."""

    def __init__(self, end=lambda y: y, classes: int = 4, spread: float = 8.0):
        super().__init__()
        torch.manual_seed(2)
        self.conv, self.head, self.end = nn.Conv2d(3, 6, 3), nn.Linear(6, classes), end
        self.spread = spread

    def forward(self, x):
        return self.end(self.head(self.conv(x).relu().mean((2, 3))) * self.spread)


class Places(nn.Module):
    """Scores for each pixel."""

    def __init__(self, end=lambda y: y, classes: int = 3):
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.head, self.end = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, classes, 1), end

    def forward(self, x):
        return self.end(4 * self.head(self.conv(x).relu()))


def plain(model, x=X):
    with torch.no_grad():
        return model(x)
