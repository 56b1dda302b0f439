"""The exact expression that a small network computes, as named sub-expressions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from jaxtyping import Float
from sympy.printing.c import ccode
from sympy.printing.pycode import pycode
from torch import Tensor, nn

from nnlens.kernels.functions.local_map import doubled
from nnlens.recording import record
from nnlens.scores.meaning import Pick, pick_output
from nnlens.utils.language import _

from .expressions import Expressions, expected_size
from .simplification import simplified

MOST = 5000  # numbers and functions


class FormulaTooLargeError(ValueError):
    """The expression would have more parts than anybody can read."""


@dataclass(frozen=True)
class Definition:
    """One named sub-expression: `name` = `expression`."""

    name: sympy.Symbol
    expression: sympy.Expr


@dataclass(frozen=True)
class FormulaLayer:
    """The sub-expressions of one layer, which use the names of layers before it.

    Attributes
    ----------
    operation : str
        The operation of the network that gives these values.
    definitions : tuple of Definition
    """

    operation: str
    definitions: tuple[Definition, ...]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Formula:
    """A network written as an expression.

    Attributes
    ----------
    inputs : tuple of sympy.Symbol
        x1, x2, … in the order of the flattened input.
    layers : tuple of FormulaLayer
        In the order of the network; the last one gives the outputs y1, y2, …
    """

    inputs: tuple[sympy.Symbol, ...]
    layers: tuple[FormulaLayer, ...]

    @property
    def outputs(self) -> tuple[sympy.Symbol, ...]:
        """The names of the network's outputs."""
        return tuple(definition.name for definition in self.layers[-1].definitions)

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """All sub-expressions, each after those that it uses."""
        return tuple(definition for layer in self.layers for definition in layer.definitions)

    @cached_property
    def size(self) -> int:
        """How many additions, products and functions it has."""
        return sum(int(sympy.count_ops(definition.expression)) for definition in self.definitions)

    def expression(self, output: int = 0, *, simplify: bool = False) -> sympy.Expr:
        """One output as a single expression in the inputs, every name replaced by what it stands for.

        Of a deep network this is long: a sub-expression is written as often as it is used.

        Raises
        ------
        ValueError
            For an output that is not there.
        FormulaTooLargeError
            Where it would have more than 100,000 parts.
        SimplificationTimeoutError
            With `simplify`, where sympy finds no simpler form in 20 seconds.
        """
        if not 0 <= output < len(self.outputs):
            raise ValueError(f"output must be 0…{len(self.outputs) - 1}, got {output}")
        sizes: dict[sympy.Symbol, int] = dict.fromkeys(self.inputs, 1)
        for definition in self.definitions:
            uses = sum(sizes[symbol] for symbol in definition.expression.free_symbols)
            sizes[definition.name] = int(sympy.count_ops(definition.expression)) + uses
        if sizes[self.outputs[output]] > 100_000:
            raise FormulaTooLargeError(
                f"as a single expression the output would have about {sizes[self.outputs[output]]:,} parts; the named "
                "sub-expressions (`definitions`) have "
                f"{self.size:,}"
            )
        values: dict[sympy.Symbol, sympy.Expr] = {}
        for definition in self.definitions:
            values[definition.name] = definition.expression.xreplace(values)
        found = values[self.outputs[output]]
        return simplified(found) if simplify else found

    def rounded(self, digits: int) -> Formula:
        """With numbers of so many significant digits.

        Raises ValueError for fewer than 1 digit.
        """
        if digits < 1:
            raise ValueError(f"digits must be at least 1, got {digits}")

        def short(expression: sympy.Expr) -> sympy.Expr:
            numbers = {item: sympy.Float(f"{float(item):.{digits}g}") for item in expression.atoms(sympy.Float)}
            return expression.xreplace(numbers)

        return Formula(
            inputs=self.inputs,
            layers=tuple(
                FormulaLayer(
                    layer.operation,
                    tuple(Definition(item.name, short(item.expression)) for item in layer.definitions),
                )
                for layer in self.layers
            ),
        )

    def __call__(self, x: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "n outputs"]:
        """The values of the outputs at some inputs, each flattened."""
        points = np.asarray(x, np.float64)
        if points.ndim != 2 or points.shape[1] != len(self.inputs):
            raise ValueError(f"x must be an array (n, {len(self.inputs)}), got {points.shape}")
        values: dict[sympy.Symbol, np.ndarray] = dict(zip(self.inputs, points.T, strict=True))
        with np.errstate(over="ignore"):
            for layer in self.layers:
                used = sorted({name for item in layer.definitions for name in item.expression.free_symbols}, key=str)
                run = sympy.lambdify(used, [item.expression for item in layer.definitions], [_FUNCTIONS, "numpy"])
                made = run(*(values[name] for name in used))
                for item, value in zip(layer.definitions, made, strict=True):
                    values[item.name] = np.broadcast_to(value, len(points))
        return np.stack([values[name] for name in self.outputs], 1)

    def python(self, name: str = "network") -> str:
        """A function of Python's `math`, from the inputs to the tuple of outputs."""
        lines = ["import math", "", "", f"def {name}({', '.join(map(str, self.inputs))}):"]
        for layer in self.layers:
            lines.append(f"    # {layer.operation}")
            lines += [f"    {item.name} = {pycode(item.expression)}" for item in layer.definitions]
        outputs = ", ".join(map(str, self.outputs))
        return "\n".join([*lines, f"    return ({outputs},)", ""])

    def c(self, name: str = "network") -> str:
        """A function in C: `void network(const double *x, double *y)`."""
        lines = ["#include <math.h>", "", f"void {name}(const double *x, double *y) {{"]
        lines += [f"    const double {symbol} = x[{place}];" for place, symbol in enumerate(self.inputs)]
        for layer in self.layers:
            lines.append(f"    /* {layer.operation} */")
            lines += [f"    const double {item.name} = {ccode(item.expression)};" for item in layer.definitions]
        lines += [f"    y[{place}] = {symbol};" for place, symbol in enumerate(self.outputs)]
        return "\n".join([*lines, "}", ""])

    def latex(self) -> str:
        """An `aligned` block with a line for each sub-expression."""
        lines = [
            f"{sympy.latex(item.name)} &= {sympy.latex(item.expression)} \\\\"
            for layer in self.layers
            for item in layer.definitions
        ]
        return "\n".join([r"\begin{aligned}", *lines, r"\end{aligned}"])

    def describe(self) -> str:
        """In words: "inputs: 3, outputs: 2, named sub-expressions: 11, operations: 80"."""
        return _(
            "inputs: {inputs}, outputs: {outputs}, named sub-expressions: {count}, operations: {size}",
            outputs=len(self.outputs),
            inputs=len(self.inputs),
            count=len(self.definitions),
            size=self.size,
        )

    def __repr__(self) -> str:
        return f"Formula({self.describe()})"


