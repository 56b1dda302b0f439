"""The linear piece at an input: exact within its region, wrong beyond, and its border found by bisection too."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import nnlens
from nnlens.kernels import functions
from nnlens.recording import record


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 12), nn.LeakyReLU(0.2), nn.Linear(12, 3))


class Block(nn.Module):
    """A convolution with normalisation, a residual, several kinks, maximum and average pools."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.two = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4 * 4, 3)

    def forward(self, x):
        x = nn.functional.relu6(self.norm(self.one(x)))
        x = nn.functional.hardtanh(self.two(x) + x, -0.5, 0.8)
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        x = nn.functional.max_pool2d(x, 3, 1, 1, ceil_mode=True)
        x = nn.functional.avg_pool2d(x.abs(), 2)
        return self.head(x.flatten(1))


def case(name: str):
    torch.manual_seed(0)
    if name == "mlp":
        return mlp().eval(), torch.randn(1, 4)
    if name == "block":
        model = Block()
        model(torch.randn(8, 2, 8, 8))  # statistics of the normalisation
        return model.eval(), torch.randn(1, 2, 8, 8)
    network = nnlens.zoo.digits()
    picture = nnlens.zoo.DigitImages()[3][0]
    lens = nnlens.Lens(network.model, preprocess=network.preprocess, labels=network.labels)
    x = lens.sample(picture).input.x
    return network.model, x + 0.01 * torch.randn_like(x)  # a flat background lies on the borders of maxima


