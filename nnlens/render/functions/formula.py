"""A formula as a tree that a page can draw and compute with."""

from __future__ import annotations

from collections.abc import Sequence

import sympy
from PIL import Image, ImageDraw

from nnlens.kernels.formula import Definition, Formula

from . import payloads

_WIDTH, _LINE, _MOST_LINES = 640, 18, 40


def tree(expression: sympy.Expr) -> payloads.TreePayload:
    """An expression as nested dictionaries; operations are "+", "*", "^", and the names of functions."""
    if expression.is_Symbol:
        return {"op": "name", "name": str(expression)}
    if expression.is_number:
        return {"op": "number", "value": float(expression)}
    if expression.is_Mul and len(expression.args) == 2 and expression.args[0] == -1:
        inner = expression.args[1]
        # sympy writes an odd function of -x as minus the function of x; people read the weights as they are.
        if isinstance(inner, (sympy.tanh, sympy.sin, sympy.erf)):
            return {"op": type(inner).__name__, "parts": [tree(-inner.args[0])]}
    signs = {sympy.Add: "+", sympy.Mul: "*", sympy.Pow: "^"}
    op = signs.get(type(expression), type(expression).__name__.lower())
    return {"op": op, "parts": [tree(part) for part in _ordered(expression)]}


def _ordered(expression: sympy.Expr) -> Sequence[sympy.Expr]:
    """The arguments as people write them: of a sum by the names in it, of a product the number first."""
    if expression.is_Add:
        return sorted(expression.args, key=lambda part: (part.is_number, _first_name(part)))
    if expression.is_Mul:
        return sorted(expression.args, key=lambda part: (not part.is_number, _first_name(part)))
    return list(expression.args)


def _first_name(expression: sympy.Expr) -> tuple[int, ...]:
    """The numbers in the first of its names: h1_10 comes after h1_9."""
    names = (tuple(int(part) for part in name.name.strip("xhy").split("_")) for name in expression.free_symbols)
    return min(names, default=())


def formula_payload(formula: Formula, at: Sequence[float], difference: float, points: int) -> payloads.FormulaPayload:
    """The layers of a formula with the values of its inputs, and its largest difference from the network."""
    return {
        "inputs": [str(name) for name in formula.inputs],
        "outputs": [str(name) for name in formula.outputs],
        "layers": [
            {"operation": layer.operation, "definitions": definitions_payload(layer.definitions)}
            for layer in formula.layers
        ],
        "size": formula.size,
        "start": [float(value) for value in at],
        "difference": difference,
        "points": points,
        "about": formula.describe(),
    }


def definitions_payload(definitions: Sequence[Definition]) -> list[payloads.DefinitionPayload]:
    """Named sub-expressions as trees."""
    return [{"name": str(item.name), "tree": tree(item.expression)} for item in definitions]


def formula_image(formula: Formula, digits: int) -> Image.Image:
    """The first lines of a formula as a picture."""
    lines = [
        line
        for layer in formula.rounded(digits).layers
        for line in (f"{layer.operation}:", *(f"  {item.name} = {item.expression}" for item in layer.definitions))
    ]
    shown = lines[:_MOST_LINES] + (["…"] if len(lines) > _MOST_LINES else [])
    image = Image.new("RGB", (_WIDTH, _LINE * len(shown) + 8), "white")
    pen = ImageDraw.Draw(image)
    for place, line in enumerate(shown):
        pen.text((4, 4 + _LINE * place), line, fill="black")
    return image
