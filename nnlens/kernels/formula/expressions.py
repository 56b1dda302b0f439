"""The operations of a pass, with symbols in place of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
import torch
from torch import Tensor

from nnlens.kernels.functions.border import maxima_of
from nnlens.passes.replay import from_input, replay
from nnlens.passes.tangents import AFFINE, LINEAR, is_linear_product
from nnlens.recording import Operation, Recording, Source

Pairs = list[tuple[sympy.Symbol, sympy.Expr]]
_SUMS = {"linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}


def _sigmoid(x: sympy.Expr) -> sympy.Expr:
    return 1 / (1 + sympy.exp(-x))


def _of_arguments(operation: Operation) -> Callable[[sympy.Expr], sympy.Expr] | None:
    """The function of an activation that has parameters."""
    op = operation.op.rstrip("_")
    if op == "leaky_relu":
        slope = float(operation.argument(1, "negative_slope", 0.01))
        return lambda x: sympy.Max(0, x) + slope * sympy.Min(0, x)
    if op == "elu":
        alpha = float(operation.argument(1, "alpha", 1.0))
        return lambda x: sympy.Max(0, x) + alpha * (sympy.exp(sympy.Min(0, x)) - 1)
    if op == "softplus":
        beta = float(operation.argument(1, "beta", 1.0))
        return lambda x: sympy.log(1 + sympy.exp(beta * x)) / beta
    if op in ("hardtanh", "relu6", "clamp"):
        low, high = (
            (0.0, 6.0)
            if op == "relu6"
            else (operation.argument(1, "min_val", -1.0), operation.argument(2, "max_val", 1.0))
        )
        if op == "clamp":
            low, high = operation.argument(1, "min"), operation.argument(2, "max")
        return lambda x: sympy.Max(*([] if low is None else [low]), sympy.Min(*([] if high is None else [high]), x))
    if op == "gelu":
        if operation.argument(1, "approximate", "none") == "tanh":
            return lambda x: x * (1 + sympy.tanh(sympy.sqrt(2 / sympy.pi).evalf(17) * (x + 0.044715 * x**3))) / 2
        return lambda x: x * (1 + sympy.erf(x / sympy.sqrt(2).evalf(17))) / 2
    if op == "pow" and isinstance(operation.argument(1, "exponent"), (int, float)):
        exponent = operation.argument(1, "exponent")
        return lambda x: x**exponent
    return None


_FUNCTIONS: dict[str, Callable[[sympy.Expr], sympy.Expr]] = {
    "relu": lambda x: sympy.Max(0, x),
    "sigmoid": _sigmoid,
    "tanh": sympy.tanh,
    "silu": lambda x: x * _sigmoid(x),
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "square": lambda x: x**2,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "abs": sympy.Abs,
    "reciprocal": lambda x: 1 / x,
    "erf": sympy.erf,
}


_INLINE = {"relu", "tanh", "sin", "cos"}


def expected_size(recording: Recording) -> tuple[int, str]:
    """How many numbers and functions the expression will have, and the operation that brings most of them."""
    seeing = from_input(recording)
    sizes: dict[str, int] = {}
    for operation in recording:
        if operation.name not in seeing:
            continue
        op = operation.op.rstrip("_")
        count = math.prod(operation.shape)
        if op in _SUMS:
            weight = operation.argument(1, "weight")
            shape = tuple(getattr(weight.value, "shape", (1,))) if isinstance(weight, Source) else (1,)
            reached = math.prod(shape[1:]) if not op.startswith("conv_transpose") else math.prod(shape) // shape[0]
            sizes[operation.name] = count * max(1, reached)
        elif op == "matmul":
            sizes[operation.name] = 2 * count * operation.shape[-1]
        elif op not in LINEAR:
            sizes[operation.name] = count
    largest = max(sizes, key=lambda name: sizes[name], default="")
    return sum(sizes.values()), largest


class Expressions:
    """The values of each operation as expressions in the inputs and in names for values before it."""

    def __init__(self, recording: Recording, x: Tensor):
        self.recording, self.x = recording, x
        self.seeing = from_input(recording)
        self.inputs = [sympy.Symbol(f"x{place + 1}") for place in range(x.numel())]
        self.values: dict[str, np.ndarray] = {"input": np.array(self.inputs, object).reshape(tuple(x.shape))}
        self.named: list[tuple[str, Pairs]] = []

    def follow(self, operation: Operation) -> None:
        """Take one operation more."""
        if operation.name not in self.seeing or operation.number is None:
            return
        op = operation.op if operation.op.startswith("__") else operation.op.rstrip("_")
        reads = list(dict.fromkeys(name for name in operation.inputs if name in self.seeing or name == "input"))
        if any(name not in self.values for name in reads):
            raise ValueError(f"the operation that {operation.name} reads cannot be written as an expression")
        activation = _FUNCTIONS.get(op) or _of_arguments(operation)
        if op in LINEAR or op in AFFINE or is_linear_product(operation, self.seeing):
            self.values[operation.name] = self._affine(operation, reads)
        elif activation is not None and len(reads) == 1:
            # In these a sum stays a sum; within e^-x sympy would take it apart.
            given = self.values[reads[0]] if op in _INLINE else self._named_value(reads[0])
            made = np.vectorize(activation, otypes=[object])(given)
            self.values[operation.name] = self._names(operation.name, made)
        else:
            self.values[operation.name] = self._other(operation, op, reads)

    def layers(self, last: Operation) -> list[tuple[str, Pairs]]:
        """The named values, and last those of an operation as y1, y2 and so on."""
        flat = self.values[last.name].reshape(-1)
        known = {symbol: value for _name, pairs in self.named for symbol, value in pairs}
        final = [known.get(value, value) for value in flat]
        kept = [(name, [pair for pair in pairs if pair[0] not in set(flat)]) for name, pairs in self.named]
        used = {symbol for _name, pairs in kept for _own, value in pairs for symbol in value.free_symbols}
        used |= {symbol for value in final for symbol in value.free_symbols}
        still = set(flat) & used  # an output that something else uses keeps its name
        names = [sympy.Symbol("y" if len(flat) == 1 else f"y{place + 1}") for place in range(len(flat))]
        if still:
            kept, final = self.named, list(flat)
        layers = [(name, [pair for pair in pairs if pair[0] in used or still]) for name, pairs in kept]
        return [*((name, pairs) for name, pairs in layers if pairs), (last.name, list(zip(names, final, strict=True)))]

    def _names(self, operation: str, values: np.ndarray) -> np.ndarray:
        """Names for values that are not names or numbers already."""
        layer, pairs, made = len(self.named) + 1, Pairs(), np.empty(values.shape, object)
        for place, index in enumerate(np.ndindex(values.shape)):
            value = sympy.sympify(values[index])
            if value.is_Atom:
                made[index] = value
            else:
                made[index] = sympy.Symbol(f"h{layer}_{place + 1}")
                pairs.append((made[index], value))
        if pairs:
            self.named.append((operation, pairs))
        return made

    def _named_value(self, name: str) -> np.ndarray:
        if any(not sympy.sympify(value).is_Atom for value in self.values[name].reshape(-1)):
            self.values[name] = self._names(name, self.values[name])
        return self.values[name]

    def _affine(self, operation: Operation, reads: list[str]) -> np.ndarray:
        """Sums of the values that it reads: the coefficients are what the operation itself makes of unit vectors."""
        shapes = {name: self.values[name].shape for name in reads}
        zeros = {name: torch.zeros(shape, dtype=self.x.dtype) for name, shape in shapes.items()}
        constant = self._run(operation, zeros).numpy()
        columns = []
        for name, shape in shapes.items():
            for unit in torch.eye(math.prod(shape), dtype=self.x.dtype):
                columns.append(self._run(operation, {**zeros, name: unit.view(shape)}).numpy() - constant)
        matrix, offsets = np.stack([column.reshape(-1) for column in columns], 1), constant.reshape(-1)
        moved = ((matrix != 0).sum(1) == 1) & (matrix.max(1) == 1) & (offsets == 0)
        if not moved.all():
            for name in reads:
                self._named_value(name)
        terms = np.concatenate([self.values[name].reshape(-1) for name in reads])
        made = np.empty(len(matrix), object)
        for row, weights in enumerate(matrix):
            used = np.flatnonzero(weights)
            if moved[row]:
                made[row] = terms[used[0]]
                continue
            parts = [sympy.Float(weights[place], 17) * terms[place] for place in used]
            made[row] = sympy.Add(*parts, *([sympy.Float(offsets[row], 17)] if offsets[row] else []))
        return made.reshape(constant.shape)

    def _run(self, operation: Operation, instead: dict[str, Tensor]) -> Tensor:
        x = instead.get("input", self.x)
        with torch.inference_mode(False), torch.no_grad():
            return replay(operation, self.recording, x, instead)

    def _other(self, operation: Operation, op: str, reads: list[str]) -> np.ndarray:
        if op in ("mul", "div", "true_divide", "matmul", "pow"):
            one, other = (self._operand(operation, place) for place in (0, 1))
            if op == "matmul":
                made = one @ other
            else:
                made = one * other if op == "mul" else one**other if op == "pow" else one / other
            return self._names(operation.name, made)
        if op in ("softmax", "log_softmax") and len(reads) == 1:
            axis = operation.argument(1, "dim", -1)
            grown = np.vectorize(sympy.exp, otypes=[object])(self._named_value(reads[0]))
            total = grown.sum(axis=axis, keepdims=True)
            made = grown / total
            if op == "log_softmax":
                made = self._named_value(reads[0]) - np.vectorize(sympy.log, otypes=[object])(total)
            return self._names(operation.name, made)
        if op in ("max_pool1d", "max_pool2d") and len(reads) == 1:
            return self._names(operation.name, self._maxima(operation, self._named_value(reads[0])))
        if op == "prelu":
            slopes = self._operand(operation, 1).reshape(1, -1, *[1] * (self.values[reads[0]].ndim - 2))
            given = self.values[reads[0]]
            above = np.vectorize(lambda x: sympy.Max(0, x), otypes=[object])(given)
            below = np.vectorize(lambda x: sympy.Min(0, x), otypes=[object])(given)
            return self._names(operation.name, above + slopes * below)
        if op in ("rnn_tanh_cell", "rnn_relu_cell"):
            data, state, w_in, w_state, *biases = (self._operand(operation, place) for place in range(6))
            summed = data @ w_in.T + state @ w_state.T + sum(biases)
            function = sympy.tanh if op == "rnn_tanh_cell" else _FUNCTIONS["relu"]
            return self._names(operation.name, np.vectorize(function, otypes=[object])(summed))
        raise ValueError(f"the operation {operation.name} ({operation.op}) cannot be written as an expression")

    def _operand(self, operation: Operation, place: int) -> np.ndarray:
        """An argument as an array of expressions or numbers."""
        names = ("input", "other") if place < 2 else ("", "")
        given = operation.argument(place, names[min(place, 1)])
        if isinstance(given, Source):
            if given.name in self.values:
                return self._named_value(given.name)
            value = given.value if given.name is None else self.recording[given.name]
            assert value is not None
            numbers = value.detach().double().cpu().numpy()
            return np.asarray(np.vectorize(lambda item: sympy.Float(item, 17), otypes=[object])(numbers))
        return np.array(sympy.sympify(given), object)

    def _maxima(self, operation: Operation, symbols: np.ndarray) -> np.ndarray:
        places = torch.arange(symbols.size, dtype=torch.float64).view(symbols.shape)
        windows: Any = maxima_of(operation, places, torch.zeros_like(places))[0][0].numpy()
        flat = symbols.reshape(-1)
        lowest = np.finfo(np.float64).min
        made = [
            [
                sympy.Max(*(flat[int(place)] for place in windows[channel, :, window] if place > lowest))
                for window in range(windows.shape[2])
            ]
            for channel in range(windows.shape[0])
        ]
        return np.asarray(np.array(made, object).reshape(operation.shape))
