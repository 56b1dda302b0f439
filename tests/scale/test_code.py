"""What identifies a model: also its code, for the same weights may compute other things."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nnlens.scale import digest_of


def scaled(factor=0.1):
    class Model(nn.Module):
        def forward(self, x):
            return x * factor

    return Model()


def with_constant(slope):
    source = f"def forward(self, x):\n    return F.leaky_relu(x, negative_slope={slope})"
    return type("Model", (nn.Module,), {"forward": made(source)})()


def with_helper(words):
    own = {"forward": made("def forward(self, x):\n    return self.helped(x)"), "helped": made(words, "helped")}
    return type("Model", (nn.Module,), own)()


def with_global_function(words):
    space = {}
    exec(f"def changed(x):\n    return {words}\ndef forward(self, x):\n    return [changed(y) for y in x]", space)
    return type("Model", (nn.Module,), {"forward": space["forward"]})()


def made(source, name="forward"):
    space = {"F": F}
    exec(source, space)
    return space[name]


class WithFunction(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: scaled(0.1), lambda: scaled(10.0)),
        (lambda: with_constant(0.01), lambda: with_constant(0.9)),
        (
            lambda: with_helper("def helped(self, x):\n    return x + 1"),
            lambda: with_helper("def helped(self, x):\n    return x + 2"),
        ),
        (lambda: with_global_function("x + 1"), lambda: with_global_function("x + 2")),
        (lambda: WithFunction(torch.relu), lambda: WithFunction(torch.sin)),
        (lambda: WithFunction(lambda x: x + 1), lambda: WithFunction(lambda x: x + 2)),
        (
            lambda: WithFunction(partial(F.leaky_relu, negative_slope=0.1)),
            lambda: WithFunction(partial(F.leaky_relu, negative_slope=0.2)),
        ),
        (lambda: WithFunction(nn.ReLU().forward), lambda: WithFunction(nn.Tanh().forward)),
    ],
)
def test_other_code_is_another_model(one, other):
    assert digest_of(one()) == digest_of(one())
    assert digest_of(one()) != digest_of(other())
