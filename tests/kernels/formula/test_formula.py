"""A network as an expression: equal to torch, as Python and as C too; its size is foretold."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
import sympy
import torch
from torch import nn

from nnlens.kernels import formula


class Elman(nn.Module):
    """One step of a recurrent network, written out and as a cell."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.cell = nn.Linear(2, 3), nn.Linear(3, 3, bias=False), nn.RNNCell(2, 3)

    def forward(self, x):
        data, state = x[:, :2], x[:, 2:]
        return torch.tanh(self.a(data) + self.b(state)) * 2 + self.cell(data, state)


class Picture(nn.Module):
    """A small convolutional network with normalisation, pools, a residual and a softmax."""

    def __init__(self):
        super().__init__()
        self.one, self.norm, self.two = nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)
        self.head = nn.Linear(2, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.one(x)))
        x = x + nn.functional.gelu(self.two(x))
        x = nn.functional.max_pool2d(x, 2, 1).mean((2, 3))
        return self.head(x).softmax(-1)


class Arithmetic(nn.Module):
    def forward(self, x):
        gate = torch.sigmoid(x[:, :1])
        return gate * x[:, 1:] + x[:, 1:] ** 2 / (1 + x[:, :1].abs()) - torch.exp(-x[:, 1:])


def mlp(activation) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 6), activation, nn.Linear(6, 5), activation, nn.Linear(5, 2))


CASES = {
    "tanh": lambda: (mlp(nn.Tanh()), (3,)),
    "relu": lambda: (mlp(nn.ReLU()), (3,)),
    "sigmoid": lambda: (mlp(nn.Sigmoid()), (3,)),
    "softplus": lambda: (mlp(nn.Softplus()), (3,)),
    "silu": lambda: (mlp(nn.SiLU()), (3,)),
    "leaky": lambda: (mlp(nn.LeakyReLU(0.2)), (3,)),
    "elu": lambda: (mlp(nn.ELU()), (3,)),
    "relu6": lambda: (mlp(nn.ReLU6()), (3,)),
    "prelu": lambda: (mlp(nn.PReLU()), (3,)),
    "elman": lambda: (Elman(), (5,)),
    "picture": lambda: (Picture(), (1, 4, 4)),
    "arithmetic": lambda: (Arithmetic(), (3,)),
}


def case(name: str):
    torch.manual_seed(0)
    model, shape = CASES[name]()
    if name == "picture":
        model(torch.randn(8, *shape))
    return model.eval(), shape


@pytest.mark.parametrize("name", list(CASES))
def test_the_expression_equals_torch_at_ten_thousand_points(name):
    model, shape = case(name)
    found = formula.formula(model, torch.randn(1, *shape))
    points = torch.randn(10_000, *shape, dtype=torch.float64) * 2
    with torch.no_grad():
        expected = model.double()(points).reshape(len(points), -1).numpy()
    assert np.abs(found(points.flatten(1).numpy()) - expected).max() < 1e-9
    for layer in found.layers:  # each name is used or an output
        for item in layer.definitions:
            users = [other for other in found.definitions if item.name in other.expression.free_symbols]
            assert users or item.name in found.outputs


@pytest.mark.parametrize("name", ["tanh", "relu", "picture", "elman"])
def test_as_python_and_as_c(name, tmp_path):
    model, shape = case(name)
    found = formula.formula(model, torch.randn(1, *shape))
    x = torch.randn(5, *shape, dtype=torch.float64).flatten(1).numpy()
    expected = found(x)
    names: dict = {}
    exec(found.python(), names)
    for point, values in zip(x, expected, strict=True):
        assert names["network"](*point) == pytest.approx(values, abs=1e-12)
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here")
    source, library = tmp_path / "network.c", tmp_path / "network.so"
    source.write_text(found.c())
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", str(source), "-o", str(library), "-lm"], check=True)
    network = ctypes.CDLL(str(library)).network
    for point, values in zip(x, expected, strict=True):
        given, made = (ctypes.c_double * len(point))(*point), (ctypes.c_double * len(values))()
        network(given, made)
        assert list(made) == pytest.approx(values, abs=1e-12)


def test_a_single_unit_reads_as_in_a_textbook():
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[2.0, -0.5]]))
        model[0].bias.fill_(1.0)
    found = formula.formula(model, torch.zeros(1, 2))
    x1, x2 = found.inputs
    total, unit = (item.expression for item in found.definitions)
    assert sympy.simplify(total - (2 * x1 - x2 / 2 + 1)) == 0
    assert unit == 1 / (1 + sympy.exp(-found.definitions[0].name))
    assert str(found.outputs[0]) == "y"
    assert "inputs: 2, outputs: 1" in found.describe()
    assert r"\begin{aligned}" in found.latex()


def test_layers_are_named_and_the_whole_can_be_written_out():
    model, _shape = case("tanh")
    found = formula.formula(model, torch.zeros(1, 3))
    assert [(layer.operation, len(layer.definitions)) for layer in found.layers] == [("1:1", 6), ("1:2", 5), ("4", 2)]
    assert [str(item.name) for item in found.layers[0].definitions[:2]] == ["h1_1", "h1_2"]
    whole = found.expression(1)
    assert whole.free_symbols == set(found.inputs)
    point = np.array([[0.3, -1.0, 0.7]])
    assert float(whole.subs(dict(zip(found.inputs, point[0], strict=True)))) == pytest.approx(found(point)[0, 1])


def test_rounding_and_its_error():
    model, _shape = case("tanh")
    found = formula.formula(model, torch.zeros(1, 3))
    points = np.random.default_rng(0).standard_normal((500, 3))
    errors = [np.abs(found.rounded(digits)(points) - found(points)).max() for digits in (1, 2, 4, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-6 < errors[0]
    assert max(len(str(item)) for item in found.rounded(2).layers[0].definitions[0].expression.atoms(sympy.Float)) < 25


def test_what_is_too_large_or_has_no_expression_is_refused_with_a_reason():
    big = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 30 * 30, 10))
    with pytest.raises(formula.FormulaTooLargeError, match=r"about 2,\d+,\d+ numbers .*, most of them from 0"):
        formula.formula(big, torch.zeros(1, 3, 32, 32))
    deep = nn.Sequential(*[part for _layer in range(8) for part in (nn.Linear(8, 8), nn.Tanh())])
    found = formula.formula(deep, torch.zeros(1, 8))
    with pytest.raises(formula.FormulaTooLargeError, match="single expression"):
        found.expression()

    class Sorted(nn.Module):
        def forward(self, x):
            return x.sort().values

    with pytest.raises(ValueError, match="cannot be written"):
        formula.formula(Sorted(), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="one input"):
        formula.formula(deep, torch.zeros(2, 8))
    with pytest.raises(ValueError, match="digits"):
        found.rounded(0)
    with pytest.raises(ValueError, match="output must be"):
        found.expression(9)
    with pytest.raises(ValueError, match=r"array \(n, 8\)"):
        found(np.zeros((2, 3)))