def _error_function(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.vectorize(math.erf, otypes=[float])(x))


_FUNCTIONS: dict[str, Any] = {"erf": _error_function}


def formula(model: nn.Module, x: Float[Tensor, "1 ..."], *, output: Pick = None, most: int = MOST) -> Formula:
    """Write a small network as an expression: exact, with its weights as double-precision numbers.

    The operations that a pass of x makes are followed with symbols in place of numbers. What is affine (linear layers,
    convolutions, normalisation in eval mode, averages) becomes a sum; activations become the functions that define
    them, ReLU the larger of 0 and its argument, the sigmoid 1 / (1 + e^-x). Each value after an activation gets a name
    (h1_3: layer 1, unit 3), which later layers use.

    Parameters
    ----------
    x : tensor (1, …)
        An input: its shape counts, and which way the model's Python takes with it.
    output : str, int or callable, optional
        Which of several outputs of the model is meant.
    most : int
        How many numbers and functions the expression may have.

    Raises
    ------
    FormulaTooLargeError
        A `ValueError`, before anything is written: the expression would have more than `most` parts.
    ValueError
        For an operation without an expression here, such as sorting.
    """
    if not isinstance(x, Tensor) or x.ndim < 2 or len(x) != 1 or not x.is_floating_point():
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be one input as a floating-point tensor (1, …), got {got}")
    exact, point = doubled(model), x.detach().double()
    for name, value in exact.named_parameters():
        if not bool(value.isfinite().all()):
            raise ValueError(f"the model's weights must be finite, but {name} has values that are NaN or infinite")
    recording = record(exact, point)
    size, largest = expected_size(recording)
    if size > most:
        raise FormulaTooLargeError(
            f"the expression would have about {size:,} numbers and functions, most of them from "
            f"{largest}; more than {most:,} are not written (the argument `most`)"
        )
    made = recording.maker_of(pick_output(recording.output, output))
    if made is None:
        raise ValueError("the output must be what one recorded operation returns")
    expressions = Expressions(recording, point)
    for operation in recording:
        expressions.follow(operation)
        if operation.name == made.name:
            break
    layers = expressions.layers(made)
    return Formula(
        inputs=tuple(expressions.inputs),
        layers=tuple(
            FormulaLayer(name, tuple(Definition(symbol, value) for symbol, value in pairs)) for name, pairs in layers
        ),
    )
