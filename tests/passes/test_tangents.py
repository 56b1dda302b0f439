"""All directions through every layer in one pass, against torch's forward-mode differentiation and its Jacobian."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnlens.passes.tangents import tangent_pass
from nnlens.recording import record
from nnlens.recording.substitute import Reached


class Attention(nn.Module):
    """Patches, a class token, normalisation, attention in two ways, a gate and a softmax."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 2, 2)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.norm, self.turn = nn.LayerNorm(8), nn.Linear(8, 24)
        self.gate, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        q, k, v = self.turn(self.norm(x)).chunk(3, -1)
        x = x + nn.functional.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        x = x + torch.softmax(q @ k.transpose(1, 2) / 3, -1) @ v
        x = nn.functional.gelu(x) * self.gate(x).sigmoid_() / (1 + x.abs())
        return self.head(2 - x[:, 0])


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.norm = nn.Conv2d(1, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.deep, self.two = nn.Conv2d(5, 5, 3, padding=1, groups=5), nn.ConvTranspose2d(5, 4, 2, 2)
        self.slopes, self.head = nn.PReLU(4), nn.Linear(4, 3)

    def forward(self, x):
        x = self.norm(self.one(x))
        x = x + nn.functional.pad(self.deep(x)[..., 1:, 1:], (1, 0, 1, 0), value=0.3)
        x += x.mean((2, 3), keepdim=True)
        x = nn.functional.relu6(x, inplace=True)
        x = self.slopes(self.two(nn.functional.max_pool2d(x, 3, 2, 1)))
        x.mul_(1.5)
        return torch.log_softmax(self.head(nn.functional.adaptive_avg_pool2d(x, 1).view(x.shape[0], -1)), 1)


@pytest.mark.parametrize("kind", [Attention, Convolutions])
@pytest.mark.parametrize(("points", "count"), [(1, 1), (1, 4), (3, 2)])
def test_changes_equal_the_jacobian_times_the_directions(kind, points, count):
    torch.manual_seed(0)
    model = kind()
    if kind is Convolutions:
        model(torch.randn(8, 1, 6, 6))
    model.eval()
    x, directions = torch.randn(points, 1, 6, 6), torch.randn(count, 1, 6, 6)
    recording = record(model, x[:1])
    found = {}
    tangent_pass(
        model, recording, x, directions, lambda name, value, changes: found.update({name: (value, changes.clone())})
    )
    for operation in recording:
        if "softmax" in operation.op or operation.op in ("conv2d", "linear"):
            assert operation.name in found
    value, changes = found[list(recording)[-1].name]
    torch.testing.assert_close(value, model(x))
    for point in range(points):
        jacobian = torch.autograd.functional.jacobian(lambda given: model(given)[0], x[point : point + 1]).flatten(1)
        torch.testing.assert_close(changes[:, point], directions.flatten(1) @ jacobian.T, rtol=1e-4, atol=1e-5)


def test_the_pass_can_end_early_and_a_batch_that_is_mixed_is_refused():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.randn(1, 3)
    seen = []

    def tell(name, _value, _changes):
        seen.append(name)
        if name == "1":
            raise Reached

    tangent_pass(model, record(model, x), x, torch.randn(2, 3), tell)
    assert seen == ["0", "1"]

    class Mixed(nn.Module):
        def forward(self, x):
            return x.flatten().cumsum(0)

    with pytest.raises(ValueError, match="first axis"):
        tangent_pass(Mixed(), record(Mixed(), x), x, torch.randn(2, 3), lambda *_found: None)


def test_a_division_by_the_input_is_not_linear():
    """Torch records 1 / x and x / 1 with the same arguments."""

    class Inverse(nn.Module):
        def forward(self, x):
            return 1 / x

    x, direction = torch.tensor([[2.0, 4.0]]), torch.ones(1, 2)
    found = []
    model = Inverse()
    tangent_pass(model, record(model, x), x, direction, lambda _name, _value, change: found.append(change.clone()))
    torch.testing.assert_close(found[-1].flatten(), torch.tensor([-0.25, -0.0625]))
