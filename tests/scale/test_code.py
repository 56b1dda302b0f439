"""What identifies a model: also its code, for the same weights may compute other things."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nnlens.kernels import examples
from nnlens.scale import digest_of, words_of
from nnlens.scores.meaning import ScoreMeaning


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


def test_private_attributes_and_what_hooks_hold():
    def hooked(factor):
        model = nn.Sequential(nn.Identity())
        model.register_forward_hook(lambda _module, _given, output, factor=factor: output * factor)
        return model

    assert digest_of(hooked(2)) == digest_of(hooked(2)) != digest_of(hooked(3))
    model = nn.Identity()
    model._scale = 2
    before = digest_of(model)
    model._scale = 3
    assert digest_of(model) != before


def test_settings_are_the_same_text_in_every_process():
    def output(factor):
        return lambda found: found * factor

    assert words_of(output(2)) == words_of(output(2)) != words_of(output(3))
    assert words_of(ScoreMeaning(task="multiclass", logits=True, output=output(2))) == words_of(
        ScoreMeaning(task="multiclass", logits=True, output=output(2))
    )
    assert " at 0x" not in words_of([output(2), object(), torch.nn.ReLU(), {1: output(3)}])
    assert words_of(np.arange(3)) != words_of(np.arange(1, 4))


def test_a_model_that_is_defined_in_a_function_reaches_other_processes():
    pytest.importorskip("loky")
    torch.manual_seed(0)

    class Local(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 3)
            self._calls = 7

        def forward(self, x):
            return self.layer(x).amax((2, 3))

    model, data = Local().eval(), torch.randn(20, 3, 8, 8)
    found = examples(model, data, ["layer"], shard_size=8, workers=1)
    assert np.array_equal(found["layer"].mean, examples(model, data, ["layer"], shard_size=8)["layer"].mean)