def pattern(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Which piece each unit is on, by plain torch in double precision."""
    found: list[torch.Tensor] = []
    recording = record(model, x)
    for operation in recording:
        ends = functions.pieces.kinks(operation)
        if ends is not None:
            value = recording[operation.inputs[0]]
            found.append(sum((value > end).int() for end in ends))
        if operation.op == "max_pool2d":
            given = operation.arguments
            found.append(nn.functional.max_pool2d_with_indices(recording[operation.inputs[0]], *given[1:])[1])
    return found


def same(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", ["mlp", "block", "digits"])
def test_the_map_is_exact_up_to_the_border_and_wrong_beyond(name):
    model, x = case(name)
    exact = copy.deepcopy(model).double().eval()
    piece = functions.local_map(model, x)
    assert piece.kind.exact, piece.kind.why
    point = x.double()
    np.testing.assert_allclose(piece.value, exact(point)[0].detach(), atol=1e-9)
    np.testing.assert_allclose(piece.at(point)[0], piece.value, atol=1e-9)
    torch.manual_seed(1)
    for _number in range(3):
        along = torch.randn_like(point)
        edge = functions.border(model, x, along)
        assert 0 < edge.distance < float("inf")
        inside = point + 0.999 * edge.distance * along
        np.testing.assert_allclose(piece.at(inside), exact(inside).detach(), atol=1e-8)
        beyond = point + 40 * edge.distance * along
        assert np.abs(piece.at(beyond) - exact(beyond).detach().numpy()).max() > 1e-6
        # Bisection on the pattern of all units.
        start = pattern(exact, point)
        low, high = 0.0, 2 * edge.distance
        assert not same(start, pattern(exact, point + high * along))
        for _step in range(60):
            middle = (low + high) / 2
            if same(start, pattern(exact, point + middle * along)):
                low = middle
            else:
                high = middle
        assert edge.distance == pytest.approx(high, rel=1e-6, abs=1e-9)
        assert edge.layer in edge.describe()


def test_equal_values_in_a_window_are_a_border():
    model = nn.Sequential(nn.MaxPool1d(2), nn.Flatten())
    flat, along = torch.ones(1, 1, 4), torch.tensor([[[0.0, 1.0, 0.0, 0.0]]])
    assert functions.border(model, flat, along).distance == 0
    assert functions.border(model, torch.tensor([[[2.0, 1.0, 3.0, 1.0]]]), along).distance == 1


def test_a_single_unit_by_hand():
    model = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, -4.0]]))
        model[0].bias.fill_(10.0)
    x = torch.tensor([[1.0, 1.0]])
    piece = functions.local_map(model, x)
    assert piece.weights.tolist() == [[3.0, -4.0]]
    assert piece.bias.tolist() == [10.0]
    # The distance from a point to a line: 9 / 5 along the unit normal, downhill.
    edge = functions.border(model, x, torch.tensor([[-0.6, 0.8]]))
    assert edge.distance == pytest.approx(9 / 5)
    assert (edge.layer, edge.place) == ("1", 0)
    assert functions.border(model, x, torch.tensor([[0.6, -0.8]])).distance == float("inf")


@pytest.mark.parametrize(
    ("layer", "named"), [(nn.GELU(), "gelu"), (nn.LayerNorm(5), "layer_norm"), (nn.Softmax(1), "softmax")]
)
def test_smooth_networks_have_a_first_order_map_only(layer, named):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), layer, nn.Linear(5, 2)).eval()
    x = torch.randn(1, 3)
    piece = functions.local_map(model, x)
    assert not piece.kind.exact
    assert named in piece.kind.why
    assert "first order" in piece.describe()
    np.testing.assert_allclose(piece.at(x)[0], model(x)[0].detach(), atol=1e-5)
    with pytest.raises(ValueError, match="piecewise linear"):
        functions.border(model, x, torch.ones_like(x))


def test_products_of_two_values_of_the_input_are_not_linear():
    class Product(nn.Module):
        def forward(self, x):
            return (x.relu() * x).sum(1, keepdim=True)

    class Scaled(nn.Module):
        def forward(self, x):
            return (x.relu() * 3 / 2).sum(1, keepdim=True)

    x = torch.tensor([[1.0, -2.0]])
    assert not functions.local_map(Product(), x).kind.exact
    assert functions.local_map(Scaled(), x).kind.exact


def test_the_model_is_left_as_it_is_and_wrong_input_is_refused():
    model = mlp().train()
    x = torch.randn(1, 4)
    functions.local_map(model, x)
    functions.border(model, x, torch.ones(1, 4))
    assert model.training
    assert next(model.parameters()).dtype == torch.float32
    for wrong, words in ((torch.randn(2, 4), "one input"), (torch.zeros(1, 4, dtype=torch.long), "floating")):
        with pytest.raises(ValueError, match=words):
            functions.local_map(model, wrong)
    with pytest.raises(ValueError, match="outputs must be"):
        functions.local_map(model, x, outputs=[3])
    with pytest.raises(ValueError, match="direction"):
        functions.border(model, x, torch.zeros(1, 4))


@pytest.mark.parametrize(
    ("name", "function", "exact"),
    [
        ("square", lambda h: h * h, False),
        ("einsum", lambda h: torch.einsum("bi,bi->bi", h, h), False),
        ("inverse", lambda h: 1 / (h + 1), False),
        ("floor", lambda h: torch.div(h, 2, rounding_mode="floor"), False),
        ("random", lambda h: torch.nn.functional.dropout(h, 0.5, training=True), False),
        ("weights from the input", lambda h: torch.nn.functional.linear(h, h.T @ h), False),
        ("own statistics", lambda h: torch.nn.functional.instance_norm(h[None]).squeeze(0), False),
        ("half", lambda h: h / 2, True),
        ("scaled", lambda h: 3 * h, True),
        ("from a constant", lambda h: 2 - h, True),
        ("no dropout", lambda h: torch.nn.functional.dropout(h, 0.5, training=False), True),
        ("torch's dropout", lambda h: torch.dropout(h, 0.5, False), True),
        ("a constant product", lambda h: torch.einsum("bi,ij->bj", h, torch.ones(3, 3, dtype=h.dtype)), True),
        ("clamped", lambda h: h.clamp(0, 1), True),
    ],
)
def test_what_counts_as_piecewise_linear(name, function, exact):
    class Made(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(2, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.second(function(torch.relu(self.first(x))))

    torch.manual_seed(0)
    model = Made().double().eval()
    assert functions.kind_of(record(model, torch.randn(1, 2, dtype=torch.float64))).exact == exact, name


def test_statistics_of_the_batch_are_not_linear():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, track_running_stats=False), nn.ReLU()).eval()
    assert not functions.kind_of(record(model, torch.randn(1, 1, 4, 4))).exact
    own = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU()).eval()
    assert functions.kind_of(record(own, torch.randn(1, 1, 4, 4))).exact
