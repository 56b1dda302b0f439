"""Networks, inputs and options that the tests of attributions share."""

from __future__ import annotations

import torch
from torch import nn

from nnlens.kernels import METHODS, attribution

X = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
QUICK = {  # options that keep the tests short
    "smoothgrad": {"samples": 6},
    "integrated_gradients": {"steps": 12},
    "lime": {"samples": 60, "segments": 8, "segmentation": "grid"},
    "kernel_shap": {"samples": 40, "segments": 8, "segmentation": "grid"},
    "rise": {"samples": 40, "cells": 4},
    "extremal_perturbation": {"steps": 8},
    "occlusion": {"size": 4, "stride": 2},
}
OF_IMAGES = [name for name in METHODS if name != "attention_rollout"]


def network() -> nn.Module:
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU()]
    model = nn.Sequential(*body, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 9, 12), nn.ReLU(), nn.Linear(12, 5))
    model(torch.randn(8, 3, 16, 16))
    return model.eval()


class Linear(nn.Module):
    """Scores that are linear in the image."""

    def __init__(self, size: int = 12, classes: int = 3):
        super().__init__()
        self.head = nn.Linear(3 * size * size, classes)

    def forward(self, x):
        return self.head(x.flatten(1))


def of(model, x, name, **options):
    return attribution(model, x, name, **{**QUICK.get(name, {}), **options})


class Transformer(nn.Module):
    """A vision transformer of a 3 × 4 grid, with or without a class token."""

    def __init__(self, token: bool = True):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8)) if token else None
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True) for _ in range(3))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.head(x[:, 0] if self.token is not None else x.mean(1))
