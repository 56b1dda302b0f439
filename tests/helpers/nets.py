"""A small network with everything that trips recorders, and what a model's state is."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LABELS = ["ant", "bee", "cat", "dog", "elk"]


class Net(nn.Module):
    """Functional and in-place ReLU, a reused module, batch norm, pooling, a residual sum, a module never called."""

    def __init__(self, classes: int = 5):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, classes)
        self.unused = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn(self.stem(x)))
        x = self.pool(x)
        y = self.block(x)
        x = self.relu(x + y)
        x = F.relu(x - 0.1)
        return self.head(self.drop(x.mean((2, 3))))


def state_of(model: nn.Module) -> dict[str, Any]:
    """Everything of a model (and of the process) that a borrower could leave changed."""
    hooks = [
        tuple(len(getattr(module, name)) for name in vars(module) if name.endswith("_hooks") and getattr(module, name))
        for module in model.modules()
    ]
    return {
        "training": [module.training for module in model.modules()],
        "tensors": [tensor.detach().clone() for tensor in model.state_dict().values()],
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "grad": [None if parameter.grad is None else parameter.grad.clone() for parameter in model.parameters()],
        "hooks": hooks,
        "rng": torch.get_rng_state(),
        "grad_mode": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
    }


def same_state(before: dict[str, Any], after: dict[str, Any]) -> bool:
    def same(a: Any, b: Any) -> bool:
        if isinstance(a, Tensor):
            return isinstance(b, Tensor) and torch.equal(a, b)
        if isinstance(a, list):
            return len(a) == len(b) and all(map(same, a, b))
        return a == b

    return before.keys() == after.keys() and all(same(before[key], after[key]) for key in before)
